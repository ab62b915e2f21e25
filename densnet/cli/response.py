"""``densnet response``: how the density answers an electric field, and how well a model has learned it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.fitting.response_labels import METHOD_VERSION, response_labels
from densnet.fitting.settings import ResponseSettings
from densnet.io.netcdf import write_dataset, write_text
from densnet.potentials.model import ModelPotential
from densnet.training.response_errors import response_errors
from densnet.training.response_targets import load_responses


def labels(
    *,
    labels: Path,
    output: Path,
    settings: Annotated[ResponseSettings, Parameter(name="*")] = ResponseSettings(),
    processes: int = 1,
) -> None:
    """Compute how the electrons of labelled frames answer a static electric field, and the polarizability.

    Stopped at any moment, the same command goes on.

    Args:
        labels: output of ``densnet fit``, with orbitals.
        output: responses.nc, written when all is done; finished frames are kept in OUTPUT.parts until then.
        processes: worker processes, one thread each; the result does not depend on it.
    """
    dataset, parts = response_labels(labels, settings, processes=processes, output=output)
    write_dataset(dataset, output, stage="response", method_version=METHOD_VERSION, settings=asdict(settings))
    parts.remove()


def errors(*, responses: Path, model: Path, output: Path, threads: int = 1) -> None:
    """Judge a model's response and polarizability by the test frames of such labels.

    Args:
        responses: output of ``densnet response labels``.
        model: output of ``densnet train response``.
        output: JSON file to write.
        threads: CPU threads.
    """
    torch.set_num_threads(threads)
    data = load_responses(responses)
    potential = ModelPotential.from_file(model, data.numbers, atoms_at_once=512)
    alpha = potential.polarizability(data.dataset["positions"].values[data.frames("test")])
    if alpha is None:
        raise DensnetError(f"{model}: expected a model of the response to a field; make it by 'densnet train response'")
    text = json.dumps(response_errors(potential.model, alpha, data), indent=2)
    write_text(output, text + "\n")
    print(text)
