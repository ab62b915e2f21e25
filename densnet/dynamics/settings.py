"""How the dynamics of many replicas is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Le, MinLen, Unit
from pydantic import Field

from densnet.errors import DensnetError
from densnet.settings import Count, Kelvin, Natural, Operational, Picoseconds, Positive, Settings


@dataclass(frozen=True)
class DynamicsSettings(Settings):
    """Lengths, temperature and sizes of the simulation."""

    replicas: Count = 16
    """Independent copies of the molecule that move together, started from training frames."""
    temperature: Kelvin = 300.0
    """Of the thermostat that prepares the replicas."""
    thermalise_ps: Picoseconds = 0.5
    """Langevin dynamics before production."""
    production_ps: Picoseconds = 2.5
    """Constant-energy dynamics that gives the spectrum: at least 48 / spectrum.resolution (hann window)."""
    timestep_fs: Annotated[Positive, Le(2.0), Unit("fs")] = 0.5
    """Integration step."""
    stride: Count = 2
    """Steps between kept frames; a frame every 1 fs resolves every vibration."""
    polarizability_every: Count = 2
    """Kept frames from one polarizability to the next, if the potential gives any; 2 fs resolve every line."""
    friction_per_ps: Annotated[Positive, Unit("1/ps")] = 5.0
    """Of the Langevin thermostat."""
    chunk_steps: Annotated[Count, Operational] = 500
    """Steps between restart points, rounded to whole strides."""
    seed: Natural = 1
    """Of starting geometries, velocities and noise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if round(self.production_ps * 1e3 / self.timestep_fs) < 2 * self.stride:
            raise DensnetError(f"production_ps: expected at least two kept frames, found {self.production_ps} ps")

    def chunks(self) -> list[tuple[str, int]]:
        """Return (ensemble, steps) of each chunk in turn; lengths are rounded up to whole strides."""
        phases = []
        chunk = max(self.chunk_steps // self.stride, 1) * self.stride
        for ensemble, length in (("langevin", self.thermalise_ps), ("nve", self.production_ps)):
            steps = -(-round(length * 1e3 / self.timestep_fs) // self.stride) * self.stride
            while steps > 0:
                phases.append((ensemble, min(steps, chunk)))
                steps -= chunk
        return phases


@dataclass(frozen=True)
class ExplorationSettings(Settings):
    """How the members of an ensemble look for geometries that they do not know."""

    temperatures: Annotated[tuple[Kelvin, ...], MinLen(1), Field(strict=False), Unit("K")] = (500.0, 1000.0)
    """Of the Langevin dynamics of the members."""
    replicas: Count = 12
    """Copies of the molecule at each temperature; each member moves its share of them."""
    picoseconds: Picoseconds = 2.0
    """Length of the dynamics of each copy; one that breaks starts anew."""
    timestep_fs: Annotated[Positive, Le(2.0), Unit("fs")] = 0.5
    """Integration step."""
    friction_per_ps: Annotated[Positive, Unit("1/ps")] = 5.0
    """Of the Langevin thermostat."""
    interval_fs: Annotated[Positive, Unit("fs")] = 10.0
    """Time between the frames that are judged."""
    seed: Natural = 1
    """Of starting geometries, velocities, noise and the deal between training and validation."""
