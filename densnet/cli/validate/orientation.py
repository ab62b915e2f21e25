"""``densnet validate orientation``: how molecules turn, and how well they are aligned."""

from __future__ import annotations

from pathlib import Path

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.report.orientation_text import alignment_text, reorientation_text
from densnet.validation.findings import findings_csv
from densnet.validation.molecular_axes import whole_molecules
from densnet.validation.motion import read_motion
from densnet.validation.reorientation import alignment, alignment_findings, reorientation, reorientation_findings


def orientation(
    trajectory: Path,
    *,
    order: bool = False,
    formula: str | None = None,
    interval_fs: float | None = None,
    output: Path | None = None,
) -> None:
    """Compute how fast a molecule turns, or how well the molecules of a crystal or cluster are aligned.

    Axes are the principal axes of inertia in the first frame, and turn with the molecule. Without --order it is C2(t)
    of one molecule and its integral.

    Parameters
    ----------
    trajectory
        Output of 'densnet md' (.nc), or extended xyz with or without a cell.
    order
        The order parameter P2 of several molecules in each frame.
    formula
        Of the molecules to look at, if there are others, too.
    interval_fs
        Time between frames in fs, of an xyz file that does not say it (time_fs).
    output
        CSV of all numbers.
    """
    motion = read_motion(trajectory, interval_fs)
    if not order and motion.interval is None:
        raise DensnetError(f"interval-fs: {trajectory} does not say the time between its frames; give it in fs")
    molecules = whole_molecules(motion, formula)
    condition = f"{trajectory}; {molecules.formula}"
    if order:
        aligned = alignment(molecules, motion.name)
        findings, text = alignment_findings(aligned, condition), alignment_text(aligned)
    else:
        turning = reorientation(molecules, float(motion.interval or 0), motion.name)
        findings, text = reorientation_findings(turning, condition), reorientation_text(turning)
    if output:
        write_text(output, findings_csv(findings))
    print(f"{trajectory}: {molecules.formula}\n\n{text}")
