"""Errors of energies and forces on frames of a benchmark, as the field reports them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densnet.potential import Array, Potential, joined
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 1

BLOCK = 50
"""Frames that are evaluated at once: the memory of networks grows with it."""


@dataclass(frozen=True)
class ReferenceFrames:
    """What a potential is judged by.

    Attributes:
        numbers: atomic numbers, (i,).
        positions: Å, (t, i, 3).
        energies: total energies, eV, (t,).
        forces: eV/Å, (t, i, 3).
    """

    numbers: NDArray[np.int64]
    positions: Array
    energies: Array
    forces: Array


def benchmark_errors(potential: Potential, frames: ReferenceFrames, *, remove_offset: bool = False) -> dict[str, Any]:
    r"""Return a potential's errors: of the energy of the whole molecule, of force components, and the worst frames.

    .. math:: \mathrm{MAE}_E = \frac{1}{T} \sum_t |\hat E_t - E_t|, \quad
              \mathrm{MAE}_F = \frac{1}{3 T I} \sum_{tix} |\hat F_{tix} - F_{tix}|

    Energies are compared as they are: a model that has learned the benchmark's own has learned their zero too. One that
    has learned the same level of theory from another program is off by a constant, which means nothing; it can be
    taken off, and is reported in either case.

    Args:
        potential: of the frames' molecule.
        frames: geometries with their energies and forces.
        remove_offset: take the mean of the energies' errors off before they are averaged.
    """
    parts = []
    total = len(frames.positions)
    for start in range(0, total, BLOCK):
        parts.append(potential(frames.positions[start : start + BLOCK]))
        print(f"densnet: judged {min(start + BLOCK, total)}/{total} frames", file=sys.stderr, flush=True)
    predicted = joined(parts)
    in_energy = EV_IN_MEV * (predicted["energy"] - frames.energies)
    offset = float(in_energy.mean())
    if remove_offset:
        in_energy = in_energy - offset
    in_forces = EV_IN_MEV * np.abs(predicted["forces"] - frames.forces)
    by_frame = in_forces.mean(axis=(1, 2))
    worst_energy, worst_forces = int(np.abs(in_energy).argmax()), int(by_frame.argmax())
    return {
        "n_test": total,
        "energy_mae_mev": float(np.abs(in_energy).mean()),
        "force_mae_mev_per_angstrom": float(in_forces.mean()),
        "energy_offset_mev": offset,
        "offset_removed": remove_offset,
        "energy_max_error_mev": float(np.abs(in_energy[worst_energy])),
        "energy_max_error_frame": worst_energy,
        "force_mae_of_worst_frame_mev_per_angstrom": float(by_frame[worst_forces]),
        "force_worst_frame": worst_forces,
        "force_max_error_mev_per_angstrom": float(in_forces.max()),
    }
