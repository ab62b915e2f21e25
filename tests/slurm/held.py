"""``densnet``, with points at which a job waits while the test does something to it.

At a point the job leaves its number in HOLD/<point>.reached and waits for as long as the file HOLD/<point> exists: no
job can be over before it has been hurt, however fast the machine is.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLD = Path(os.environ["DENSNET_TEST_HOLD"])
STEP = 60
"""Step from which on a training waits: between two validations."""

came: list[int] = []
"""Signals that the training has collected; they end its waiting."""


def wait_at(point: str) -> None:
    """Wait for as long as the file of the point exists, or until a signal has come."""
    if (HOLD / point).exists():
        (HOLD / f"{point}.reached").write_text(os.environ.get("SLURM_JOB_ID", ""))
    while (HOLD / point).exists() and not came:
        time.sleep(0.05)


def hold_labels(shard: str) -> None:
    """Wait after each label."""
    from densnet.reference import labels

    advance = labels.Progress.advance

    def held(self: labels.Progress, frame: int, status: str) -> None:
        advance(self, frame, status)
        wait_at(f"label-{shard}")

    labels.Progress.advance = held  # type: ignore[method-assign]


def hold_training(model: str) -> None:
    """Wait in the middle of a training."""
    from densnet.training import loop

    step, collected = loop.TrainingRun._one_step, loop.signals_collected

    def held(self: loop.TrainingRun, *arguments: object) -> float:
        if self.step >= STEP:
            wait_at(model)
        return step(self, *arguments)  # type: ignore[arg-type]

    @contextmanager
    def shared() -> Iterator[list[int]]:
        global came
        with collected() as came:
            yield came

    loop.TrainingRun._one_step = held  # type: ignore[method-assign]
    loop.signals_collected = shared


if __name__ == "__main__":
    if sys.argv[1] == "label":
        hold_labels(sys.argv[sys.argv.index("--shard") + 1])
    if sys.argv[1] == "train":
        hold_training(sys.argv[2])
    from densnet.cli.main import main

    main()
