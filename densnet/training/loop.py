"""The training loop: seeded batches, decaying rate, moving average, checkpoints that resume exactly."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from densnet.errors import DensnetError, Stopped
from densnet.io.netcdf import write_atomically
from densnet.models.checkpoint import FORMAT_VERSION, load_content, save_model
from densnet.models.densnet_model import DenSNet
from densnet.nn.captured import Captured
from densnet.processes.group import signals_collected
from densnet.training import ranks
from densnet.training.event_log import EventLog
from densnet.training.settings import LoopSettings
from densnet.training.soap import SOAP

CHECKPOINT_FORMAT = "densnet training checkpoint"
NOT_DECISIVE = ("checkpoint_seconds", "metric_memory_gib")
"""Settings that say when and where things are kept, and change no result."""
LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From row indices of frames, and those of the whole batch that they are of, to what they contribute to its loss."""


def batch_rows(n_frames: int, batch_size: int, seed: int, step: int) -> torch.Tensor:
    """Return the rows of the batch at a step; epochs are seeded permutations, so any step can be reached directly."""
    batch_size = min(batch_size, n_frames)
    per_epoch = n_frames // batch_size
    epoch, batch = divmod(step, per_epoch)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(n_frames, generator=generator)
    return order[batch * batch_size : (batch + 1) * batch_size]


def digest(content: Mapping[str, Any]) -> str:
    """Return a short fingerprint of settings, to recognise a checkpoint of the same training."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


class TrainingRun:
    """One training: model, optimiser and moving average, with a checkpoint beside the output.

    Several processes (:mod:`densnet.training.ranks`) hold the same and make the same steps, each with the gradient of
    its part of the batch added to those of the others. The first alone validates and writes.

    Args:
        model: trained in place; that is what training is.
        settings: lengths and rates.
        identity: everything beside the settings that decides the result; a checkpoint of another one is not used.
        output: the file that the trained model goes to; the checkpoint lies beside it until then.
        log: CSV of validation errors, rewritten at each validation; TensorBoard's events lie beside it.
        alike: every batch is computed alike, whatever its rows, and from tensors on the model's device; on a GPU it is
            then captured once (:class:`densnet.nn.captured.Captured`).
    """

    def __init__(
        self,
        model: nn.Module,
        settings: LoopSettings,
        *,
        identity: Mapping[str, Any],
        output: Path,
        log: Path,
        alike: bool = False,
    ) -> None:
        self.model, self.settings, self.log = model, settings, log
        self.checkpoint = output.with_name(output.name + ".checkpoint")
        decisive = {name: value for name, value in asdict(settings).items() if name not in NOT_DECISIVE}
        self.identity = digest({**identity, "settings": decisive})
        self.optimizer = _optimizer(settings, model)
        self.average = {name: value.detach().clone() for name, value in model.named_parameters()}
        self.best: dict[str, torch.Tensor] = {}
        self.best_error = float("inf")
        self.validations_since_best = 0
        self.step, self.seconds = 0, 0.0
        self.rows: list[dict[str, float]] = []
        self.alike = alike
        self._captured: tuple[torch.Tensor, Captured] | None = None
        # of the steps since the last validation
        self.loss_sum, self.loss_count = 0.0, 0

    def run(
        self,
        n_frames: int,
        loss_of: LossOf,
        validate: Callable[[], dict[str, float]],
        selection: str,
    ) -> None:
        """Train to the last step, or until patience ends, and leave the best moving average in the model.

        Args:
            n_frames: number of training frames.
            loss_of: what the frames with some row indices contribute to the loss of a batch that they are of.
            validate: named errors of the model as it stands.
            selection: the name of the error by which the best weights are chosen.

        Raises:
            DensnetError: the loss is not finite; the last checkpoint stays on disk.
            Stopped: TERM or USR1 came; everything up to the last step is in the checkpoint.
        """
        self._resume()
        if ranks.count() > min(self.settings.batch_size, n_frames):
            print("densnet: warning: more processes than frames in a batch; some compute nothing", file=sys.stderr)
        started = saved = time.monotonic()
        begin, before = self.step, self.seconds
        log = closing(EventLog(self.log, self.rows)) if ranks.is_first() else nullcontext()
        with signals_collected() as came, log as events:
            while self.step < self.settings.steps and not self._patience_is_over():
                if signum := ranks.largest(came[0] if came else 0):
                    self._save()
                    ranks.wait_for_all()
                    raise Stopped(signum, f"step {self.step}/{self.settings.steps} is kept in {self.checkpoint}")
                self.loss_sum += self._one_step(n_frames, loss_of)
                self.loss_count += 1
                self.seconds = before + time.monotonic() - started
                if self.step % self.settings.validate_every == 0 or self.step == self.settings.steps:
                    if events:
                        self._validate(validate, selection, (self.seconds - before) / (self.step - begin))
                        events.add(self.rows[-1])
                    self._agree()
                if time.monotonic() - saved > self.settings.checkpoint_seconds and self.step < self.settings.steps:
                    self._save()
                    saved = time.monotonic()
        if ranks.is_first():
            self._load_parameters(self.best)
        ranks.take_from_first(list(self.model.parameters()))

    def _patience_is_over(self) -> bool:
        over = self.settings.patience is not None and self.validations_since_best >= self.settings.patience
        if over:
            print(f"densnet: no better validation for {self.validations_since_best}; stopping", file=sys.stderr)
        return over

    def finish(self, trained: DenSNet, provenance: dict[str, Any], *outputs: Path) -> None:
        """Write a model file, or several alike, and remove the checkpoint, once that is done."""
        if ranks.is_first():
            for output in outputs:
                save_model(trained, output, provenance=provenance)
        self.discard_checkpoint()

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint, once the result is safe."""
        if ranks.is_first():
            self.checkpoint.unlink(missing_ok=True)

    def _one_step(self, n_frames: int, loss_of: LossOf) -> float:
        settings = self.settings
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rate(self.step / settings.steps)
        value = self._differentiate(batch_rows(n_frames, settings.batch_size, settings.seed, self.step), loss_of)
        if not value < float("inf"):
            raise DensnetError(
                f"training: the loss became {value} at step {self.step}; lower learning_rate (now "
                f"{settings.learning_rate}) and train again; {self.checkpoint.name} keeps the last good weights"
            )
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
        self.optimizer.step()
        self.step += 1
        # a young average forgets its start quickly
        decay = min(settings.ema_decay, (1 + self.step) / (10 + self.step))
        parameters = dict(self.model.named_parameters())
        average = get_ema_multi_avg_fn(decay)
        average(list(self.average.values()), [parameters[name] for name in self.average], self.step)
        return value

    def _differentiate(self, batch: torch.Tensor, loss_of: LossOf) -> float:
        """Return the loss of a batch and leave its gradient in the weights, the same in every process."""
        parameters = list(self.model.parameters())
        if self.alike and parameters[0].is_cuda and ranks.count() == 1:
            return self._replayed(batch, loss_of)
        self.optimizer.zero_grad(set_to_none=True)
        rows, loss = ranks.share_of(batch), parameters[0].new_zeros(())
        if len(rows):
            loss = loss_of(rows, batch)
            # of the weights alone: positions and densities may want gradients too, for forces
            loss.backward(inputs=parameters)
        if ranks.count() == 1:
            return float(loss.detach())
        total = loss.detach().to(parameters[0].dtype)
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        ranks.add_up([total, *(parameter.grad for parameter in parameters if parameter.grad is not None)])
        return float(total)

    def _replayed(self, batch: torch.Tensor, loss_of: LossOf) -> float:
        """Do what :meth:`_differentiate` does, captured; the gradients lie where the first replay put them."""
        parameters = list(self.model.parameters())
        if self._captured is None:
            rows = batch.to(parameters[0].device)

            def compute() -> tuple[torch.Tensor]:
                self.optimizer.zero_grad(set_to_none=True)
                loss = loss_of(rows, rows)
                loss.backward(inputs=parameters)
                return (loss.detach(),)

            self._captured = rows, Captured(compute)
        rows, replay = self._captured
        rows.copy_(batch)
        return float(replay()[0])

    def _agree(self) -> None:
        """Take over what the first process found, and its weights: on GPUs rounding might let them drift apart."""
        self.validations_since_best = ranks.from_first(self.validations_since_best)
        ranks.take_from_first([*self.model.parameters(), *self.average.values()])

    def _validate(self, validate: Callable[[], dict[str, float]], selection: str, seconds_a_step: float) -> None:
        current = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self._load_parameters(self.average)
        self.model.eval()
        errors = validate()
        self._load_parameters(current)
        loss = self.loss_sum / self.loss_count
        self.loss_sum, self.loss_count = 0.0, 0
        self.validations_since_best += 1
        if errors[selection] < self.best_error:
            self.validations_since_best = 0
            self.best_error = errors[selection]
            self.best = {name: value.clone() for name, value in self.average.items()}
        rate = self.optimizer.param_groups[0]["lr"]
        self.rows.append(
            {"step": self.step, "seconds": round(self.seconds, 2), "train_loss": loss, **errors, "learning_rate": rate}
        )
        self._write_log()
        left = (self.settings.steps - self.step) * seconds_a_step
        shown = "  ".join(f"{name.removeprefix('validation_')} {value:.4g}" for name, value in errors.items())
        print(
            f"step {self.step}/{self.settings.steps}  loss {loss:.4g}  validation: {shown}  "
            f"{1e3 * seconds_a_step:.0f} ms/step  {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    def _load_parameters(self, values: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(values[name])

    def _write_log(self) -> None:
        def write(path: Path) -> None:
            with path.open("w", newline="") as handle:
                writer = csv.DictWriter(handle, fieldnames=list(self.rows[0]))
                writer.writeheader()
                writer.writerows(self.rows)

        write_atomically(self.log, write)

    def _save(self) -> None:
        if not ranks.is_first():
            return
        content = {
            "format": CHECKPOINT_FORMAT,
            "format_version": FORMAT_VERSION,
            "identity": self.identity,
            "step": self.step,
            "seconds": self.seconds,
            "rows": json.dumps(self.rows),
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
            "best_error": self.best_error,
            "validations_since_best": self.validations_since_best,
            "best": self.best,
            "average": self.average,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_atomically(self.checkpoint, lambda temporary: torch.save(content, temporary))

    def _checkpointed(self) -> dict[str, Any] | None:
        """Return what the checkpoint holds, None if there is none of this training."""
        if not self.checkpoint.exists():
            return None
        try:
            content = load_content(self.checkpoint, CHECKPOINT_FORMAT)
        except DensnetError as error:
            print(f"densnet: warning: {error}; starting over", file=sys.stderr)
            return None
        if content["identity"] != self.identity:
            print(f"densnet: {self.checkpoint} belongs to other settings; starting over", file=sys.stderr)
            return None
        return content

    def _resume(self) -> None:
        content = ranks.from_first(self._checkpointed() if ranks.is_first() else None)
        if content is None:
            return
        try:
            self._take_over(content)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise DensnetError(
                f"{self.checkpoint}: does not hold the weights of this training ({reason}); delete it and train again"
            ) from error
        print(f"densnet: going on from step {self.step}", file=sys.stderr)

    def _take_over(self, content: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self.step, self.seconds, self.rows = content["step"], content["seconds"], json.loads(content["rows"])
        device = next(self.model.parameters()).device
        # absent in checkpoints of earlier versions, which were written at validations only
        self.loss_sum, self.loss_count = content.get("loss_sum", 0.0), content.get("loss_count", 0)
        self.best_error = content["best_error"]
        self.validations_since_best = content["validations_since_best"]
        self.best = {name: value.to(device) for name, value in content["best"].items()}
        self.average = {name: value.to(device) for name, value in content["average"].items()}
        shapes = {name: value.shape for name, value in self.model.named_parameters()}
        for weights in (self.average, self.best):
            if weights and {name: value.shape for name, value in weights.items()} != shapes:
                raise ValueError("weights of other shapes")
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])


def _optimizer(settings: LoopSettings, model: nn.Module) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    if settings.optimizer == "soap":
        return SOAP(parameters, lr=settings.learning_rate)
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-6, foreach=True)


def _rate(progress: float) -> float:
    """Return the share of the full learning rate: a short rise, then a cosine to a hundredth."""
    if progress < 0.02:
        return max(progress / 0.02, 0.02)
    return 0.01 + 0.99 * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * (progress - 0.02) / 0.98))))
