"""How far a spectrum still changes with the total time simulated, by resampling the replicas it is the mean of.

A run of n replicas is imitated by n replicas drawn with replacement from all R (B. Efron, Ann. Stat. 7, 1 (1979)): such
a draw is to the spectrum of all as a run of that length is to one without end. Below one replica, pieces are drawn,
stretches of whole segments. Within a replica of constant energy every vibration keeps its energy for picoseconds, so
that replicas are independent where segments of one are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from densnet.io.netcdf import variable

Array = NDArray[np.float64]

N_DRAWS = 400
SEED = 0
QUANTILES = (0.025, 0.5, 0.975)
"""Ends of the interval that holds 95 % of the draws, and their median."""
SHORTEST_PS = 5.0
"""Total time from which on the spectrum is looked at."""
LEAST_STEP = 1.4
"""Ratio of successive total times, at least."""
CONVERGED_PEARSON = 0.95
"""What the lower end of the interval has to reach."""
LEAST_REPLICAS = 5
"""Fewer give too few different draws (126 of five, 10 of three, 3 of two) to trust their quantiles."""
N_BANDS, BAND_PROMINENCE, BAND_FOOT = 6, 0.05, 0.01
"""How many bands are followed; the prominence and the foot of a band, of the greatest height."""


@dataclass(frozen=True)
class Rung:
    """A part of the dynamics: replicas, segments of each, ps in all."""

    n_replicas: int
    n_segments: int
    total_ps: float


def rungs(n_replicas: int, n_segments: int, piece_ps: Array) -> list[Rung]:
    """Return parts of the dynamics from :data:`SHORTEST_PS` up to all of it, in roughly logarithmic steps.

    Args:
        n_replicas: of the run.
        n_segments: of each replica.
        piece_ps: (n_segments,) ps that 1, 2 ... segments span, at the end the whole replica.
    """
    pieces = [Rung(1, k, float(piece_ps[k - 1])) for k in range(1, n_segments)]
    wholes = [Rung(n, n_segments, n * float(piece_ps[-1])) for n in range(1, n_replicas + 1)]
    chosen = wholes[-1:]
    for rung in reversed(pieces + wholes[:-1]):
        if SHORTEST_PS <= rung.total_ps <= chosen[-1].total_ps / LEAST_STEP:
            chosen.append(rung)
    return chosen[::-1]


def resampled(segments: Array, rung: Rung, rng: np.random.Generator) -> Array:
    """Return spectra (draw, n) of as much dynamics as a rung has, replicas drawn with replacement.

    Args:
        segments: (replica, segment, n) spectra of the segments.
        rung: how much.
        rng: of the draws.
    """
    n_replicas, n_segments, _ = segments.shape
    if rung.n_segments == n_segments:
        weights = resampling_weights(n_replicas, rung.n_replicas, rng)
        return np.asarray(weights @ segments.mean(axis=1))
    replica = rng.integers(n_replicas, size=N_DRAWS)
    start = rng.integers(n_segments - rung.n_segments + 1, size=N_DRAWS)
    pieces = [segments[r, s : s + rung.n_segments].mean(axis=0) for r, s in zip(replica, start, strict=True)]
    return np.array(pieces)


def resampling_weights(n_replicas: int, n_drawn: int, rng: np.random.Generator) -> Array:
    """Return the weights (draw, replica) of means over replicas that are drawn with replacement."""
    drawn = rng.integers(n_replicas, size=(N_DRAWS, n_drawn))
    return np.array([np.bincount(row, minlength=n_replicas) for row in drawn]) / n_drawn


def pearson(a: Array, b: Array) -> Array:
    """Return Pearson's coefficients (...,) along the last axis of spectra (..., n); NaN where one is constant."""
    a, b = (x - x.mean(axis=-1, keepdims=True) for x in (a, b))
    norm = np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1))
    return np.divide(np.sum(a * b, axis=-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


def halves_pearson(by_replica: Array) -> float:
    """Return Pearson's coefficient of one half of the replicas against the other, median over random halves.

    Args:
        by_replica: (replica, n) spectra; of an odd number one is left out. NaN for a single replica.
    """
    half = len(by_replica) // 2
    if not half:
        return float("nan")
    rng = np.random.default_rng(SEED)
    orders = [rng.permutation(len(by_replica)) for _ in range(N_DRAWS)]
    first, second = (np.array([by_replica[order[part]].mean(axis=0) for order in orders])
                     for part in (slice(half), slice(half, 2 * half)))  # fmt: skip
    return float(np.median(pearson(first, second)))


def main_bands(wavenumber: Array, intensity: Array, resolution: float) -> Array:
    """Return the ranges (band, 2) of the strongest bands in 1/cm, from low to high.

    Between the valleys of the spectrum broadened to three times its resolution, down to the foot.
    """
    if len(wavenumber) < 3:
        return np.empty((0, 2))
    spacing = float(wavenumber[1] - wavenumber[0])
    smooth = ndimage.gaussian_filter1d(intensity, 3 * resolution / np.sqrt(8 * np.log(2)) / spacing)
    top = float(smooth.max())
    peaks = signal.find_peaks(smooth, prominence=BAND_PROMINENCE * top)[0]
    if not len(peaks):
        return np.empty((0, 2))
    valleys = [a + int(np.argmin(smooth[a:b])) for a, b in pairwise(peaks)]
    edges = [0, *valleys, len(smooth) - 1]
    ranges = []
    for peak, (low, high) in zip(peaks, pairwise(edges), strict=True):
        below = np.flatnonzero(smooth[low : high + 1] < BAND_FOOT * top) + low
        left, right = below[below < peak], below[below > peak]
        ranges.append((left[-1] if len(left) else low, right[0] if len(right) else high))
    areas = [np.trapezoid(intensity[a : b + 1], wavenumber[a : b + 1]) for a, b in ranges]
    strongest = sorted(np.argsort(areas)[::-1][:N_BANDS])
    return wavenumber[np.array([ranges[n] for n in strongest], dtype=int).reshape(-1, 2)]


def band_areas(wavenumber: Array, spectra: Array, bands: Array) -> Array:
    """Return the areas (..., band) of spectra (..., n) within the ranges (band, 2)."""
    inside = [(wavenumber >= low) & (wavenumber <= high) for low, high in bands]
    areas = [np.trapezoid(spectra[..., shown], wavenumber[shown], axis=-1) for shown in inside]
    return np.stack(areas, axis=-1) if areas else np.empty((*spectra.shape[:-1], 0))


def converged_from(total_ps: Array, lowest: Array) -> float:
    """Return the total time from which on the lower ends (time,) of Pearson's interval suffice; NaN if never."""
    enough = np.logical_and.accumulate((lowest >= CONVERGED_PEARSON)[::-1])[::-1]
    return float(total_ps[np.argmax(enough)]) if enough.any() else float("nan")


def needed_ps(total_ps: float, lowest: float) -> float:
    """Return about how much dynamics it takes until the lower end of Pearson's interval suffices.

    Noise of a variance that falls as 1/T, over a spectrum that is the same in both curves: r = (1 + a/T)^(-1/2).
    """
    return total_ps * (lowest**-2 - 1) / (CONVERGED_PEARSON**-2 - 1) if lowest > 0 else float("nan")


def convergence(wavenumber: Array, segments: Array, piece_ps: Array, resolution: float, units: str) -> dict[str, tuple]:
    """Return the variables of a spectrum's convergence; bands of a single replica are NaN, for nothing can be drawn.

    Args:
        wavenumber: (n,) 1/cm.
        segments: (replica, segment, n) spectra of the segments, in ``units`` per 1/cm.
        piece_ps: (segment,) ps that 1, 2 ... segments span.
        resolution: of the spectrum, 1/cm.
        units: of an area.
    """
    n_replicas, n_segments, _ = segments.shape
    rng = np.random.default_rng(SEED)
    ladder = rungs(n_replicas, n_segments, piece_ps)
    by_replica = segments.mean(axis=1)
    mean = by_replica.mean(axis=0)
    bands = main_bands(wavenumber, mean, resolution)
    likeness, areas = [], []
    for rung in ladder:
        spectra = resampled(segments, rung, rng)
        likeness.append(np.quantile(pearson(spectra, mean), QUANTILES))
        areas.append(np.quantile(band_areas(wavenumber, spectra, bands), QUANTILES, axis=0).T)
    r, area = np.array(likeness), np.array(areas).transpose(1, 0, 2)
    if n_replicas == 1:
        r[:, [0, -1]], area[..., [0, -1]] = np.nan, np.nan
    total = np.array([rung.total_ps for rung in ladder])
    settled = converged_from(total, r[:, 0]) if n_replicas >= LEAST_REPLICAS else np.nan
    drawn = f"{N_DRAWS} draws of replicas with replacement"
    over = ("total_time", "quantile")
    return {
        "total_time": variable(("total_time",), total, "ps", "total time of the dynamics that is drawn"),
        "quantile": variable(("quantile",), np.array(QUANTILES), "1", f"quantile of {drawn}"),
        "convergence_pearson": variable(over, r, "1", "Pearson correlation with the spectrum of all"),
        "band_range": variable(("band", "end"), bands, "cm-1", "lower and upper end of a main band"),
        "band_area": variable(("band", *over), area, units, "area of a main band"),
        "halves_pearson": variable(
            (), halves_pearson(by_replica), "1", "Pearson correlation of halves of the replicas"
        ),
        "converged_ps": variable(
            (), settled, "ps", f"total time from which on 97.5 % have {CONVERGED_PEARSON:g} or more"
        ),
    }
