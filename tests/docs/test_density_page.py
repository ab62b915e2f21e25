"""The code of docs/density.md runs, in order, on a run of its own."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.image
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "density.md"


def test_the_page(
    water_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    code = "\n".join(blocks).replace('Path("results/demo/ethanol")', f"Path({str(water_run)!r})")
    assert str(water_run) in code
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "electrons 10.000000000" in printed
    nmae = float(re.search(r"NMAE against Kohn-Sham (\S+) %", printed)[1])
    # sixty steps leave it between the floor (about 1 %) and the free atoms (about 20 %)
    assert 0.5 < nmae < 20.0
    assert abs(names["fitted"].hirshfeld().charges.sum()) < 1e-9
    assert matplotlib.image.imread(tmp_path / "error_map.png").size
