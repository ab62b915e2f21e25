"""The potential that a user chooses: a model file, a name, or any ASE calculator."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ase import Atoms

from densnet.dynamics.separate import Separate
from densnet.errors import DensnetError
from densnet.io.parts import digest_of
from densnet.kernel.kernel_files import is_kernel_file
from densnet.molecule import Molecule
from densnet.peers.mace_program import is_mace_file
from densnet.potential import Potential
from densnet.potentials import NAMED, named
from densnet.potentials.ase import AsePotential
from densnet.potentials.crystal import CrystalPotential
from densnet.potentials.gfn1 import gfn1_xtb
from densnet.potentials.kernel import KernelPotential
from densnet.potentials.mace import MacePotential
from densnet.potentials.reference import ReferencePotential
from densnet.reference.level import AUTO, PROGRAMS, PSI4, PYSCF, LevelOfTheory

COMPUTED = (*NAMED, *PROGRAMS)
"""What is chosen by its name."""
CALCULATORS = {"gfn1-xtb": gfn1_xtb}
"""ASE calculators that are chosen by a name; those that know of a cell are for crystals, too."""
BATCH = 64
"""Geometries that a model takes at once, in a scan."""


@dataclass
class Chosen:
    """A potential that was chosen, to be made for any molecule.

    Attributes:
        model: a ``model.pt``, an output of 'densnet kernel', or a model file of MACE; or ...
        calculator: ... one of :data:`COMPUTED` or :data:`CALCULATORS`, or MODULE:CALLABLE, called without arguments for
            an ASE calculator.
        device: where a model computes; a GPU if there is one, if not given.
        threads: of a model on the CPU.
        level: of Psi4 or PySCF.
        output: beside it their finished geometries are kept.

    Raises:
        DensnetError: both or neither of model and calculator, a calculator that is not there, Psi4 or PySCF without
            output, or beside another program in the level.
    """

    model: Path | None
    calculator: str | None
    device: str | None = None
    threads: int = 1
    level: LevelOfTheory = field(default_factory=LevelOfTheory)
    output: Path | None = None
    _reference: dict[str, ReferencePotential] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.model is None) == (self.calculator is None):
            wrong = "neither" if self.model is None else f"both, {self.model} and {self.calculator}"
            raise DensnetError(f"potential: expected either a model file or --calculator, found {wrong}; give one")
        if self.threads < 1:
            raise DensnetError(f"threads: expected at least 1, found {self.threads}")
        self._factory = None
        if self.calculator in PROGRAMS and self.output is None:
            raise DensnetError(
                f"{self.calculator}: takes long; expected --output FILE, to keep finished geometries beside it"
            )
        if self.calculator in PROGRAMS:
            if self.level.program not in (AUTO, self.calculator):
                raise DensnetError(
                    f"program: expected {self.calculator}, as the potential is called, found {self.level.program}"
                )
            self.level = replace(self.level, program=PSI4 if self.calculator == PSI4 else PYSCF)
        elif self.calculator is not None and self.calculator not in COMPUTED:
            self._factory = CALCULATORS.get(self.calculator) or imported(self.calculator)

    @property
    def name(self) -> str:
        """Return what the user called it."""
        return str(self.model or self.calculator)

    @property
    def is_ours(self) -> bool:
        """Return whether it is a model of ours, networks or kernels: its zero of energy is that of labels."""
        return self.model is not None and not is_mace_file(self.model)

    @property
    def has_density(self) -> bool:
        """Return whether it is a :class:`ModelPotential`."""
        return self.is_ours and not is_kernel_file(Path(str(self.model)))

    @property
    def batch(self) -> int | None:
        """Return the geometries that are evaluated at once in a scan; None: all, of which a program keeps each."""
        return BATCH if self.model else None if self.calculator in PROGRAMS else 1

    def __call__(
        self, molecule: Molecule, replicas: int = 1, *, lasting: bool = False, double: bool = False
    ) -> Potential:
        """Return the potential of a molecule for so many geometries in each call.

        A geometry that is refused has no energy (NaN) and spares the others.

        Args:
            lasting: there will be thousands of calls; to record one takes seconds.
            double: let a model compute in double precision.

        Raises:
            DensnetError: an element that it does not know, or a molecule that it refuses.
        """
        if self.model is not None:
            return self._of_model(self.model, molecule, lasting, double)
        if self.calculator in PROGRAMS:
            return self._of_program(molecule)
        if self._factory is not None:
            return Separate([AsePotential(self._factory(), molecule)] * replicas)
        make = named(str(self.calculator))
        return Separate([make(molecule) for _ in range(replicas)])

    def of_crystal(self, crystal: Atoms, replicas: int = 1, *, double: bool = False) -> Potential:
        """Return the potential of a crystal, its cell fixed, for so many geometries in each call.

        Raises:
            DensnetError: what was chosen knows of no cell.
        """
        if self.model is not None and is_mace_file(self.model):
            return MacePotential(self.model, crystal, double=double, threads=self.threads)
        if self._factory is None:
            raise DensnetError(
                f"{self.name}: moves molecules without a cell; for a crystal choose a model file of MACE, or "
                f"--calculator {', '.join(CALCULATORS)} or MODULE:CALLABLE"
            )
        return Separate([CrystalPotential(self._factory(), crystal, self.name) for _ in range(replicas)])

    def remove_parts(self) -> None:
        """Delete what Psi4 or PySCF kept: the output is whole."""
        for potential in self._reference.values():
            potential.remove_parts()

    def _of_model(self, model: Path, molecule: Molecule, lasting: bool, double: bool) -> Potential:
        if is_kernel_file(model):
            return KernelPotential.from_file(model, molecule.numbers)
        if is_mace_file(model):
            return MacePotential(model, Atoms(molecule.numbers), double=double, threads=self.threads)
        import torch

        from densnet.potentials.model import ModelPotential

        torch.set_num_threads(self.threads)
        return ModelPotential.from_file(
            model,
            molecule.numbers,
            device=self.device or ("cuda" if torch.cuda.is_available() else "cpu"),
            dtype=torch.float64 if double else torch.float32,
            recorded=lasting,
        )

    def _of_program(self, molecule: Molecule) -> Potential:
        key, output = digest_of(molecule.numbers)[:16], Path(str(self.output))
        if key not in self._reference:
            beside = output.with_name(f"{output.name}.{key}")
            self._reference[key] = ReferencePotential(molecule, self.level, beside, sparing=True)
        return self._reference[key]


def imported(name: str) -> Callable[[], Any]:
    """Return the factory that MODULE:CALLABLE names; modules of the working folder are found too.

    Raises:
        DensnetError: no such name, or nothing that can be called.
    """
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        known = ", ".join((*COMPUTED, *CALCULATORS))
        raise DensnetError(f"calculator: expected one of {known} or MODULE:CALLABLE, found {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise DensnetError(f"calculator: {name} cannot be imported ({error}); correct the name") from error
    if not callable(factory):
        raise DensnetError(f"calculator: expected {name} to be a callable without arguments, found {factory!r}")
    return factory
