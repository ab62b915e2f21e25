"""CSV files of fundamentals as people keep them."""

from __future__ import annotations

from pathlib import Path

import pytest
from input_case import READ, REFUSED, InputCase

from densnet.errors import DensnetError
from densnet.spectra.experiment import fundamentals

CASES = (
    InputCase("a column wavenumber alone", READ, "", lambda: "wavenumber\n2886.5\n"),
    InputCase("the unit in the column's name", READ, "", lambda: "Wavenumber (1/cm),description\n2886.5,stretch\n"),
    InputCase(
        "remarks (#) and the formula among them", READ, "", lambda: "# mine\n# formula: HCl\nwavenumber\n2886.5\n"
    ),
    InputCase("semicolons and decimal commas", READ, "", lambda: "wavenumber;description\n2886,5;stretch\n"),
    InputCase("a byte order mark", READ, "", lambda: "\ufeffwavenumber\n2886.5\n"),
    InputCase("UTF-16", READ, "", lambda: "wavenumber\n2886.5\n".encode("utf-16")),
    InputCase("Latin-1", READ, "", lambda: "wavenumber,source\n2886.5,Müller\n".encode("latin-1")),
    InputCase(
        "micrometres",
        REFUSED,
        "found '3.465'; in micrometres it would be 2886 1/cm: convert it",
        lambda: "wavenumber,description\n3.465,stretch\n",
    ),
    InputCase(
        "another unit in the column's name",
        REFUSED,
        "expected the column 'wavenumber' in 1/cm, found 'wavenumber (THz)'",
        lambda: "wavenumber (THz)\n86.5\n",
    ),
    InputCase(
        "decimal commas between commas",
        REFUSED,
        "line 2: expected 2 fields, found 3",
        lambda: "wavenumber,description\n2886,5,stretch\n",
    ),
    InputCase("a row without a number", REFUSED, "found 'strong'", lambda: "wavenumber\nstrong\n"),
    InputCase(
        "no column wavenumber",
        REFUSED,
        "expected a column 'wavenumber' (1/cm), found ['frequency']",
        lambda: "frequency\n2886.5\n",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fundamentals_of_a_stranger(case: InputCase, tmp_path: Path) -> None:
    path, content = tmp_path / "theirs.csv", case.make()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            fundamentals(str(path))
        assert case.words in str(caught.value) and "theirs.csv" in str(caught.value)
        return
    table = fundamentals(str(path))
    assert (table.name, table.wavenumber.tolist()) == ("theirs", [2886.5])
    assert table.formula == ("HCl" if "formula" in case.content else "")
