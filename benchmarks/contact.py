"""Draw a contact brought together: Psi4, GFN2-xTB and any number of models; two hydrogens of ethanol's methyl group.

    python benchmarks/contact.py now=models/ethanol.pt before=earlier.pt

The two atoms alone are moved, by half of the change each, from GFN2-xTB's minimum; energies are above each potential's
own at that minimum. Psi4's (PBE/def2-SVP, some seconds a point) are kept in a CSV, and read from there next time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from densnet.io.netcdf import variable
from densnet.models.checkpoint import load_model
from densnet.molecule import Molecule, conformers
from densnet.potentials import named
from densnet.reference.labels import label_shard
from densnet.reference.level import LevelOfTheory
from densnet.reference.strain import minimum_of
from densnet.validation.pair_scan import scan_points

Array = NDArray[np.float64]
DISTANCES = np.arange(2.2, 0.69, -0.1)
"""Angstrom."""


def geometries(numbers: NDArray[np.int64], minimum: Array, pair: tuple[int, int]) -> Array:
    """Return the minimum and the contact at all distances, (1 + n, i, 3) in Angstrom."""
    length = np.linalg.norm(minimum[pair[1]] - minimum[pair[0]])
    points = scan_points(numbers, minimum, factors=DISTANCES / length)
    chosen = (points.pairs == sorted(pair)).all(axis=1)
    return np.concatenate([minimum[None], points.positions[chosen]])


def psi4_energies(molecule: Molecule, frames: Array, kept: Path) -> Array:
    """Return Psi4's energies (1 + n,) in eV, from the file if it is there."""
    if kept.exists():
        with kept.open(encoding="utf-8") as handle:
            return np.array([float(row["energy_ev"]) for row in csv.DictReader(handle)])
    dataset = xr.Dataset(
        {
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), frames, "angstrom", "positions"),
            "split": variable(("frame",), np.full(len(frames), "test"), "1", "split"),
        },
        attrs={"charge": molecule.charge, "multiplicity": molecule.multiplicity},
    )
    with tempfile.TemporaryDirectory() as folder:
        labelled, _ = label_shard(dataset, LevelOfTheory(), shard=0, shards=1, output=Path(folder) / "contact.nc")
    energies = np.asarray(labelled["energy"].values)
    with kept.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["distance_angstrom", "energy_ev"])
        writer.writerows(zip(["minimum", *DISTANCES.round(3)], energies, strict=True))
    return energies


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("--smiles", default="CCO")
    parser.add_argument("--atoms", nargs=2, type=int, default=(3, 4), help="counted from zero")
    parser.add_argument("--psi4", type=Path, default=Path("docs/figures/contact_psi4.csv"))
    parser.add_argument("--output", type=Path, default=Path("docs/figures/contact.png"))
    options = parser.parse_args()
    molecule = conformers(options.smiles, count=8)[0]
    minimum = minimum_of(molecule, named("gfn2-xtb"))
    frames = geometries(molecule.numbers, minimum.positions, tuple(options.atoms))
    psi4 = psi4_energies(molecule, frames, options.psi4)
    gfn2 = minimum.potential(frames)["energy"]
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    axes.axhline(0, color="0.8", linewidth=0.8)
    axes.plot(DISTANCES, (psi4 - psi4[0])[1:], "ko", markersize=5, label="Psi4, PBE/def2-SVP", zorder=3)
    axes.plot(DISTANCES, (gfn2 - gfn2[0])[1:], color="0.55", linestyle="--", label="GFN2-xTB")
    for name, path in (entry.split("=", 1) for entry in options.models):
        model = load_model(Path(path))
        energy = model(model.elements_of(molecule.numbers), torch.as_tensor(frames)).energy.numpy()
        axes.plot(DISTANCES, (energy - energy[0])[1:], label=f"densnet, {name}", linewidth=2)
        print(name, " ".join(f"{d:.1f}:{e:.2f}" for d, e in zip(DISTANCES, (energy - energy[0])[1:], strict=True)))
    axes.set(xlabel="H···H distance [Å]", ylabel="energy above the minimum [eV]", ylim=(-6, 15))
    axes.legend(frameon=False)
    figure.savefig(options.output, dpi=160)


if __name__ == "__main__":
    main()
