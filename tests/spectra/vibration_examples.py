"""Molecules at their minima, and how they vibrate there."""

from __future__ import annotations

from functools import cache

from densnet.molecule import Molecule, from_smiles
from densnet.potential import Array
from densnet.potentials import named
from densnet.spectra.harmonic import Harmonic
from densnet.spectra.minimum import minimum


@cache
def vibrating(smiles: str) -> tuple[Molecule, Array, Harmonic]:
    """Return a molecule, its minimum by GFN2-xTB and its normal modes."""
    molecule = from_smiles(smiles)
    return molecule, *minimum(named("gfn2-xtb")(molecule), molecule.positions, molecule.atomic_masses)
