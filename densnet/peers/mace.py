"""MACE, trained from scratch or from a foundation model on exactly our models' frames, and timed beside them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.fitting.kohn_sham_labels import SPLITS
from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import variable, write_atomically, write_dataset
from densnet.io.parts import Parts
from densnet.mechanics.timing import milliseconds
from densnet.peers.labelled_frames import LabelledFrames, labelled_frames, write_frames
from densnet.peers.mace_program import MaceWorker, find_mace, is_mace_file, mace_worker
from densnet.peers.settings import MaceSettings
from densnet.potential import Potential
from densnet.processes.program import Event
from densnet.quantities import PREDICTED, compared
from densnet.units import EV_IN_MEV

METHOD_VERSION: int = 1

SIZES = {"small": "32x0e + 32x1o", "large": "64x0e + 64x1o"}
"""Hidden irreps. Published for single molecules is 256x0e + 256x1o + 256x2e, which suits a GPU, not two cores."""

OPTIONS = {
    "r_max": 5.0,
    "num_interactions": 2,
    "correlation": 3,
    "max_ell": 3,
    "scaling": "rms_forces_scaling",
    "batch_size": 5,
    "valid_batch_size": 32,
    "clip_grad": 10.0,
}
"""Of ``mace_run_train``, after Batatia et al., NeurIPS 2022, arXiv 2206.07697; what is not here has MACE's default."""

TRAINING = {
    "ema_decay": 0.99,
    "loss_weights": [[1.0, 100.0], [1000.0, 100.0]],
    "stage_two_from": 0.75,
    "validate_every": 100,
    "checkpoint_seconds": 30.0,
}
"""Weights of energy per atom and forces, first and "stage two" (MACE's own), and the share after which it begins."""

BATCH = 64
ROUNDS = 3
REPETITIONS = 10


def train_mace(
    labels_path: Path,
    settings: MaceSettings,
    *,
    output: Path,
    model_output: Path | None = None,
    ours: OurModel | None = None,
    threads: int = 1,
    environment: Mapping[str, str] = os.environ,
) -> xr.Dataset:
    """Train MACE on the train frames, predict the test frames and time it; beside it, if given, time our model.

    With ``settings.foundation`` training begins with the weights of that model, for the elements of the labels, whose
    own energies of free atoms are taken.

    The worker's folder ``<output>.parts`` holds its checkpoint; the same command goes on from there.

    Args:
        model_output: the trained model, as MACE writes its own.

    Raises:
        DensnetError: no environment with MACE; labels without forces or free atoms' energies; a foundation that is not
            there, is none or lacks an element; the loss diverges.
    """
    frames = labelled_frames(labels_path, settings.n_train)
    find_mace(environment)
    timer = None if ours is None else OurTimer(ours, frames, threads)
    decisive = {
        "settings": asdict(settings),
        "options": _options(settings),
        "training": TRAINING,
        "version": METHOD_VERSION,
        **({"foundation": fingerprint(_foundation(settings.foundation))} if settings.foundation else {}),
    }
    parts = Parts(output, decisive | {"labels": fingerprint(labels_path), "threads": threads})
    for split in SPLITS:
        write_frames(frames, split, parts.folder / f"{split}.xyz")
    with mace_worker(_job(frames, settings, threads), parts.folder, environment) as worker:
        start = worker.wait_for("start")
        trained = worker.wait_for("trained", show_progress)
        predicted = parts.read("predictions")
        if predicted is None:
            raise DensnetError(f"{parts.folder}: MACE's predictions have vanished; run again")
        timings = _timings(worker, timer)
    if model_output is not None:
        write_atomically(model_output, partial(shutil.copyfile, parts.folder / "mace.model"))
    dataset = _assemble(frames, predicted).assign_attrs(
        peer="MACE",
        size=f"fine-tuned from {Path(settings.foundation).name}" if settings.foundation else settings.size,
        hidden_irreps=start["hidden_irreps"] if settings.foundation else SIZES[settings.size],
        n_parameters=start["n_parameters"],
        n_train=len(frames.rows["train"]),
        epochs=trained["epochs"],
        train_seconds=trained["seconds"],
        threads=threads,
        batch=BATCH,
        **timings,
        **{name.replace("-", "_") + "_version": number for name, number in start["versions"].items()},
        **({} if ours is None else {"model_n_parameters": ours.n_parameters}),
    )
    write_dataset(dataset, output, stage="peer", method_version=METHOD_VERSION, settings=decisive)
    parts.remove()
    return dataset


def _job(frames: LabelledFrames, settings: MaceSettings, threads: int) -> dict[str, Any]:
    return {
        "frames": {split: f"{split}.xyz" for split in SPLITS},
        "e0s": frames.e0s,
        "options": {**_options(settings), "hidden_irreps": SIZES[settings.size], "seed": settings.seed},
        "foundation": str(_foundation(settings.foundation)) if settings.foundation else None,
        **TRAINING,
        "minutes": settings.minutes,
        "epochs": settings.epochs,
        "seed": settings.seed,
        "threads": threads,
        "batch": BATCH,
        "repetitions": REPETITIONS,
    }


def _options(settings: MaceSettings) -> dict[str, Any]:
    """Return MACE's options; with a foundation it asks for the precision by name."""
    precision = {"default_dtype": "float32"} if settings.foundation else {}
    return {**OPTIONS, "lr": settings.learning_rate, **precision}


def _foundation(path: str) -> Path:
    """Return where a foundation model lies.

    Raises:
        DensnetError: nowhere, or it is none.
    """
    if not Path(path).is_file():
        raise DensnetError(f"foundation: expected a model file of MACE, {path} is not there; correct its name")
    if not is_mace_file(Path(path)):
        raise DensnetError(f"foundation: expected a model file of MACE, as torch.save writes it, found {path}")
    return Path(path).resolve()


def show_progress(event: Event) -> None:
    """Print one line on standard error."""
    left = event["seconds"] * (1 / event["progress"] - 1)
    print(
        f"densnet peer: MACE epoch {event['epoch']:.1f}  loss {event['loss']:.4g}  "
        f"force_mae_mev_per_angstrom {EV_IN_MEV * event['validation_force_mae']:.4g}  "
        f"energy_mae_mev_per_atom {EV_IN_MEV * event['validation_energy_mae_per_atom']:.4g}  {left:.0f} s left",
        file=sys.stderr,
        flush=True,
    )


@dataclass(frozen=True)
class OurModel:
    """What is timed beside MACE: how its potential is made for a molecule's atomic numbers, and its size."""

    potential: Callable[[NDArray[np.int64]], Potential]
    n_parameters: int


class OurTimer:
    """Times energy, forces and dipole of our model, as :class:`Timer` of the worker does energy and forces."""

    def __init__(self, ours: OurModel, frames: LabelledFrames, threads: int) -> None:
        self.potential, self.threads = ours.potential(frames.numbers), threads
        test = frames.dataset["positions"].values[frames.rows["test"]]
        self.batches = {size: np.resize(test, (size, *test.shape[1:])) for size in (1, BATCH)}

    def measure(self) -> dict[str, float]:
        """Return median times in ms: of one molecule, and of a molecule in the batch."""
        return {"single_ms": self._median(1), "batch_ms": self._median(BATCH) / BATCH}

    def _median(self, size: int) -> float:
        alone = self.threads == 1
        return milliseconds(self.potential, self.batches[size], repetitions=REPETITIONS, on_one_thread=alone)


def _timings(worker: MaceWorker, ours: OurTimer | None) -> dict[str, float]:
    """Return times in ms, the least of a few rounds, in which the two models take turns."""
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        theirs_ms = worker.time()
        rounds.append({"ms_per_evaluation": theirs_ms["single_ms"], "ms_per_replica_in_batch": theirs_ms["batch_ms"]})
        if ours is not None:
            ours_ms = ours.measure()
            rounds[-1] |= {
                "model_ms_per_evaluation": ours_ms["single_ms"],
                "model_ms_per_replica_in_batch": ours_ms["batch_ms"],
            }
    return {name: min(times[name] for times in rounds) for name in rounds[0]}


def _assemble(frames: LabelledFrames, predicted: Mapping[str, np.ndarray]) -> xr.Dataset:
    data = frames.dataset.isel(frame=frames.rows["test"])
    values = {name: predicted[name] for name in PREDICTED if name in predicted}
    return xr.Dataset(
        {
            "numbers": variable(("atom",), frames.numbers, "1", "atomic numbers"),
            **({"temperature": data["temperature"]} if "temperature" in data else {}),
            **compared("reference", {name: data[name].values for name in values}, "label"),
            **compared("predicted", values, "peer"),
        },
        coords={"frame": variable(("frame",), data["frame"].values, "1", "index into the geometries")},
    )
