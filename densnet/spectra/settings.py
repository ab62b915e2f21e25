"""What a spectrum and its comparison depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, Unit

from densnet.errors import DensnetError
from densnet.settings import Count, NotNegative, Positive, Settings, Share

Window = Literal["hann", "blackman", "blackmanharris", "gaussian", "none"]
PerCm = Annotated[Positive, Unit("1/cm")]
PerCmOrNone = Annotated[NotNegative, Unit("1/cm")]


def _check_range(lowest: float, highest: float) -> None:
    if not lowest < highest:
        raise DensnetError(
            f"wavenumber_min: expected 0 <= wavenumber_min < wavenumber_max, found {lowest} and {highest}"
        )


@dataclass(frozen=True)
class SpectrumSettings(Settings):
    """Settings of the infrared spectrum and of the Raman spectrum."""

    window: Window = "hann"
    """Data window."""
    quantum_correction: Literal["harmonic", "standard", "schofield", "none"] = "harmonic"
    """Of classical dynamics; harmonic equals the classical limit of the absorption."""
    resolution: PerCm = 20.0
    """Full width at half maximum that a sharp line is shown with; sets the length of a segment of dynamics."""
    zero_padding: Annotated[Count, Le(64)] = 4
    """Points of the frequency grid per independent point."""
    wavenumber_min: PerCmOrNone = 100.0
    """Lower end of the spectrum."""
    wavenumber_max: PerCm = 4500.0
    """Upper end of the spectrum."""
    correct_timestep: bool = True
    """Undo the blue shift that the finite time step of the dynamics gives to every frequency."""
    raman_laser_nm: Annotated[float, Ge(200), Le(1100), Unit("nm")] = 532.0
    """Wavelength that Raman spectra are excited with; 532 nm, of doubled Nd:YAG lasers, is the most common one."""
    raman_temperature_factor: bool = True
    """Give Raman lines the intensity of Stokes scattering at the temperature of the dynamics, not that at 0 K."""
    prominence: Share = 0.02
    """Share of the highest line's height by which a maximum must stand out to be listed."""
    convergence: bool = True
    """Say how much the spectrum still changes with the total time, by resampling the replicas."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range(self.wavenumber_min, self.wavenumber_max)


@dataclass(frozen=True)
class ComparisonSettings(Settings):
    """Settings of the comparison with experiment and with a peer."""

    wavenumber_min: PerCmOrNone = 500.0
    """Lower end of the range that is scored."""
    wavenumber_max: PerCm = 4000.0
    """Upper end of the range that is scored."""
    broadening: PerCm = 20.0
    """Full width at half maximum of the Gaussian laid on every spectrum and line before scoring."""
    largest_scaling: Annotated[NotNegative, Le(0.2)] = 0.06
    """How far from 1 the common factor of all wavenumbers is sought that makes a spectrum most like another."""
    n_lines: Count = 8
    """How many of the strongest lines are listed beside the nearest experimental fundamentals."""
    margin: PerCmOrNone = 250.0
    """How far beyond a region's outermost fundamentals its band is sought."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range(self.wavenumber_min, self.wavenumber_max)
