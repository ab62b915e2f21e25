"""``densnet validate structure``: relaxed geometries, and distances along trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from ase.data import chemical_symbols
from cyclopts import Parameter

from densnet.cli.validate.options import LEVEL, MoleculeOptions, PotentialOptions, asking, recording
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule, formula, from_xyz
from densnet.potentials.choice import COMPUTED, Chosen
from densnet.reference.level import LevelOfTheory
from densnet.report.structure_text import histograms_text, structure_text
from densnet.validation.findings import Finding, findings_csv
from densnet.validation.pair_distances import histogram_findings, pair_histograms, read_trajectories
from densnet.validation.pair_scan import read_scan
from densnet.validation.structures import compare_structures, structure_findings


def structure(
    tested: Annotated[PotentialOptions, Parameter(name="*")] = PotentialOptions(),
    *,
    given: Annotated[MoleculeOptions, Parameter(name="*")] = MoleculeOptions(),
    reference: str = "gfn2-xtb",
    level: Annotated[LevelOfTheory, Parameter(name="*")] = LEVEL,
    trajectory: Path | None = None,
    against: Path | None = None,
    bin_width: float = 0.02,
    output: Path | None = None,
) -> None:
    """Compare a relaxed geometry with a reference's, or the distances along two trajectories.

    Both potentials relax the molecule from the same start. Atoms have the same weight, and each is compared with
    itself. Geometries of Psi4 or PySCF are kept beside --output until that is whole.

    Parameters
    ----------
    reference
        gfn2-xtb, psi4, pyscf or another potential by its name, or the relaxed molecule: an xyz file, or a file of
        'densnet validate robustness --scan-output', whose reference relaxed it.
    trajectory
        Output of 'densnet md' ...
    against
        ... and another one of the same molecule: how often two elements are at a distance, in both.
    bin_width
        Of the distances along trajectories, in Å.
    output
        CSV of all numbers.
    """
    if (trajectory is None) != (against is None):
        raise DensnetError("trajectory: expected both --trajectory FILE and --against FILE, found one of them")
    findings: list[Finding] = []
    chosen: list[Chosen] = []
    if trajectory and against:
        findings += _distances(trajectory, against, bin_width)
    if given.ways or tested != PotentialOptions() or not trajectory:
        chosen = [tested.chosen(level, output)]
        if reference in COMPUTED:
            chosen.append(Chosen(None, reference, level=level, output=output))
    with recording(output):
        if chosen:
            findings += _relaxed_both(chosen, given, reference)
        if output:
            write_text(output, findings_csv(findings))
    for potential in chosen:
        potential.remove_parts()


def _distances(trajectory: Path, against: Path, width: float) -> list[Finding]:
    """Print how far the pair distances of two trajectories are apart, and return it."""
    tested, reference = read_trajectories(trajectory, against)
    runs = [data["positions"].values.astype(np.float64) for data in (tested, reference)]
    histograms = pair_histograms(tested["numbers"].values, runs[0], runs[1], width)
    temperatures = [data.attrs["temperature_k"] for data in (tested, reference)]
    pair = f"{trajectory} ({temperatures[0]:g} K) beside {against} ({temperatures[1]:g} K)"
    print(f"{pair}, bins of {width:g} Å\n\n{histograms_text(histograms)}")
    return histogram_findings(histograms, pair)


def _relaxed_both(chosen: Sequence[Chosen], given: MoleculeOptions, reference: str) -> list[Finding]:
    """Relax a molecule by the tested potential and by the reference, print how they differ, and return it."""
    tested, *references = chosen
    in_file = None if references else _in_file(reference, given)
    molecule = in_file if in_file and not given.ways else given.molecule()
    if in_file and not np.array_equal(in_file.numbers, molecule.numbers):
        atoms, atoms_in_file = (
            "".join(chemical_symbols[z] for z in numbers) for numbers in (molecule.numbers, in_file.numbers)
        )
        raise DensnetError(f"reference: expected the atoms {atoms} in this order, found {atoms_in_file} in {reference}")
    relaxing = tested(molecule, double=True)
    with asking(tested):
        minimum = relaxed(relaxing, molecule.positions)
    reference_minimum = in_file.positions if in_file else relaxed(references[0](molecule), molecule.positions)
    comparison = compare_structures(molecule.numbers, minimum, reference_minimum)
    pair = f"{tested.name} beside {reference}"
    print(f"{pair}: {formula(molecule.numbers)}, relaxed\n\n{structure_text(comparison)}")
    return structure_findings(comparison, pair)


def _in_file(reference: str, given: MoleculeOptions) -> Molecule:
    """Return the molecule of an xyz file, or the one that the reference of a scan relaxed."""
    if not Path(reference).is_file():
        raise DensnetError(
            f"reference: expected one of {', '.join(COMPUTED)}, an xyz file or a scan (.nc), found {reference!r}"
        )
    if Path(reference).suffix == ".nc":
        scan, _, charge = read_scan(Path(reference))
        return Molecule(scan.points.numbers, scan.points.minimum, charge)
    return from_xyz(Path(reference), charge=given.charge)
