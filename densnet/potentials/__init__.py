"""What can move atoms: a file each, that says how, for which elements, and what it gives.

Verbs choose one by its name here and hand it to whatever needs a :class:`densnet.potential.Potential`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from densnet.errors import DensnetError
from densnet.molecule import Molecule
from densnet.potential import Make, Named, Potential, check_elements, check_quantities

NAMED: dict[str, str] = {
    "gfn2-xtb": "densnet.potentials.gfn2:Gfn2",
    "mmff94": "densnet.potentials.mmff94:Mmff94",
    "so3lr": "densnet.potentials.so3lr:So3lr",
}
"""Potentials that need nothing but the molecule: module and class, made as ``Class(molecule)``."""


def named_class(name: str) -> type[Named]:
    """Return the class of the potential of a name.

    Raises:
        DensnetError: no such potential.
    """
    if name not in NAMED:
        raise DensnetError(f"expected one of {', '.join(NAMED)}, found {name!r}")
    module, _, attribute = NAMED[name].partition(":")
    potential: type[Named] = getattr(import_module(module), attribute)
    return potential


def check(name: str, numbers: Iterable[int], wanted: Iterable[str] = (), purpose: str = "") -> type[Named]:
    """Return the class of the potential of a name if it can do what is wanted of it; nothing is computed yet.

    Args:
        name: a key of :data:`NAMED`.
        numbers: atomic numbers of the molecule.
        wanted: quantities that it must give.
        purpose: what for, in a few words.

    Raises:
        DensnetError: no such potential, one that is not installed, or that lacks an element or a quantity.
    """
    potential = named_class(name)
    if potential.needs and find_spec(potential.needs[0]) is None:
        package, remedy = potential.needs
        raise DensnetError(f"{name}: the package {package} is not installed; {remedy}")
    check_elements(potential, numbers)
    check_quantities(potential, wanted, purpose)
    return potential


def named(name: str) -> Make:
    """Return what makes the potential of a name for a molecule; it may travel to other processes.

    Raises:
        DensnetError: no such potential; when it is called: as :func:`check`.
    """
    named_class(name)
    return partial(_made, name)


def _made(name: str, molecule: Molecule) -> Potential:
    return check(name, molecule.numbers)(molecule)
