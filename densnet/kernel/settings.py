"""How the potential is smeared and how widths and ridges are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Unit

from densnet.settings import Natural, Positive, Settings

Several = Annotated[int, Ge(3)]
"""A number of training points: with fewer there is nothing to choose a width by."""


@dataclass(frozen=True)
class KernelSettings(Settings):
    """The Hohenberg-Kohn map by kernel ridge regression."""

    smearing: Annotated[Positive, Unit("Å")] = 0.2
    """Width γ of the Gaussians in the place of the nuclei."""
    seed: Natural = 0
    """Of K-means."""
