"""Level of theory of the labels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from densnet.errors import DensnetError

Dispersion = Literal["none", "d4"]


@dataclass(frozen=True)
class LevelOfTheory:
    """How Psi4 computes energy, gradient, dipole and density (restricted, density-fitted SCF)."""

    functional: str = "PBE"
    """Psi4's name of an SCF-level functional (PBE, PBE0, B3LYP, wB97X-D, wB97M-V ...) or HF."""
    basis: str = "def2-SVP"
    """Psi4's name of an all-electron orbital basis; spherical harmonics are used throughout."""
    dispersion: Dispersion = "none"
    """none, or d4: D4 by the dftd4 package, added to energy and forces."""
    energy_convergence: float = 1e-7
    """Largest change of the energy in the last iteration, Hartree; its error is then some hundred times smaller."""
    density_convergence: float = 1e-6
    """Largest root mean square of the orbital gradient at convergence, atomic units."""
    max_iterations: int = 100
    """SCF iterations before a frame is given up."""
    memory_gib: float = 1.0
    """Memory that Psi4 may use in each process, GiB."""

    def __post_init__(self) -> None:
        for field in ("functional", "basis"):
            if not getattr(self, field).strip():
                raise DensnetError(f"{field}: expected a name, got an empty one")
        if self.dispersion not in get_args(Dispersion):
            raise DensnetError(f"dispersion: expected one of {get_args(Dispersion)}, got {self.dispersion!r}")
        for field in ("energy_convergence", "density_convergence", "max_iterations", "memory_gib"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value > 0):
                raise DensnetError(f"{field}: expected a number > 0, got {value}")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """Return the fields that decide the result (memory does not)."""
        return {name: value for name, value in asdict(self).items() if name != "memory_gib"}

    @property
    def name(self) -> str:
        """The level in one phrase, e.g. "PBE-D4/def2-SVP"."""
        dispersion = "" if self.dispersion == "none" else f"-{self.dispersion.upper()}"
        return f"{self.functional}{dispersion}/{self.basis}"
