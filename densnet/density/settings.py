"""What is computed of densities along a trajectory, and on which grid errors of densities are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Le

from densnet.settings import Count, Natural, Settings

GRID_LEVEL = 1
"""Of the grid on which errors are measured; finer ones change a fit's NMAE by well under 1 % of it."""
GridLevel = Annotated[Natural, Le(9)]


@dataclass(frozen=True)
class MomentsSettings(Settings):
    """What is computed of each density."""

    charges: Literal["hirshfeld", "stockholder", "none"] = "hirshfeld"
    """Atomic charges and dipoles: hirshfeld, stockholder (iterated; some ten times slower) or none."""
    stride: Count = 10
    """Frames of the trajectory between those that are taken."""
    grid_level: GridLevel = 1
    """Grid of the partition, 0 (coarse) to 9 (fine); 1 gives charges to some 1e-4 e."""
