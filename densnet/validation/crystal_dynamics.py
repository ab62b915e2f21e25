"""Dynamics of a crystal by a potential, its cell fixed, and the trajectory that this leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_extxyz

from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically
from densnet.mechanics.relaxation import relaxed
from densnet.potential import Array, Potential
from densnet.units import DALTON_ANGSTROM2_PER_FS2_IN_EV
from densnet.validation.conservation import Conservation, conservation
from densnet.validation.molecular_axes import tree_of
from densnet.validation.motion import Motion
from densnet.validation.settings import CrystalSettings

FORCE, STEPS = 0.01, 500
"""Of the relaxation before dynamics: eV/Angstrom left on any atom, and steps at most."""
SHIFTED = 1e-3
"""eV: what an energy may change by when an atom goes to its next periodic image."""


def whole_crystal(motion: Motion) -> Array:
    """Return the atoms (i, x) of the first frame with no molecule cut by the cell, Angstrom.

    Raises:
        DensnetError: molecules that cannot be told apart, for they are bonded to their own periodic images.
    """
    tree = tree_of(motion)
    if tree.endless.any():
        raise DensnetError(
            f"{motion.name}: the atoms are bonded to their own periodic images; expected molecules that their bonds "
            "tell apart, not a network"
        )
    return np.asarray(motion.positions[0, 0] + tree.images @ motion.cells[0, 0])


def check_periodic(potential: Potential, positions: Array, cell: Array) -> None:
    """See that a potential knows of the cell: an atom that goes to its next image along any vector changes nothing.

    Args:
        potential: of one geometry in each call.
        positions: Angstrom, (i, x).
        cell: lattice vectors, Angstrom, (3, 3).

    Raises:
        DensnetError: the energy changes.
    """
    before = float(potential(positions[None])["energy"][0])
    for name, vector in zip("abc", cell, strict=True):
        shifted = positions.copy()
        shifted[0] += vector
        change = abs(float(potential(shifted[None])["energy"][0]) - before)
        if not change < SHIFTED:
            raise DensnetError(
                f"{potential.name}: the energy changes by {change:.3g} eV when an atom goes to its next image along "
                f"{name}; expected a calculator that knows of the cell, choose another"
            )


def crystal_minimum(potential: Potential, positions: Array) -> Array:
    """Return the nearest minimum (i, x) with the cell as it is, Angstrom.

    Raises:
        DensnetError: there is none, or its molecules are others.
    """
    return relaxed(potential, positions, force=FORCE, steps=STEPS, same_bonds=True)


def crystal_run(
    potential: Potential, motion: Motion, minimum: Array, settings: CrystalSettings
) -> tuple[Conservation, Motion]:
    """Run replicas of a crystal at constant energy, and return what is conserved and the trajectory.

    Args:
        potential: of as many replicas as the settings say.
        motion: its first frame has cell and masses.
        minimum: where all replicas start, Angstrom, (i, x).
        settings: of the dynamics.

    Raises:
        DensnetError: fewer than two replicas whose energy stays finite.
    """
    conserved = conservation(potential, minimum, motion.masses, settings, keep_every=settings.frame_every)
    frames = conserved.frames
    if frames is None:
        raise DensnetError("frame-every: no frame was kept; lower it")
    kinetic = (
        0.5
        * DALTON_ANGSTROM2_PER_FS2_IN_EV
        * np.einsum("i,rtix,rtix->rt", motion.masses, frames.velocities, frames.velocities)
    )
    shape = frames.positions.shape[:2]
    cells = np.broadcast_to(motion.cells[0, 0], (*shape, 3, 3))
    moved = replace(
        motion,
        name=potential.name,
        positions=frames.positions,
        cells=cells,
        interval=frames.interval,
        energy=frames.energy + kinetic,
    )
    return conserved, moved


def write_run(conserved: Conservation, motion: Motion, path: Path) -> None:
    """Write the frames of :func:`crystal_run` as extended xyz: cell, energy (eV), momenta (ASE's units), replica, time.

    Raises:
        DensnetError: the file cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as handle:
            write_extxyz(handle, _images(conserved, motion))

    write_atomically(path, write)


def _images(conserved: Conservation, motion: Motion) -> Iterator[Atoms]:
    """Yield the frames as ASE has them, those of one replica after those of another."""
    from ase.units import fs

    frames = conserved.frames
    if frames is None:
        return
    for replica, time in np.ndindex(frames.energy.shape):
        info = {"replica": replica, "time_fs": frames.interval * time, "potential": motion.name}
        positions, cell = frames.positions[replica, time], motion.cells[replica, time]
        atoms = Atoms(motion.numbers, positions, cell=cell, pbc=True, masses=motion.masses, info=info)
        atoms.set_velocities(frames.velocities[replica, time] / fs)
        atoms.calc = SinglePointCalculator(atoms, energy=float(frames.energy[replica, time]))
        yield atoms
