"""How a potential is put to the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Unit

from densnet.settings import Count, Natural, Positive, Settings

Picoseconds = Annotated[Positive, Unit("ps")]
Friction = Annotated[Positive, Unit("1/ps")]


@dataclass(frozen=True)
class FailureSettings(Settings):
    """Of dynamics that run until they fail."""

    picoseconds: Annotated[Positive, Unit("ps")] = 5.0
    """Length of each replica's dynamics if it does not fail."""
    replicas: Count = 8
    """Independent copies of the molecule at each temperature."""
    timestep_fs: Annotated[Positive, Unit("fs")] = 0.5
    """Integration step."""
    friction_per_ps: Annotated[Positive, Unit("1/ps")] = 5.0
    """Of the Langevin thermostat."""
    seed: Natural = 1
    """Of velocities and noise."""
