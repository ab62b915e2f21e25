"""How often atoms of two elements are at a distance, in two trajectories of one molecule."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.potential import Array
from densnet.validation.findings import Finding


@dataclass(frozen=True)
class PairHistogram:
    """The distances of all pairs of two elements; ∫ h dr = 1, for a molecule has no cell to divide by.

    Attributes:
        elements: "C-H".
        width: of the bins, Angstrom; the first begins at zero.
        tested: h, 1/Angstrom, (bins,).
        reference: the same of the other trajectory.
        apart: ∫ |h_tested - h_reference| dr, 0 if they agree to 2 if they never meet.
        scatter: the same of two halves of the reference: what the length of the trajectories leaves open.
    """

    elements: str
    width: float
    tested: Array
    reference: Array
    apart: float
    scatter: float


def read_trajectories(tested: Path, reference: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return two outputs of 'densnet md' of one molecule.

    Raises:
        DensnetError: not such files, or of different molecules.
    """
    pair = tuple(read_dataset(path, stage="md", variables=("positions", "numbers")) for path in (tested, reference))
    formulas = ["".join(chemical_symbols[number] for number in data["numbers"].values) for data in pair]
    if formulas[0] != formulas[1]:
        raise DensnetError(
            f"against: expected a trajectory of {formulas[0]}, as {tested} is, found {formulas[1]} in {reference}; "
            "give two of one molecule with its atoms in one order"
        )
    return pair[0], pair[1]


def pair_histograms(numbers: NDArray[np.int64], tested: Array, reference: Array, width: float) -> list[PairHistogram]:
    """Return the histograms of each pair of elements in two trajectories (replica, time, i, x), in Angstrom.

    Args:
        numbers: atomic numbers, (i,).
        width: of the bins, Angstrom.

    Raises:
        DensnetError: no positive width.
    """
    if not 0 < width < np.inf:
        raise DensnetError(f"bin-width: expected a positive number of Angstrom, found {width}")
    elements = sorted({int(number) for number in numbers}, key=lambda z: (z == 1, z))
    first, second = np.triu_indices(len(numbers), 1)
    histograms = []
    for z, w in combinations_with_replacement(elements, 2):
        pairs = ((numbers[first] == z) & (numbers[second] == w)) | ((numbers[first] == w) & (numbers[second] == z))
        if not pairs.any():
            continue
        counts = [_counts(blocks_of(run), first[pairs], second[pairs], width) for run in (tested, reference)]
        bins = max(count.shape[1] for count in counts)
        of_tested, of_reference = (np.pad(count, ((0, 0), (0, bins - count.shape[1]))) for count in counts)
        h_tested, h_reference = _normalised(of_tested, width), _normalised(of_reference, width)
        halves = [_normalised(of_reference[half::2], width) for half in (0, 1)]
        histograms.append(
            PairHistogram(
                f"{chemical_symbols[z]}-{chemical_symbols[w]}",
                width,
                h_tested,
                h_reference,
                float(np.abs(h_tested - h_reference).sum() * width),
                float(np.abs(halves[0] - halves[1]).sum() * width),
            )
        )
    return histograms


def blocks_of(trajectory: Array) -> list[Array]:
    """Return the replicas of a trajectory (replica, time, i, x); of a single one its two halves in time."""
    return [*trajectory] if len(trajectory) > 1 else np.array_split(trajectory[0], 2)


def histogram_findings(histograms: list[PairHistogram], condition: str) -> list[Finding]:
    """Return how far the distances of each pair of elements are apart in both trajectories."""
    return [
        finding
        for histogram in histograms
        for finding in (
            Finding("L1 distance of the pair distances", f"{condition}; {histogram.elements}", histogram.apart, "1"),
            Finding(
                "L1 distance of both halves of the reference",
                f"{condition}; {histogram.elements}",
                histogram.scatter,
                "1",
            ),
        )
    ]


def _counts(
    blocks: list[Array], first: NDArray[np.int64], second: NDArray[np.int64], width: float
) -> NDArray[np.int64]:
    """Return how many distances of some pairs are in each bin, (block, bins)."""
    rows = [
        np.floor(np.linalg.norm(block[:, first] - block[:, second], axis=-1) / width).astype(int) for block in blocks
    ]
    bins = 1 + max(int(row.max()) for row in rows)
    return np.array([np.bincount(row.ravel(), minlength=bins) for row in rows])


def _normalised(counts: NDArray[np.int64], width: float) -> Array:
    """Return the histogram of all blocks together, ∫ h dr = 1."""
    total = counts.sum(axis=0)
    return np.asarray(total / (total.sum() * width))
