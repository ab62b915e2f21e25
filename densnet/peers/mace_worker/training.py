"""MACE, from scratch or from a model's weights.

Model, loss, optimiser and moving average are MACE's own; the clock and the schedule are ours.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from mace import data, modules, tools
from mace.tools import torch_geometric
from mace.tools.model_script_utils import configure_model
from mace.tools.scripts_utils import get_optimizer, get_params_options
from mace.tools.train import take_step
from mace_files import elements_of, read_mace
from torch_ema import ExponentialMovingAverage

OUTPUTS = {"energy": True, "forces": True, "virials": False, "stress": False, "dipoles": False}
HEAD = "Default"
CHECKPOINT = Path("checkpoint.pt")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""Of the training; predictions and timings are made on the CPU."""

Say = Callable[[dict[str, Any]], None]


class DivergedError(Exception):
    """The loss is not finite."""


class Frames:
    """Geometries as MACE takes them.

    The energies of the free atoms are taken off in double precision and E0s are zero for MACE: in single precision a
    total energy of thousands of eV would be rounded to half a meV.
    """

    def __init__(self, path: str, e0s: dict[int, float], cutoff: float) -> None:
        keys = data.KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
        self.z_table = tools.AtomicNumberTable(sorted(e0s))
        self.offsets, self.graphs = [], []
        for atoms in ase.io.read(path, ":"):
            offset = sum(e0s[int(z)] for z in atoms.numbers)
            config = data.config_from_atoms(atoms, key_specification=keys)
            if config.properties.get("energy") is not None:
                config.properties["energy"] -= offset
            self.offsets.append(offset)
            self.graphs.append(data.AtomicData.from_config(config, z_table=self.z_table, cutoff=cutoff, heads=[HEAD]))

    def loader(self, batch_size: int, *, shuffle: bool = False, seed: int = 0) -> torch_geometric.dataloader.DataLoader:
        """Return batches; ``seed`` decides their order."""
        return torch_geometric.dataloader.DataLoader(
            dataset=self.graphs,
            batch_size=min(batch_size, len(self.graphs)),
            shuffle=shuffle,
            drop_last=shuffle,
            generator=torch.Generator().manual_seed(seed),
        )


class LackingError(Exception):
    """The foundation does not know an element."""


def read_foundation(path: str, e0s: dict[int, float]) -> Any:
    """Return the model that training begins with.

    Raises:
        UnreadableError: it is none that can be used.
        LackingError: it lacks an element of the labels.
    """
    foundation = read_mace(path)
    lacking = sorted(set(e0s) - set(elements_of(foundation)))
    if lacking:
        symbols = ", ".join(ase.data.chemical_symbols[z] for z in lacking)
        raise LackingError(f"foundation: {path} does not know {symbols}; choose a model that was trained on it")
    return foundation


def build(job: dict[str, Any], frames: Frames, foundation: Any | None) -> tuple[Any, torch.optim.Optimizer, Any]:
    """Return MACE's model, optimiser and arguments: its own defaults but for the job's options.

    Of a foundation its architecture and weights are taken, for the elements of the frames; energies of the free
    atoms are those of the labels.
    """
    words = [word for key, value in job["options"].items() for word in (f"--{key}", str(value))]
    args = tools.build_default_arg_parser().parse_args(["--name", "peer", "--model", "ScaleShiftMACE", *words])
    args.compute_energy, args.compute_dipole, args.compute_polarizability = True, False, False
    loader = frames.loader(args.batch_size)
    args.avg_num_neighbors = modules.compute_avg_num_neighbors(loader)
    zeros = np.zeros((1, len(frames.z_table)))
    model, _ = configure_model(args, loader, zeros, model_foundation=foundation, heads=[HEAD], z_table=frames.z_table)
    # MACE copies the foundation's where both have the same elements
    model.atomic_energies_fn.atomic_energies.zero_()
    model.to(DEVICE)
    return model, get_optimizer(args, get_params_options(args, model)), args


def shift_energies(model: Any, frames: Frames) -> None:
    """Add a constant to the energy of each atom, so that the mean energy of the frames is right.

    A foundation of another level or of other molecules is off by some eV; to learn a constant step by step costs most
    of a short training.
    """
    off = []
    for graph in frames.graphs:
        batch = next(iter(torch_geometric.dataloader.DataLoader([graph], batch_size=1))).to(DEVICE)
        energy = model(batch.to_dict(), compute_force=False)["energy"]
        off.append((batch["energy"] - energy).item() / len(graph.positions))
    model.scale_shift.shift += statistics.mean(off)


def rate(progress: float) -> float:
    """Return the share of the full learning rate: a short rise, then a cosine to a hundredth, as for our own models."""
    if progress < 0.02:
        return max(progress / 0.02, 0.02)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (min(progress, 1.0) - 0.02) / 0.98))


class Training:
    """One training with its clock; every checkpoint holds all that decides what follows."""

    def __init__(self, job: dict[str, Any], train: Frames, validation: Frames, foundation: Any | None = None) -> None:
        self.job, self.train, self.validation = job, train, validation
        self.model, self.optimizer, self.args = build(job, train, foundation)
        if foundation is not None:
            shift_energies(self.model, train)
        self.ema = ExponentialMovingAverage(self.model.parameters(), decay=job["ema_decay"])
        self.losses = [
            modules.WeightedEnergyForcesLoss(energy_weight=energy, forces_weight=forces).to(DEVICE)
            for energy, forces in job["loss_weights"]
        ]
        self.batch_size = min(self.args.batch_size, len(train.graphs))
        self.steps_per_epoch = len(train.graphs) // self.batch_size
        self.step, self.seconds = 0, 0.0
        self.best_loss, self.best_stage = math.inf, 0
        self.best: dict[str, torch.Tensor] = {}

    def progress(self) -> float:
        """Return the share of the training that is behind, by time or by epochs, whichever is further."""
        share = self.seconds / (60 * self.job["minutes"])
        if self.job["epochs"] is not None:
            share = max(share, self.step / (self.job["epochs"] * self.steps_per_epoch))
        return share

    def stage(self) -> int:
        """Return 0, or 1 for the last part, in which energies weigh more (MACE's "stage two")."""
        return int(self.progress() >= self.job["stage_two_from"])

    def run(self, say: Say) -> None:
        """Train to the end and leave the best moving average in the model."""
        self._resume()
        before, started, saved = self.seconds, time.monotonic(), time.monotonic()
        while self.progress() < 1:
            epoch, skip = divmod(self.step, self.steps_per_epoch)
            loader = self.train.loader(self.batch_size, shuffle=True, seed=self.job["seed"] * 1_000_003 + epoch)
            for number, batch in enumerate(loader):
                if number < skip:
                    continue
                loss = self._one_step(batch)
                self.seconds = before + time.monotonic() - started
                over = self.progress() >= 1
                if over or self.step % self.job["validate_every"] == 0:
                    self._validate(say, loss)
                    if not over and time.monotonic() - saved > self.job["checkpoint_seconds"]:
                        self._save()
                        saved = time.monotonic()
                if over:
                    break
        self.model.load_state_dict(self.best)
        self.model.eval().cpu()

    def _one_step(self, batch: Any) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.lr * rate(self.progress())
        self.model.train()
        value, _ = take_step(
            self.model, self.losses[self.stage()], batch, self.optimizer, self.ema, OUTPUTS, self.args.clip_grad, DEVICE
        )
        self.step += 1
        loss = value.item()
        if not math.isfinite(loss):
            raise DivergedError(f"mace: the loss became {loss} at step {self.step}; lower its learning rate")
        return loss

    def _validate(self, say: Say, loss: float) -> None:
        stage = self.stage()
        self.model.eval()
        with self.ema.average_parameters():
            validation_loss, errors = tools.evaluate(
                self.model, self.losses[stage], self.validation.loader(self.args.valid_batch_size), OUTPUTS, DEVICE
            )
            if stage > self.best_stage or validation_loss < self.best_loss:
                self.best_loss, self.best_stage = float(validation_loss), stage
                self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)
        say(
            {
                "event": "progress",
                "step": self.step,
                "epoch": self.step / self.steps_per_epoch,
                "seconds": self.seconds,
                "progress": min(1.0, self.progress()),
                "loss": loss,
                "validation_force_mae": float(errors["mae_f"]),
                "validation_energy_mae_per_atom": float(errors["mae_e_per_atom"]),
            }
        )

    def _save(self) -> None:
        content = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "best": self.best,
            "numbers": [self.step, self.seconds, self.best_loss, self.best_stage],
        }
        aside = CHECKPOINT.with_suffix(".new")
        torch.save(content, aside)
        os.replace(aside, CHECKPOINT)

    def _resume(self) -> None:
        if not CHECKPOINT.exists():
            return
        content = torch.load(CHECKPOINT, map_location=DEVICE, weights_only=True)
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.ema.load_state_dict(content["ema"])
        self.best = content["best"]
        self.step, self.seconds, self.best_loss, self.best_stage = content["numbers"]


def train(job: dict[str, Any], say: Say) -> tuple[torch.nn.Module, Frames]:
    """Train on the job's frames, write the predictions for its test frames, and return the model with these frames.

    Raises:
        DivergedError: the loss is not finite.
        UnreadableError: the foundation is none that can be used.
        LackingError: it lacks an element.
    """
    logging.getLogger().setLevel(logging.WARNING)
    torch.set_num_threads(job["threads"])
    tools.set_seeds(job["seed"])
    tools.set_default_dtype("float32")
    e0s = {int(z): energy for z, energy in job["e0s"].items()}
    foundation = read_foundation(job["foundation"], e0s) if job["foundation"] else None
    cutoff = job["options"]["r_max"] if foundation is None else float(foundation.r_max)
    frames = {name: Frames(path, e0s, cutoff) for name, path in job["frames"].items()}
    training = Training(job, frames["train"], frames["validation"], foundation)
    say(
        {
            "event": "start",
            "n_parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
            "hidden_irreps": str(training.model.products[0].linear.irreps_out),
            "versions": {name: version(name) for name in ("mace-torch", "torch", "e3nn")},
        }
    )
    training.run(say)
    energy, forces = predict(training.model, frames["test"])
    with open("predictions.new", "wb") as handle:
        np.savez(handle, energy=energy, forces=forces)
    os.replace("predictions.new", "predictions.npz")
    save_model(training.model, frames["train"].z_table, e0s)
    epochs = training.step / training.steps_per_epoch
    say({"event": "trained", "seconds": training.seconds, "steps": training.step, "epochs": epochs})
    return training.model, frames["test"]


def save_model(model: Any, table: tools.AtomicNumberTable, e0s: dict[int, float]) -> None:
    """Write ``mace.model`` as MACE itself does, with the energies of the free atoms, in double precision."""
    energies = model.atomic_energies_fn.atomic_energies
    model.double()
    model.atomic_energies_fn.atomic_energies = torch.tensor([[e0s[z] for z in table.zs]], dtype=torch.float64)
    torch.save(model, "mace.new")
    os.replace("mace.new", "mace.model")
    model.float()
    model.atomic_energies_fn.atomic_energies = energies


def predict(model: torch.nn.Module, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return total energies in eV (T,) and forces in eV/Angstrom (T, a, 3), double precision."""
    energies, forces = [], []
    for graph, offset in zip(frames.loader(1), frames.offsets, strict=True):
        outputs = model(graph.to_dict(), compute_force=True)
        energies.append(outputs["energy"].item() + offset)
        forces.append(outputs["forces"].detach().double().numpy())
    return np.array(energies), np.array(forces)


class Timer:
    """Times energy and forces of one molecule and of a batch; lists of neighbours are given, not timed."""

    def __init__(self, model: torch.nn.Module, frames: Frames, batch: int) -> None:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        self.model, self.size = model, batch
        graphs = [frames.graphs[i % len(frames.graphs)] for i in range(batch)]
        self.inputs = {
            "single_ms": next(iter(torch_geometric.dataloader.DataLoader(graphs[:1], batch_size=1))).to_dict(),
            "batch_ms": next(iter(torch_geometric.dataloader.DataLoader(graphs, batch_size=batch))).to_dict(),
        }

    def measure(self, repetitions: int) -> dict[str, float]:
        """Return median times in ms: of one molecule, and of a molecule in the batch.

        With one thread it is the processor's time: what else the machine does is not MACE's fault.
        """
        medians = {name: self._median(graph, repetitions) for name, graph in self.inputs.items()}
        return {"single_ms": medians["single_ms"], "batch_ms": medians["batch_ms"] / self.size}

    def _median(self, graph: dict[str, torch.Tensor], repetitions: int) -> float:
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        times = []
        for _ in range(3 + repetitions):
            began = clock()
            self.model(graph, compute_force=True)
            times.append(1e3 * (clock() - began))
        return statistics.median(times[3:])
