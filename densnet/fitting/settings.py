"""How densities are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Lt

from densnet.density.settings import GRID_LEVEL, GridLevel
from densnet.errors import DensnetError
from densnet.settings import Count, NotNegative, Settings, Share, Text

NATURAL = "natural"


@dataclass(frozen=True)
class FitSettings(Settings):
    """How densities are fitted."""

    fit_basis: Text = NATURAL
    """Gaussian basis that densities are fitted and learned in: natural (few functions made from the training frames),
    even-tempered-2-l4 (ratio of exponents, highest l), the path of a .json file of 'densnet basis', or a library's name
    (def2-SVP-JKFIT, cc-pVTZ-JKFIT, aug-cc-pVQZ-JKFIT ...)."""
    natural_primitives: Text = "even-tempered-2-l4"
    """Large uncontracted basis that a natural one is contracted from; any name that fit_basis may have."""
    natural_share: Share = 0.9997
    """Share of the electrostatic energy of the density's difference from free atoms that the natural functions keep."""
    natural_frames: Count = 24
    """Training frames, evenly spread, that the natural functions are made from."""
    ridge: Annotated[NotNegative, Lt(1)] = 1e-5
    """Hold the atoms' own electrostatic energies down by this share, so that coefficients are smooth and learned
    better; 0 for none."""
    max_failed_share: Annotated[NotNegative, Lt(1)] = 0.05
    """Share of frames that may fail, in their SCF or in the fit, and are left out, before the run stops."""
    grid_level: GridLevel = GRID_LEVEL
    """Becke grid on which errors are measured, 0 (coarse) to 9 (fine)."""
    eigenvalue_cutoff: Share | None = None
    """For a redundant fit basis only: leave out eigenvectors of the scaled Coulomb matrix below this."""
    self_energy: bool = True
    """Measure the Coulomb self-energy of what the fit leaves; costs most of the stage's time for large molecules."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.natural_primitives == NATURAL:
            raise DensnetError("natural_primitives: expected a basis that exists, such as even-tempered-2-l4")


@dataclass(frozen=True)
class ResponseSettings(Settings):
    """Of which frames the density's response to an electric field is computed; its labels cost less than theirs."""

    n_train: Count = 200
    """Training frames, evenly spread over those that are labelled; all if there are fewer."""
    n_validation: Count = 20
    """Validation frames, likewise."""
    n_test: Count = 40
    """Test frames, likewise."""
    primitives: Text = FitSettings.natural_primitives
    """Large uncontracted basis that the response's own natural functions are contracted from."""
    share: Share = 0.9999
    """Share of the response's electrostatic energy that these functions keep."""
    natural_frames: Count = FitSettings.natural_frames
    """Training frames, evenly spread, that they are made from."""
    ridge: Annotated[NotNegative, Lt(1)] = FitSettings.ridge
    """Hold the atoms' own electrostatic energies down by this share, as for the density."""
