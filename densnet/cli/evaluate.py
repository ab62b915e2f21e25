"""``densnet evaluate``: errors of a model on the test frames."""

from __future__ import annotations

from pathlib import Path

import torch

from densnet.training.evaluation import evaluate_model


def evaluate(*, labels: Path, model: Path, output: Path, threads: int = 1) -> None:
    """Compare a trained model with the labels of the test frames.

    Parameters
    ----------
    labels
        Output of 'densnet fit'.
    model
        Output of 'densnet train energy'.
    output
        The evaluation to write.
    threads
        CPU threads.
    """
    torch.set_num_threads(threads)
    evaluate_model(labels, model, output)
