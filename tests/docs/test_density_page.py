"""The code of docs/density.md runs, in order, on a run of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import matplotlib.image
import pytest

from densnet.models.density_model import DensityModelSettings
from densnet.models.energy_model import EnergyModelSettings
from densnet.training.density import DensityTrainingSettings, train_density
from densnet.training.energy import EnergyTrainingSettings, train_energy

PAGE = Path(__file__).parents[2] / "docs" / "density.md"


@pytest.fixture(scope="module")
def run(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(water_labels, folder / "labels.nc")
    train_density(
        folder / "labels.nc",
        DensityModelSettings(channels=8, edge_channels=4, cutoff=3.0),
        DensityTrainingSettings(steps=60, batch_size=4),
        output=folder / "density.pt",
        log=folder / "density.csv",
    )
    train_energy(
        folder / "labels.nc",
        folder / "density.pt",
        EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0),
        EnergyTrainingSettings(steps=2, batch_size=4),
        output=folder / "energy.pt",
        combined=folder / "model.pt",
        log=folder / "energy.csv",
    )
    return folder


def test_the_page(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    code = "\n".join(blocks).replace('Path("results/demo/ethanol")', f"Path({str(run)!r})")
    assert str(run) in code
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
