"""What stops Psi4: the geometry, which is recorded and left out, or the machine: then the frame is done again."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from label_examples import CHEAP, WATER, water_frames

import densnet.reference.labels
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.processes.program import WORKER_SIDE
from densnet.reference.labels import FAILURES_OF_GEOMETRIES, label_shard
from densnet.reference.programs import PSI4_WORKER, SHARED, WorkerCrashError


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The worker's own module, which another interpreter runs elsewhere."""
    for folder in (WORKER_SIDE, SHARED, PSI4_WORKER):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("frames")


@pytest.mark.parametrize(
    ("words", "geometry"),
    [
        ("Could not converge SCF iterations in 100 iterations.", True),
        ("\nFatal Error: Molecule: atoms 0 and 1 are too close", True),
        ("\nFatal Error: DFHelper:put_tensor: write error", False),
        ("PSIO Error: unit = 97, errval = 12", False),
        ("std::bad_alloc", False),
    ],
)
def test_only_a_geometry_is_given_up(
    frames: ModuleType, monkeypatch: pytest.MonkeyPatch, words: str, geometry: bool
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(frames, "molecule", lambda *_: None)
    monkeypatch.setattr(frames, "shared_integrals", fail)
    job = {"level": {}, "charge": 0, "multiplicity": 1, "failures_of_geometries": FAILURES_OF_GEOMETRIES}
    if geometry:
        status = frames.label_frame(None, job, np.array([8, 1, 1]), WATER, False)["status"]
        assert status.startswith("Psi4: ") and "\n" not in status
        return
    with pytest.raises(frames.JobError, match="not the geometry's fault") as caught:
        frames.label_frame(None, job, np.array([8, 1, 1]), WATER, False)
    assert "\n" not in str(caught.value) and words.strip()[-9:] in str(caught.value)


def test_frame_that_ends_the_worker_twice_stops_the_job_and_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def run_worker(job: Mapping[str, Any], parts: Path, on_event: Callable[..., None], _: Mapping[str, str]) -> None:
        asked.append(job["frames"])
        write_text(parts / "ready.json", '{"program": "Psi4 1.9"}')
        for frame in job["frames"]:
            if frame == 1:
                raise WorkerCrashError(1, "Psi4 crashed (signal SIGKILL)")
            status = "Psi4: Could not converge SCF iterations" if frame == 0 else "Psi4: PSIO Error"
            np.savez(parts / f"frame-{frame:06d}.npz", status=status, wall_time=1.0)

    monkeypatch.setattr(densnet.reference.labels, "run_worker", run_worker)
    geometries = water_frames(np.array([WATER] * 3))
    for _ in range(2):
        with pytest.raises(DensnetError, match=r"SIGKILL\), twice, at frame 1: give it more memory .* run again"):
            label_shard(geometries, CHEAP, shard=0, shards=1, output=tmp_path / "s.nc")
    assert asked == [[0, 1, 2], [1, 2], [1, 2], [1, 2]]
