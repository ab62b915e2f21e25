"""Radial distribution functions of a crystal, between atoms of different molecules.

g(r) = <n(r)> / (4 π r² dr ρ), where n is the number of atoms of the second element in the shell from r to r + dr about
an atom of the first, and ρ their density (Allen, Tildesley, Computer Simulation of Liquids, Oxford 2017, ch. 2). It is
counted by MDAnalysis' ``InterRDF``, with the cell of each frame.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.bonds import BondTree, in_order
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_dataset
from densnet.potential import Array
from densnet.validation.findings import Finding
from densnet.validation.molecular_axes import whole_positions
from densnet.validation.motion import Motion

METHOD_VERSION: int = 1
LARGEST = 200_000
"""Atoms in the repeated cell, at most."""


@dataclass(frozen=True)
class RadialDistribution:
    """g(r) of a pair of elements.

    Attributes:
        elements: "C-O".
        r: middle of each bin, Angstrom, (bins,).
        g: over all frames, (bins,).
        halves: over each half of the frames, or of the replicas, (2, bins).
        mean_number: atoms of the second element within r of one of the first, (bins,), at the end of each bin.
    """

    elements: str
    r: Array
    g: Array
    halves: Array
    mean_number: Array

    @property
    def begins(self) -> float:
        """Return the middle of the first bin in which there is a pair, Angstrom."""
        return float(self.r[int((self.g > 0).argmax())])

    @property
    def scatter(self) -> float | None:
        """Return the L1 distance of both halves; None of a single frame."""
        return l1_distance(self.halves[0], self.halves[1]) if len(self.halves) else None


def l1_distance(g: Array, reference: Array) -> float:
    """Return ∫ |g - g'| dr / ∫ (g + g') / 2 dr: 0 if they agree, 2 if they never overlap; of nothing, 0."""
    total = float((g + reference).sum()) / 2
    return float(np.abs(g - reference).sum()) / total if total else 0.0


def radial_distributions(motion: Motion, tree: BondTree, r_max: float, width: float) -> list[RadialDistribution]:
    """Return g(r) of each pair of elements, atoms of one molecule left out.

    The cell is repeated until half of it reaches r_max in all directions, so that small cells are no limit.

    Args:
        motion: a periodic trajectory.
        tree: its molecules, whole in all frames.
        r_max: where g ends, Angstrom.
        width: of the bins, Angstrom.

    Raises:
        DensnetError: no positive width and range, or more atoms than can be counted.
    """
    if not 0 < width < r_max < np.inf:
        raise DensnetError(f"rdf-to: expected more than one bin of a positive width, found {width} and {r_max} Å")
    repeated = _Repeated(motion, tree, r_max)
    frames = motion.positions.shape[0] * motion.positions.shape[1]
    # replicas lie one after the other: halves are of replicas, or of one replica's time
    spans = [(0, frames // 2), (frames // 2, frames)] if frames > 1 else []
    bins = round(r_max / width)
    elements = sorted({int(number) for number in motion.numbers}, key=lambda z: (z == 1, z))
    distributions = []
    for z, w in combinations_with_replacement(elements, 2):
        counted = [repeated.counted(z, w, bins, bins * width, start, stop) for start, stop in [(0, frames), *spans]]
        (r, g, number), halves = counted[0], np.array([half for _, half, _ in counted[1:]])
        distributions.append(RadialDistribution("-".join(in_order([z, w])), r, g, halves, number))
    return distributions


def distribution_findings(
    distributions: Sequence[RadialDistribution], references: Sequence[RadialDistribution], condition: str
) -> list[Finding]:
    """Return for each pair the highest place of g, and how far g is from that of a reference and of its other half."""
    by_name = {reference.elements: reference for reference in references}
    findings = []
    for each in distributions:
        pair = f"{condition}; {each.elements}"
        top = int(each.g.argmax())
        findings.append(Finding("where g(r) between molecules begins", pair, each.begins, "Å"))
        findings.append(Finding("highest g(r) between molecules", pair, float(each.g[top]), "1"))
        findings.append(Finding("highest g(r) between molecules: r", pair, float(each.r[top]), "Å"))
        if each.scatter is not None:
            findings.append(Finding("L1 distance of g(r) of both halves", pair, each.scatter, "1"))
        if each.elements in by_name:
            away = l1_distance(each.g, by_name[each.elements].g)
            findings.append(Finding("L1 distance of g(r) from the reference", pair, away, "1"))
    return findings


def write_distributions(distributions: Sequence[RadialDistribution], path: Path, settings: dict[str, Any]) -> None:
    """Write all g(r) as netCDF.

    Raises:
        DensnetError: the file cannot be written.
    """
    dims = ("pair", "r")
    dataset = xr.Dataset(
        {
            "g": variable(dims, np.array([each.g for each in distributions]), "1", "g(r) between molecules"),
            "mean_number": variable(
                dims, np.array([each.mean_number for each in distributions]), "1", "atoms of other molecules within r"
            ),
        },
        coords={
            "pair": variable(("pair",), [each.elements for each in distributions], "1", "elements"),
            "r": variable(("r",), distributions[0].r, "angstrom", "distance"),
        },
    )
    write_dataset(dataset, path, stage="validate", method_version=METHOD_VERSION, settings=settings)


class _Repeated:
    """A trajectory of a crystal as MDAnalysis opens it, its cell repeated, the cell itself in front."""

    def __init__(self, motion: Motion, tree: BondTree, r_max: float) -> None:
        from MDAnalysis import Universe

        self.numbers = motion.numbers
        cells = motion.cells.reshape(-1, 3, 3)
        times = np.ceil(2 * r_max / _heights(cells).min(axis=0)).astype(int)
        images = np.array(sorted(product(*map(range, times)), key=lambda image: image != (0, 0, 0)))
        atoms = len(motion.numbers) * len(images)
        if atoms > LARGEST:
            raise DensnetError(f"rdf-to: {r_max} Å asks for {atoms} atoms in the repeated cell; lower it")
        whole = whole_positions(motion, tree).reshape(len(cells), -1, 3)
        fractions = np.einsum("tix,txk->tik", whole, np.linalg.inv(cells))
        placed = (fractions[:, None] + images[:, None]).reshape(len(cells), atoms, 3) / times % 1.0
        boxes, vectors = _boxes(cells * times[:, None])
        molecules = int(tree.molecule.max()) + 1
        residues = (np.arange(len(images))[:, None] * molecules + tree.molecule).ravel()
        self.universe = Universe.empty(
            atoms, n_residues=molecules * len(images), atom_resindex=residues, trajectory=False
        )
        self.universe.load_new(np.einsum("tik,tkx->tix", placed, vectors).astype(np.float32), dimensions=boxes)
        self.of_atom = np.tile(motion.numbers, len(images))

    def counted(self, z: int, w: int, bins: int, r_max: float, start: int, stop: int) -> tuple[Array, Array, Array]:
        """Return r, g and the mean number within r of two elements, from some of the frames."""
        from MDAnalysis.analysis.rdf import InterRDF

        centres = self.universe.atoms[np.flatnonzero(self.numbers == z)]
        around = self.universe.atoms[np.flatnonzero(self.of_atom == w)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="MDAnalysis")
            rdf = InterRDF(centres, around, nbins=bins, range=(0.0, r_max), exclude_same="residue")
            rdf.run(start=start, stop=stop)
        each = rdf.results.count / (len(centres) * (stop - start))
        return rdf.results.bins, rdf.results.rdf, np.cumsum(each)


def _heights(cells: Array) -> Array:
    """Return the distances between opposite faces of cells (t, 3, 3), (t, 3)."""
    return np.asarray(1 / np.linalg.norm(np.linalg.inv(cells), axis=1))


def _boxes(cells: Array) -> tuple[NDArray[np.float32], Array]:
    """Return cells (t, 3, 3) by lengths and angles (t, 6), and the vectors (t, 3, 3) that MDAnalysis gives those."""
    from ase.geometry import cell_to_cellpar
    from MDAnalysis.lib.mdamath import triclinic_vectors

    boxes = np.array([cell_to_cellpar(cell) for cell in cells], dtype=np.float32)
    return boxes, np.array([triclinic_vectors(box) for box in boxes], dtype=np.float64)
