"""``densnet response``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.fitting.response_labels import METHOD_VERSION, response_labels
from densnet.fitting.settings import ResponseSettings
from densnet.io.netcdf import write_dataset


def response(
    *,
    labels: Path,
    output: Path,
    settings: Annotated[ResponseSettings, Parameter(name="*")] = ResponseSettings(),
    processes: int = 1,
) -> None:
    """Compute how the electrons of labelled frames answer a static electric field: ρ⁽¹⁾ and the polarizability.

    Stopped at any moment, the same command goes on.

    Args:
        labels: output of ``densnet fit``, with orbitals.
        output: responses.nc, written when all is done; finished frames are kept in OUTPUT.parts until then.
        processes: worker processes, one thread each; the result does not depend on it.
    """
    dataset, parts = response_labels(labels, settings, processes=processes, output=output)
    write_dataset(dataset, output, stage="response", method_version=METHOD_VERSION, settings=asdict(settings))
    parts.remove()
