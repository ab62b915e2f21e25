"""What a spectrum and its comparison depend on."""

from __future__ import annotations

from dataclasses import dataclass

from densnet.errors import DensnetError
from densnet.spectra.windows import WINDOWS

QUANTUM_CORRECTIONS: tuple[str, ...] = ("harmonic", "standard", "schofield", "none")


@dataclass(frozen=True)
class SpectrumSettings:
    """Settings of the infrared spectrum."""

    window: str = "hann"
    """Data window: hann, blackman, blackmanharris, gaussian or none."""
    quantum_correction: str = "harmonic"
    """harmonic (equal to the classical limit of the absorption), standard, schofield or none."""
    resolution: float = 20.0
    """Full width at half maximum that a sharp line is shown with, 1/cm; sets the length of a segment."""
    zero_padding: int = 4
    """Points of the frequency grid per independent point."""
    wavenumber_min: float = 100.0
    """Lower end of the spectrum, 1/cm."""
    wavenumber_max: float = 4500.0
    """Upper end of the spectrum, 1/cm."""
    correct_timestep: bool = True
    """Undo the blue shift that velocity Verlet's finite step gives to every frequency."""
    prominence: float = 0.02
    """Share of the strongest line's height by which a maximum must stand out to count as a line."""

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise DensnetError(f"window: expected one of {', '.join(WINDOWS)}, found {self.window!r}")
        if self.quantum_correction not in QUANTUM_CORRECTIONS:
            raise DensnetError(
                f"quantum_correction: expected one of {', '.join(QUANTUM_CORRECTIONS)}, "
                f"found {self.quantum_correction!r}"
            )
        if not self.resolution > 0:
            raise DensnetError(f"resolution: expected a positive width in 1/cm, found {self.resolution}")
        if self.zero_padding < 1:
            raise DensnetError(f"zero_padding: expected an integer of at least 1, found {self.zero_padding}")
        if not 0 <= self.wavenumber_min < self.wavenumber_max:
            raise DensnetError(
                "wavenumber_min: expected 0 <= wavenumber_min < wavenumber_max, "
                f"found {self.wavenumber_min} and {self.wavenumber_max}"
            )
        if not 0 < self.prominence < 1:
            raise DensnetError(f"prominence: expected a share between 0 and 1, found {self.prominence}")


@dataclass(frozen=True)
class ComparisonSettings:
    """Settings of the comparison with experiment and with a peer."""

    wavenumber_min: float = 500.0
    """Lower end of the range that is scored, 1/cm."""
    wavenumber_max: float = 4000.0
    """Upper end of the range that is scored, 1/cm."""
    broadening: float = 20.0
    """Full width at half maximum of the Gaussian laid on every spectrum and stick before scoring, 1/cm."""
    n_lines: int = 8
    """How many of the strongest lines are listed beside the nearest experimental fundamentals."""
    margin: float = 250.0
    """How far beyond a region's outermost fundamentals its band is sought, 1/cm."""

    def __post_init__(self) -> None:
        if not 0 <= self.wavenumber_min < self.wavenumber_max:
            raise DensnetError(
                "wavenumber_min: expected 0 <= wavenumber_min < wavenumber_max, "
                f"found {self.wavenumber_min} and {self.wavenumber_max}"
            )
        if not self.broadening > 0:
            raise DensnetError(f"broadening: expected a positive width in 1/cm, found {self.broadening}")
        if self.n_lines < 1:
            raise DensnetError(f"n_lines: expected an integer of at least 1, found {self.n_lines}")
        if not self.margin >= 0:
            raise DensnetError(f"margin: expected a width in 1/cm of at least 0, found {self.margin}")
