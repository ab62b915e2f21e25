"""densnet report: one static page of a run."""

from __future__ import annotations

import sys
from pathlib import Path

from densnet.io.netcdf import write_text
from densnet.report.page import page
from densnet.report.run import read_run


def report(*, manifest: Path, output: Path) -> None:
    """Write the page of a run: tables and figures of its systems, images and captions inside.

    Parameters
    ----------
    manifest
        JSON that the workflow writes beside the page. It has the run's 'name' and a list of 'systems', each with its
        'name', outputs of other verbs ('metrics', 'labels' of fit, 'comparison' of compare, 'assignment' of assign) and
        a list of PNGs, 'figures', and may have 'raman' of spectrum, 'raman_comparison' of compare and 'validation', a
        list of tests with their name, 'test', their 'reference' and 'findings', a CSV of validate by the name of each
        potential; where there are some, 'families' (name, lengths, chains, figures), 'sweep' (table,
        figures), the tables 'peers' and 'benchmark', the text file 'config' and the folder of the run as 'jobs'.
    output
        The page, HTML.
    """
    write_text(output, page(read_run(manifest)))
    print(f"report: {output}", file=sys.stderr)
