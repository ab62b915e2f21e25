"""Two processes learn what one does, stop and fail together, and say so once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch import nn

from densnet.errors import DensnetError, Stopped
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.training import loop, processes, ranks
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.loop import TrainingRun
from densnet.training.processes import train_in_processes
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings, LoopSettings

DENSITY = DensityModelSettings(channels=8, edge_channels=4, l_max=4, cutoff=3.0)
ENERGY = EnergyModelSettings(channels=8, edge_channels=4, l_max=2, cutoff=3.0)
# five frames a batch are three and two a process, some of methane and some of ethane; gradients as they are
SHORT: dict[str, Any] = {"steps": 1, "batch_size": 5, "validate_every": 1, "gradient_clip": 1e9}
SLOPE = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def ask_parent_to_stop() -> None:
    """Send the parent a signal and wait until it has come back from there."""
    handler, came = signal.getsignal(signal.SIGTERM), []

    def noted(signum: int, frame: Any) -> None:
        came.append(signum)
        handler(signum, frame)  # type: ignore[operator,misc]

    signal.signal(signal.SIGTERM, noted)
    os.kill(os.getppid(), signal.SIGTERM)
    while not came:
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, handler)


def fit_a_plane(folder: Path, name: str, *, batch_size: int = 3, fail: str = "") -> None:
    """Train a linear model on ten points, in double precision; in its sixth step the last process may fail."""
    rank, last = (dist.get_rank(), dist.get_world_size() - 1) if dist.is_initialized() else (0, 0)
    x = torch.linspace(-1, 1, 10, dtype=torch.float64).unsqueeze(1) ** torch.arange(3)
    model = nn.Linear(3, 1, bias=False).double()
    nn.init.zeros_(model.weight)

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        if run.step == 5 and rank == last:
            if fail == "signal":
                signal.raise_signal(signal.SIGUSR1)
            elif fail == "signal to the parent":
                ask_parent_to_stop()
            elif fail:
                raise DensnetError(fail)
        return (model(x[rows])[:, 0] - x[rows] @ SLOPE).square().mean() * (len(rows) / len(batch))

    def validate() -> dict[str, float]:
        return {"error": float((model(x)[:, 0] - x @ SLOPE).square().mean().detach())}

    settings = LoopSettings(steps=12, batch_size=batch_size, optimizer="adam", validate_every=4, checkpoint_seconds=1e6)
    run = TrainingRun(model, settings, identity={}, output=folder / name, log=folder / f"{name}.csv")
    run.run(10, loss_of, validate, "error")
    torch.save(model.weight, folder / f"{name}_{rank}.pt")


@contextmanager
def gradients_kept(path: Path) -> Iterator[None]:
    """Keep what each step leaves as the gradient of the weights, in the first process."""
    step, kept = loop.TrainingRun._one_step, []

    def watched(self: TrainingRun, *arguments: Any) -> float:
        value = step(self, *arguments)
        kept.append(torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None]))
        return value

    loop.TrainingRun._one_step = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.TrainingRun._one_step = step  # type: ignore[method-assign]
    if ranks.is_first():
        torch.save(kept, path)


def learn_everything(labels: list[Path], density: Path, folder: Path) -> None:
    """Train a density model, an energy model on a given one, and both at once; fit planes, some not to their end."""
    with gradients_kept(folder / "gradients.pt"):
        settings = DensityTrainingSettings(**SHORT)
        train_density(labels, DENSITY, settings, output=folder / "density.pt", log=folder / "density.csv")
        train_energy(
            labels,
            density,
            ENERGY,
            EnergyTrainingSettings(**SHORT, fine_tune_steps=1, jacobian_memory_gib=0.0),
            output=folder / "energy.pt",
            combined=folder / "model.pt",
            log=folder / "energy.csv",
        )
    for name in ("plane", "resumed"):
        fit_a_plane(folder, name)
    fit_a_plane(folder, "idle", batch_size=1)
    if not dist.is_initialized():
        fit_a_plane(folder, "stopped")
        return
    with pytest.raises(Stopped, match=r"stopped by SIGUSR1; step 6/12 is kept in .*stopped\.checkpoint"):
        fit_a_plane(folder, "stopped", fail="signal")
    with pytest.raises(Stopped, match="stopped by SIGTERM; step 6/12 is kept in "):
        fit_a_plane(folder, "asked", fail="signal to the parent")
    fit_a_plane(folder, "failed", fail="frame 7 is broken")


@dataclass(frozen=True)
class Runs:
    """Folders of the same work in one process and in two, and what ended the two."""

    one: Path
    two: Path
    end: str


@pytest.fixture(scope="module")
def runs(alkane_labels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    learn_everything(alkane_labels[:2], one / "density.pt", one)
    with pytest.raises(Stopped, match=r"step 6/12 is kept in .*resumed\.checkpoint"):
        fit_a_plane(two, "resumed", fail="signal")
    with pytest.raises(DensnetError) as error:
        train_in_processes(2, learn_everything, alkane_labels[:2], one / "density.pt", two, threads=1)
    return Runs(one, two, str(error.value))


def test_gradients_and_errors_are_those_of_one_process(runs: Runs) -> None:
    ours, theirs = (torch.load(folder / "gradients.pt") for folder in (runs.two, runs.one))
    assert len(ours) == len(theirs) == 3, "of the density, the energy, and both"
    for found, expected in zip(ours, theirs, strict=True):
        # sums of float32 in another order; a wrong weight of a process would be tenths
        assert float((found - expected).norm()) < 1e-5 * float(expected.norm())
    for log in ("density.csv", "energy.csv", "energy_fine_tuning.csv"):
        found, expected = (  # type: ignore[assignment]
            [float(cell) for n, cell in enumerate((folder / log).read_text().split("\n")[1].split(",")) if n != 1]
            for folder in (runs.two, runs.one)
        )
        assert found == pytest.approx(expected, rel=1e-4)
    for name in ("density.pt", "energy.pt", "model.pt"):
        assert (runs.two / name).exists()


@pytest.mark.parametrize("name", ["plane", "idle", "resumed"])
def test_every_process_ends_with_the_weights_of_one(runs: Runs, name: str) -> None:
    """Also where one has nothing to do, and where two go on from the checkpoint of one."""
    alone, first, second = (
        torch.load(path) for path in (runs.one / f"{name}_0.pt", runs.two / f"{name}_0.pt", runs.two / f"{name}_1.pt")
    )
    assert torch.equal(first, second)
    # double precision, twelve steps
    torch.testing.assert_close(first, alone, rtol=1e-12, atol=1e-12)


def test_one_process_goes_on_where_a_signal_to_one_of_two_stopped_both(runs: Runs) -> None:
    fit_a_plane(runs.two, "stopped")
    found, expected = torch.load(runs.two / "stopped_0.pt"), torch.load(runs.one / "stopped_0.pt")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_an_error_of_one_process_is_the_error_of_all(runs: Runs) -> None:
    """The last of what was asked of the two; what went before, a stop of all too, was as it should be."""
    assert runs.end == "frame 7 is broken"
    assert not list(runs.two.glob("failed_*"))


def test_how_processes_ended_is_one_line(tmp_path: Path) -> None:
    def said(codes: list[int | None], **words: dict[str, Any]) -> str:
        store = dist.HashStore()
        for key, word in words.items():
            store.set(key, json.dumps(word))
        with pytest.raises((DensnetError, Stopped)) as raised:
            processes._explain(store, codes)
        return str(raised.value)

    lost = {"text": "process 1 of 2 lost the others"}
    assert said([1, 1], lost=lost, failed={"text": "the loss became nan"}) == "the loss became nan"
    stopped = said([1, 1], failed={"text": "step 6/12 is kept", "signum": signal.SIGUSR1})
    assert stopped == "stopped by SIGUSR1; step 6/12 is kept; the same command goes on from here"
    killed = said([1, -signal.SIGKILL], lost=lost)
    assert killed.startswith("processes: process 2 of 2 was killed by SIGKILL (out of memory?); the same command")
    assert said([None, 1], lost=lost) == lost["text"]
    assert said([-signal.SIGTERM, None]) == "stopped by SIGTERM; the same command goes on from here"
    assert said([1, None]).startswith("processes: process 1 of 2 failed; ")


def test_impossible_numbers_of_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, -1):
        with pytest.raises(DensnetError, match=f"processes: expected a positive whole number, got {number}"):
            train_in_processes(number, print, threads=1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DensnetError, match="processes: expected at most 2, one for each GPU that is given, got 3"):
        train_in_processes(3, print, threads=1)
