"""Electron densities, energies, forces and infrared spectra from equivariant networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["DenSNetCalculator", "Density", "__version__"]

if TYPE_CHECKING:
    from densnet.density.density import Density
    from densnet.potentials.calculator import DenSNetCalculator


def __getattr__(name: str) -> Any:
    """Import the public classes on first use, so that ``import densnet`` stays quick."""
    if name == "DenSNetCalculator":
        from densnet.potentials.calculator import DenSNetCalculator

        return DenSNetCalculator
    if name == "Density":
        from densnet.density.density import Density

        return Density
    raise AttributeError(f"module 'densnet' has no attribute {name!r}")
