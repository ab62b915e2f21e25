"""SO3LR, a pretrained network with long-range forces, for organic and biological molecules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from os import devnull

from densnet.molecule import Molecule
from densnet.potential import Array, Named, Quantities
from densnet.potentials.ase import AsePotential

WHOLE = 1000.0
"""Angstrom; long-range cutoff that its authors name for molecules in the gas phase."""


class So3lr(AsePotential, Named):
    """SO3LR (Kabylda et al., doi:10.1021/jacs.5c09558, 2025) by so3krates-torch, whose wheel has its weights.

    It learned forces, not energies: differences of its energies alone mean something. Its dipole is that of its own
    charges. In double precision, for in single a total energy is rounded to 0.1 meV. On the CPU, one geometry after
    the other.
    """

    name = "so3lr"
    elements = frozenset({1, 6, 7, 8, 9, 15, 16, 17})
    quantities = frozenset({"energy", "forces", "dipole"})
    dtype = "float64"
    needs = ("so3krates_torch", "run .venv/bin/pip install -c envs/requirements.lock '.[so3lr]'")
    cost = 20.0

    def __init__(self, molecule: Molecule) -> None:
        from so3krates_torch.calculator.so3 import SO3LRCalculator

        # it says on standard output what precision it takes
        with _double_precision(), open(devnull, "w") as nowhere, redirect_stdout(nowhere):
            super().__init__(SO3LRCalculator(r_max_lr=WHOLE, default_dtype="float64"), molecule, self.name)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: the calculator fails.
        """
        with _double_precision():
            return super().__call__(positions)


@contextmanager
def _double_precision() -> Iterator[None]:
    """Let torch make double precision numbers for a while; SO3LR takes what it makes, and sets it for good."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
