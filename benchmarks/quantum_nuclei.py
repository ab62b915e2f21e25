"""Classical and quantum nuclei: infrared spectra, stretches and kinetic energies of two trajectories side by side.

    python benchmarks/quantum_nuclei.py classical.nc quantum.nc --fundamentals ethanol --figure quantum.png

The trajectories are outputs of densnet md and densnet engine ipi. The centre of a band is its wavenumber weighted by
intensity within a window. Errors are standard errors, from replicas drawn with replacement (bands) or over replicas
(energies). The quantum kinetic energy has two estimators, centroid virial and primitive, whose means agree if the ring
polymers are sampled as they should be.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.report import palette
from densnet.report.style import STYLE
from densnet.spectra.compare import band_in
from densnet.spectra.convergence import resampling_weights
from densnet.spectra.experiment import fundamentals
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.jcamp_dx import read_jcamp_dx
from densnet.spectra.settings import SpectrumSettings

Array = NDArray[np.float64]
WINDOWS = {"C-H": (2700.0, 3250.0), "O-H": (3350.0, 4000.0)}
"""1/cm."""


def centres(spectrum: xr.Dataset, window: tuple[float, float]) -> tuple[float, float]:
    """Return a band's centre and its standard error, 1/cm."""
    grid, by_replica = spectrum["wavenumber"].values, spectrum["intensity_by_replica"].values
    weights = resampling_weights(len(by_replica), len(by_replica), np.random.default_rng(0))
    drawn = [band_in(grid, intensity, window).centroid for intensity in weights @ by_replica]
    return band_in(grid, by_replica.mean(axis=0), window).centroid, float(np.std(drawn))


def mean_and_error(energy: xr.DataArray) -> tuple[float, float]:
    """Return the mean over time and replicas, and its standard error over replicas."""
    by_replica = energy.mean("time").values
    return float(by_replica.mean()), float(by_replica.std(ddof=1) / np.sqrt(len(by_replica)))


def draw(path: Path, spectra: dict[str, xr.Dataset], table: str | None, jcamp: Path | None) -> None:
    """Draw the spectra above each other, the highest band of each at the same height."""
    colours = {"classical nuclei": palette.MODEL, "quantum nuclei": palette.PEER}
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
        for row, (name, spectrum) in enumerate(spectra.items()):
            height, offset = float(spectrum["intensity"].max()), 1.1 * (len(spectra) - row)
            y, error = (spectrum[key].values / height for key in ("intensity", "intensity_error"))
            x = spectrum["wavenumber"].values
            axes.fill_between(x, offset + y - error, offset + y + error, color=colours[name], alpha=0.25, linewidth=0)
            axes.plot(x, offset + y, color=colours[name], label=name)
        if table is not None:
            lines = fundamentals(table).wavenumber
            axes.vlines(lines, 0.9, 1.0, color=palette.EXPERIMENT, linewidth=1.0, label="measured fundamentals")
        if jcamp is not None:
            measured = read_jcamp_dx(jcamp)
            shown = (measured.wavenumber > 500) & (measured.wavenumber < 4000)
            y = measured.intensity[shown] / measured.intensity[shown].max()
            axes.plot(measured.wavenumber[shown], y, color=palette.EXPERIMENT, label="measured, gas")
        axes.set(
            xlabel="wavenumber (cm$^{-1}$)",
            ylabel="absorption",
            yticks=[],
            xlim=(4000, 500),
            ylim=(-0.05 if jcamp else 0.85, None),
        )
        figure.legend(loc="outside upper center", ncols=3)
        figure.savefig(path, dpi=160)


def main() -> None:
    """Print the tables; draw the figure if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classical", type=Path)
    parser.add_argument("quantum", type=Path)
    parser.add_argument("--resolution", type=float, default=20.0)
    parser.add_argument("--fundamentals")
    parser.add_argument("--jcamp", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    paths = {"classical nuclei": given.classical, "quantum nuclei": given.quantum}
    trajectories = {name: xr.open_dataset(path).load() for name, path in paths.items()}
    settings = SpectrumSettings(resolution=given.resolution, convergence=False)
    spectra = {name: spectrum_of_trajectory(trajectory, settings) for name, trajectory in trajectories.items()}
    for name, window in WINDOWS.items():
        (classical, of_classical), (quantum, of_quantum) = (centres(s, window) for s in spectra.values())
        print(f"{name} stretches: classical {classical:.0f} ± {of_classical:.0f}, quantum {quantum:.0f} ±", end=" ")
        shift_error = np.hypot(of_classical, of_quantum)
        print(f"{of_quantum:.0f}, shift {quantum - classical:.0f} ± {shift_error:.0f} 1/cm")
    for name, trajectory in trajectories.items():
        for key in ("energy_kinetic", "energy_kinetic_primitive"):
            if key in trajectory:
                mean, error = mean_and_error(trajectory[key])
                print(f"{name}: {trajectory[key].attrs['long_name']} {mean:.4f} ± {error:.4f} eV")
    if given.figure is not None:
        draw(given.figure, spectra, given.fundamentals, given.jcamp)


if __name__ == "__main__":
    main()
