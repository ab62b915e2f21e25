"""How a potential is put to the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Unit

from densnet.errors import DensnetError
from densnet.settings import Count, Kelvin, Natural, Picoseconds, Positive, Settings
from densnet.units import PS_IN_FS

Friction = Annotated[Positive, Unit("1/ps")]
FEWEST_STEPS = 20
"""From which a line through the total energy says something."""


@dataclass(frozen=True)
class FailureSettings(Settings):
    """Of dynamics that run until they fail."""

    picoseconds: Picoseconds = 5.0
    """Length of each replica's dynamics if it does not fail."""
    replicas: Count = 8
    """Independent copies of the molecule at each temperature."""
    timestep_fs: Annotated[Positive, Unit("fs")] = 0.5
    """Integration step."""
    friction_per_ps: Friction = 5.0
    """Of the Langevin thermostat."""
    seed: Natural = 1
    """Of velocities and noise."""


@dataclass(frozen=True)
class ConservationSettings(Settings):
    """Of dynamics of constant energy at two time steps."""

    temperature: Kelvin = 300.0
    """Of the thermostat that prepares the replicas."""
    replicas: Annotated[int, Ge(2)] = 8
    """Independent copies of the molecule; their scatter gives the standard errors."""
    picoseconds: Picoseconds = 1.0
    """Constant-energy dynamics of each replica at each time step."""
    timestep_fs: Annotated[Positive, Unit("fs")] = 0.25
    """The shorter time step."""
    ratio: Annotated[int, Ge(2)] = 2
    """The longer time step over the shorter one."""
    thermalise_ps: Picoseconds = 0.25
    """Langevin dynamics before, from the minimum."""
    friction_per_ps: Friction = 5.0
    """Of the Langevin thermostat."""
    reversal_steps: Count = 200
    """Long steps forth and as many back, to see whether the way back is the way forth."""
    seed: Natural = 1
    """Of velocities and noise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps(self.ratio) < FEWEST_STEPS:
            raise DensnetError(
                f"picoseconds: expected at least {FEWEST_STEPS} steps of {self.ratio * self.timestep_fs:g} fs, found "
                f"{self.picoseconds:g} ps; raise it"
            )

    def steps(self, times: int) -> int:
        """Return the number of steps of so many times the shorter one."""
        return round(self.picoseconds * PS_IN_FS / (times * self.timestep_fs))


@dataclass(frozen=True)
class CrystalSettings(ConservationSettings):
    """Of dynamics of constant energy of a crystal, whose cell stays as it is."""

    replicas: Annotated[int, Ge(2)] = 3
    """Independent copies of the crystal; their scatter gives the standard errors."""
    picoseconds: Picoseconds = 0.5
    """Constant-energy dynamics of each replica at each time step."""
    timestep_fs: Annotated[Positive, Unit("fs")] = 0.5
    """The shorter time step."""
    reversal_steps: Count = 50
    """Long steps forth and as many back, to see whether the way back is the way forth."""
    frame_every: Count = 10
    """Steps of the shorter time step between frames, which the structure is judged by."""


@dataclass(frozen=True)
class ChartSettings(Settings):
    """Of the chart of speed and accuracy."""

    timestep_fs: Annotated[Positive, Unit("fs")] = 0.5
    """Integration step by which times become nanoseconds a day."""
    batch: Annotated[int, Ge(2)] = 64
    """Geometries that are evaluated together, beside one alone."""
    rounds: Count = 3
    """In each of them all take turns at being timed; the median over the rounds counts."""
