"""Springs between all pairs of atoms, a problem that i-PI's answers are known of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import constants

from densnet.dynamics.settings import DynamicsSettings
from densnet.engines.ipi_input import DRIVER, write_ipi_inputs
from densnet.engines.settings import RingPolymerSettings
from densnet.units import EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2, SPEED_OF_LIGHT_IN_CM_PER_FS

ATOMS, MASS, WAVENUMBER = 6, 12.0, 800.0
OMEGA_PER_FS = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * WAVENUMBER
STIFFNESS = MASS * OMEGA_PER_FS**2 / EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2 / ATOMS
"""eV/Å²: V = k/2 Σ_i<j |r_i - r_j|² has 3 (N - 1) modes, all with ω² = N k / m."""

PAUSE = "SPRINGS_PAUSE_SECONDS"
"""Variable of the environment: how long each evaluation waits, so that a test can stop a run before its end."""

SPRINGS = f'''
import os
import time
from typing import Any

import numpy as np

from densnet.engines.ipi_driver import IpiDriver
from densnet.potential import Array, Potential, Quantities


class Springs(Potential):
    """Springs between all pairs; alternating charges."""

    name, quantities = "springs", frozenset({{"energy", "forces", "dipole"}})

    def __call__(self, positions: Array) -> Quantities:
        time.sleep(float(os.environ.get({PAUSE!r}, 0)))
        apart = positions[:, :, None] - positions[:, None]
        charges = np.resize([0.3, -0.3], positions.shape[1])
        return {{
            "energy": 1000.0 + {STIFFNESS!r} / 4 * (apart**2).sum(axis=(1, 2, 3)),
            "forces": -{STIFFNESS!r} * apart.sum(axis=2),
            "dipole": np.einsum("i,tix->tx", charges, positions),
        }}


class Driver(IpiDriver):
    def __init__(self, **options: Any) -> None:
        super().__init__(Springs())


__DRIVER_NAME__ = "springs"
__DRIVER_CLASS__ = "Driver"
'''


def springs(folder: Path, settings: DynamicsSettings, ring: RingPolymerSettings) -> list[Path]:
    """Write i-PI's inputs for atoms on springs, and return the folders of the replicas."""
    start = 0.05 * np.random.default_rng(1).standard_normal((settings.replicas, ATOMS, 3))
    numbers, masses = np.full(ATOMS, 6), np.full(ATOMS, MASS)
    folders = write_ipi_inputs(folder, start, numbers, masses, settings, ring, {"model": "springs"}, zero=1000.0)
    for replica in folders:
        (replica / DRIVER).write_text(SPRINGS)
    return folders


def kinetic_energy(temperature: float, beads: int) -> float:
    """Return ⟨K⟩ in eV of P beads, and of the classical centre of mass.

    Of a mode, ⟨K⟩ = (k_B T / 2) Σ_k ω² / (ω² + ω_k²), ω_k = 2 ω_P sin(π k / P), ω_P = P k_B T / ħ.
    """
    kt = constants.k * temperature / constants.e
    ring = beads * constants.k * temperature / constants.hbar * 1e-15
    modes = 2 * ring * np.sin(np.pi * np.arange(beads) / beads)
    of_mode = kt / 2 * (OMEGA_PER_FS**2 / (OMEGA_PER_FS**2 + modes**2)).sum()
    return float(3 * (ATOMS - 1) * of_mode + 1.5 * kt)
