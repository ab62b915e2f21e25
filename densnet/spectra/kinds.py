"""The kinds of spectra that there are; a spectrum is laid beside those of its kind."""

from __future__ import annotations

from typing import Literal

import xarray as xr

Kind = Literal["infrared", "raman"]

SAID: dict[Kind, str] = {"infrared": "infrared", "raman": "Raman"}
"""As they are written in a sentence."""


def kind_of(spectrum: xr.Dataset) -> Kind:
    """Return of which kind a spectrum, or a comparison of spectra, is; files from before there was Raman do not say."""
    return "raman" if spectrum.attrs.get("kind") == "raman" else "infrared"
