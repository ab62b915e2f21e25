"""Tables of fundamentals: what comes with the package, and a user's own."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from densnet.errors import DensnetError
from densnet.spectra.experiment import available, fundamentals, parse_fundamentals
from densnet.spectra.kinds import SAID


@pytest.mark.parametrize("name", ["ethanol", "methanethiol", "thiophene", "water"])
def test_each_table_has_sorted_sourced_fundamentals(name: str) -> None:
    table = fundamentals(name)
    assert (np.diff(table.wavenumber) >= 0).all()
    assert all(table.source) and all(table.symmetry)
    assert sum(len(sticks) for sticks in table.regions().values()) == len(table.wavenumber)


def test_number_of_fundamentals_is_that_of_the_molecule() -> None:
    # 3N - 6; thiophene less its three A2 modes, methanethiol less its torsion.
    counts = {name: len(fundamentals(name).wavenumber) for name in available()}
    assert counts == {"ethanol": 21, "water": 3, "methanethiol": 11, "thiophene": 18}
    assert len(fundamentals("thiophene", "raman").wavenumber) == 21


def test_regions_are_neighbours() -> None:
    for name, kind in itertools.product(available(), SAID):
        regions = list(fundamentals(name, kind).regions().values())
        assert all(a.max() < b.min() for a, b in itertools.pairwise(regions)), name


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(DensnetError, match=r"ethanol, methanethiol, thiophene, water.*did you mean ethanol"):
        fundamentals("etanol")


def test_own_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("# mine\nwavenumber,description\n1700,C=O stretch\n900.5,\n")
    table = fundamentals(str(path))
    assert table.wavenumber.tolist() == [900.5, 1700.0]
    assert table.description == ("900.5", "C=O stretch")
    with pytest.raises(DensnetError, match="cannot be read"):
        fundamentals(str(tmp_path / "none.csv"))


def test_a_table_may_say_what_is_active_where() -> None:
    text = 'wavenumber,active\n500,raman\n600,infrared\n700,\n800,"Infrared, Raman"\n'
    assert parse_fundamentals(text, "mine").wavenumber.tolist() == [600, 700, 800]
    assert parse_fundamentals(text, "mine", "raman").wavenumber.tolist() == [500, 700, 800]
    with pytest.raises(DensnetError, match="at least one row that is active in Raman spectra, found none"):
        parse_fundamentals("wavenumber,active\n600,infrared\n", "mine", "raman")
    with pytest.raises(DensnetError, match=r"mine: line 2: active: expected infrared, raman or both .* 'strong'"):
        parse_fundamentals("wavenumber,active\n600,strong\n", "mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'wavenumber'"),
        ("frequency\n3\n", "column 'wavenumber'"),
        ("wavenumber\n", "at least one row"),
        ("wavenumber\nabc\n", "'abc'"),
        ("wavenumber\n-5\n", "'-5'"),
        ("wavenumber\nnan\n", "'nan'"),
    ],
)
def test_bad_table_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(DensnetError, match=message):
        parse_fundamentals(text, "mine")
