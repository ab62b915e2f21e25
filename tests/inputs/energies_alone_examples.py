"""What becomes of files of energies and forces without densities (``densnet import --density``)."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from input_case import REFUSED, SAID, InputCase

from densnet.cli.import_ import import_labels
from densnet.errors import DensnetError


def check_import(case: InputCase, path: Path, option: str, density: Path, capsys: pytest.CaptureFixture) -> None:
    """Import a file: it is read, read and said, or refused with one line, and nothing is written then."""
    output = path.with_name("labels.nc")
    capsys.readouterr()
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            import_labels(**{option: path}, density=density, output=output)
        assert case.words in str(caught.value) and "\n" not in str(caught.value)
        assert path.name in str(caught.value) and not output.exists()
        return
    import_labels(**{option: path}, density=density, output=output)
    # the last line says that it is done
    *said, done = capsys.readouterr().err.splitlines()
    assert done.startswith("import: ") and len(xr.load_dataset(output)["frame"])
    assert [case.words in line for line in said] == [True] * (case.outcome == SAID)
