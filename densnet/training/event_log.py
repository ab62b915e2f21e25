"""Validation errors as TensorBoard events, beside the CSV."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboardX import SummaryWriter


class EventLog:
    """Scalars over steps in ``tensorboard/<name of the log>`` beside the log, for ``tensorboard --logdir``.

    Args:
        log: CSV file of the training.
        rows: what was logged before an interruption; the events are written anew from it.
    """

    def __init__(self, log: Path, rows: Sequence[Mapping[str, float]]) -> None:
        folder = log.parent / "tensorboard" / log.stem
        shutil.rmtree(folder, ignore_errors=True)
        self.writer = SummaryWriter(str(folder), write_to_disk=True)
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, float]) -> None:
        """Write one row; its ``step`` is the abscissa."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(name, value, int(row["step"]), display_name=name)
        self.writer.flush()

    def close(self) -> None:
        """End the writer's thread."""
        self.writer.close()
