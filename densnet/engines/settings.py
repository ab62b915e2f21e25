"""Nuclei as quantum particles in an engine of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from densnet.settings import Count, Settings

Thermostat = Literal["none", "internal", "all"]


@dataclass(frozen=True)
class RingPolymerSettings(Settings):
    """How the path integral is discretised and kept at its temperature."""

    beads: Count = 1
    """Of the ring polymer that stands for every nucleus; 1 is classical dynamics."""
    thermostat: Thermostat | None = None
    """Of production: none (constant energy; RPMD of several beads), internal (TRPMD: all modes of the ring polymer but
    its centroid) or all; without it internal of several beads, none of one."""

    @property
    def production_thermostat(self) -> Thermostat:
        """Of production, as given or by the number of beads."""
        return self.thermostat or ("internal" if self.beads > 1 else "none")
