"""Electron densities, energies, forces and infrared spectra from equivariant networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["DenSNetCalculator", "Density", "__version__", "universe"]

if TYPE_CHECKING:
    from densnet.density.density import Density
    from densnet.dynamics.universe import universe
    from densnet.potentials.calculator import DenSNetCalculator

_HOMES = {
    "DenSNetCalculator": "densnet.potentials.calculator",
    "Density": "densnet.density.density",
    "universe": "densnet.dynamics.universe",
}


def __getattr__(name: str) -> Any:
    """Import what is public on first use, so that ``import densnet`` stays quick."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'densnet' has no attribute {name!r}")
