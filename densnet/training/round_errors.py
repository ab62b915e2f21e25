"""Errors of the models of active learning, round by round, on frames that they did not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from densnet.models.checkpoint import load_ensemble, read_descriptions
from densnet.models.ensemble import mean_of
from densnet.training.evaluation import BLOCK
from densnet.training.labels import Labels, load_labels
from densnet.units import EV_IN_MEV


@dataclass(frozen=True)
class RoundErrors:
    """What the mean of a round's models misses.

    Attributes:
        n_train: frames that the models learned from.
        test: mean absolute error of a force component on the test frames, meV/Angstrom.
        found: the same on the frames that this round found, before they were learned from; NaN if there are none.
    """

    n_train: int
    test: float
    found: float


def round_errors(models: list[Path], labels: Path, found: list[Path]) -> list[RoundErrors]:
    """Return the errors of each round's models, and of the final ones, which come after the last round.

    Args:
        models: of each round, then the final one.
        labels: the labels that were sampled, whose test frames are the same for all.
        found: labels of the frames that each round found.

    Raises:
        DensnetError: a file is unusable.
    """
    sampled = load_labels(labels)
    test, rounds = sampled.frames("test"), [load_labels(path) for path in found]
    errors = []
    for number, path in enumerate(models):
        after = rounds[number] if number < len(rounds) else None
        of_found = np.nan if after is None else force_error(path, after, np.arange(after.dataset.sizes["frame"]))
        molecules = read_descriptions(path)[0]["provenance"]["energy_molecules"]
        n_train = sum(molecule["n_train"] for molecule in molecules)
        errors.append(RoundErrors(n_train, force_error(path, sampled, test), of_found))
    return errors


def force_error(path: Path, labels: Labels, rows: np.ndarray) -> float:
    """Return the mean absolute error of a force component on some frames, meV/Angstrom; NaN for no frame."""
    model = load_ensemble(path)
    element, errors = model.elements_of(labels.numbers), []
    for block in np.split(rows, range(BLOCK, len(rows), BLOCK)) if len(rows) else []:
        frames = labels.dataset.isel(frame=block)
        predicted = mean_of(model.predictions(element, torch.as_tensor(frames["positions"].values)))
        errors.append(np.abs(predicted.forces.double().numpy() - frames["forces"].values))
    return EV_IN_MEV * float(np.concatenate(errors).mean()) if errors else float("nan")
