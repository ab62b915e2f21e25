"""densnet metrics: the flat numbers of one system."""

from __future__ import annotations

import json
from pathlib import Path

from densnet.io.netcdf import read_dataset, write_text
from densnet.report.metrics import collect_metrics, read_response_errors


def metrics(
    *, evaluation: Path, trajectory: Path, comparison: Path, output: Path, response: Path | None = None
) -> None:
    """Merge what evaluation, dynamics and comparison measured into one JSON file.

    Parameters
    ----------
    evaluation
        Output of 'densnet evaluate'.
    trajectory
        Output of 'densnet md' for the model.
    comparison
        Output of 'densnet compare'.
    output
        metrics.json: flat keys, units in the names.
    response
        Output of 'densnet response errors'.
    """
    numbers = collect_metrics(
        read_dataset(
            evaluation,
            stage="evaluate",
            variables=("nmae", "nmae_by_atom", "coulomb_error", "potential_rms_error", "has_orbitals", "charge_error"),
        ),
        read_dataset(trajectory, stage="md", variables=("time", "dipole")),
        read_dataset(comparison, stage="compare"),
        {} if response is None else read_response_errors(response),
    )
    write_text(output, json.dumps(numbers, indent=2) + "\n")
