"""``densnet validate crystal``: dynamics, structure and orientation of a molecular crystal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from ase import Atoms
from cyclopts import Parameter

from densnet.bonds import BondTree
from densnet.cli.validate.options import LEVEL, PotentialOptions, asking, recording
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import formula as formula_of
from densnet.report.conservation_text import conservation_text
from densnet.report.crystal_text import distributions_text, frames_text, intactness_text
from densnet.report.orientation_text import alignment_text
from densnet.validation.conservation import conservation_findings, frames_findings, line_of_frames
from densnet.validation.crystal_dynamics import check_periodic, crystal_minimum, crystal_run, whole_crystal, write_run
from densnet.validation.findings import Finding, findings_csv
from densnet.validation.intactness import check_cell, first_frames, intactness, intactness_findings
from densnet.validation.molecular_axes import tree_of, whole_molecules
from densnet.validation.motion import Motion, read_motion
from densnet.validation.radial_distribution import (
    distribution_findings,
    radial_distributions,
    write_distributions,
)
from densnet.validation.reorientation import alignment, alignment_findings
from densnet.validation.settings import CrystalSettings


def crystal(
    frames: Path,
    *,
    tested: Annotated[PotentialOptions, Parameter(name="*")] = PotentialOptions(),
    settings: Annotated[CrystalSettings, Parameter(name="*")] = CrystalSettings(),
    against: Path | None = None,
    formula: str | None = None,
    double: Annotated[bool, Parameter(negative="--single")] = False,
    interval_fs: float | None = None,
    rdf_to: float = 8.0,
    bin_width: float = 0.1,
    trajectory_output: Path | None = None,
    rdf_output: Path | None = None,
    output: Path | None = None,
) -> None:
    """Test a molecular crystal: is its energy conserved, do cell, molecules, distances and orientation last?

    With a calculator the first frame is relaxed in its cell and replicas of it run at constant energy. Without one the
    frames are judged as they are; those with energies and momenta have a total energy.

    Parameters
    ----------
    frames
        Extended xyz with a cell: a crystal, or a trajectory of one.
    against
        Another trajectory of this crystal: how far g(r) is from its.
    formula
        Of the molecules whose orientation is looked at, if there are others, too.
    double
        Let a model file of MACE compute in double precision.
    interval_fs
        Time between the frames of a trajectory in fs, if the file does not say it (time_fs).
    rdf_to
        Where g(r) ends, in Å; small cells are repeated.
    bin_width
        Of g(r), in Å.
    trajectory_output
        Extended xyz of the frames of the dynamics.
    rdf_output
        NetCDF file of all g(r).
    output
        CSV of all numbers.
    """
    motion = read_motion(frames, interval_fs)
    check_cell(motion)
    if rdf_output and rdf_output.suffix != ".nc":
        raise DensnetError(f"rdf-output: expected the name of a netCDF file (.nc), found {rdf_output}")
    if trajectory_output and tested == PotentialOptions():
        raise DensnetError("trajectory-output: there are no dynamics without --calculator; leave it out")
    reference = None if against is None else _reference(against, motion)
    # what cannot be judged is refused before hours of dynamics
    tree, first = tree_of(motion), first_frames(motion, 1)
    _check_whole(first, tree)
    whole_molecules(first, formula, tree)
    radial_distributions(first, tree, rdf_to, bin_width)
    with recording(output):
        findings: list[Finding] = []
        if tested != PotentialOptions():
            motion, findings = _run(motion, tested, settings, double, trajectory_output)
        else:
            findings = _total_energy(motion)
        findings += _structure(motion, tree, formula, reference, (rdf_to, bin_width), rdf_output)
        if output:
            write_text(output, findings_csv(findings))


def _run(
    motion: Motion, tested: PotentialOptions, settings: CrystalSettings, double: bool, trajectory: Path | None
) -> tuple[Motion, list[Finding]]:
    """Run the crystal, print what is conserved, and return the trajectory and the findings."""
    chosen = tested.chosen(LEVEL, None)
    start = whole_crystal(motion)
    structure = Atoms(motion.numbers, start, cell=motion.cells[0, 0], pbc=motion.periodic)
    alone = chosen.of_crystal(structure, double=double)
    mover = chosen.of_crystal(structure, settings.replicas, double=double)
    with asking(chosen):
        check_periodic(alone, start, motion.cells[0, 0])
        conserved, moved = crystal_run(mover, motion, crystal_minimum(alone, start), settings)
    print(f"{chosen.name}: {_contents(motion)}, {conservation_text(conserved)}")
    if trajectory:
        write_run(conserved, moved, trajectory)
    return moved, conservation_findings(conserved)


def _total_energy(motion: Motion) -> list[Finding]:
    """Print what the total energies of frames say, if there are any, and return it."""
    count = motion.positions.shape[1]
    if motion.energy is None or motion.interval is None or count < 3:
        print(f"{motion.name}: {_contents(motion)}\n\nNo total energies with their times in this file.")
        return []
    line, error = line_of_frames(motion.energy, motion.interval, motion.numbers)
    print(f"{motion.name}: {_contents(motion)}, {frames_text(line, error, motion.energy.size)}")
    return frames_findings(line, error, f"{motion.name}; {motion.energy.size} frames")


def _check_whole(first: Motion, tree: BondTree) -> None:
    """See that the first frame of each replica is a crystal of whole molecules.

    Raises:
        DensnetError: it is not.
    """
    if fault := intactness(first, tree).fault:
        raise DensnetError(f"{first.name}: {fault}; expected whole molecules that their bonds tell apart")


def _structure(
    motion: Motion,
    tree: BondTree,
    formula: str | None,
    reference: Motion | None,
    reach_and_width: tuple[float, float],
    rdf_output: Path | None,
) -> list[Finding]:
    """Print whether cell and molecules last, how molecules are aligned and how far apart atoms are; return all that."""
    condition = f"{motion.name}; {tree.molecule.max() + 1} molecules"
    intact = intactness(motion, tree)
    findings = intactness_findings(intact, condition)
    print(f"\n{intactness_text(intact)}")
    if not intact.frames:
        return findings
    motion = first_frames(motion, intact.frames)
    molecules = whole_molecules(motion, formula, tree)
    if molecules.positions.shape[2] > 1:
        aligned = alignment(molecules, motion.name)
        findings += alignment_findings(aligned, condition)
        print(f"\n{molecules.formula}: {alignment_text(aligned)}")
    distributions = radial_distributions(motion, tree, *reach_and_width)
    references = [] if reference is None else radial_distributions(reference, tree_of(reference), *reach_and_width)
    name = "" if reference is None else reference.name
    print(f"\n{distributions_text(distributions, references, name)}")
    if rdf_output:
        count = motion.positions.shape[0] * motion.positions.shape[1]
        write_distributions(distributions, rdf_output, {"trajectory": motion.name, "frames": count})
    return findings + distribution_findings(distributions, references, condition)


def _reference(path: Path, motion: Motion) -> Motion:
    """Return the trajectory that g(r) is compared with, as far as its molecules are whole.

    Raises:
        DensnetError: it is of other atoms, or no crystal.
    """
    reference = read_motion(path)
    check_cell(reference)
    if (expected := _contents(motion)) != (there := _contents(reference)):
        raise DensnetError(
            f"against: expected a trajectory of {expected}, as {motion.name} is, found {there} in {path}"
        )
    _check_whole(first_frames(reference, 1), tree := tree_of(reference))
    return first_frames(reference, intactness(reference, tree).frames)


def _contents(motion: Motion) -> str:
    """Return what is in the cell: "4 C6H6O2"."""
    tree = tree_of(motion)
    counts = Counter(formula_of(motion.numbers[tree.molecule == m]) for m in range(int(tree.molecule.max()) + 1))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
