"""Processes that train one model together: each computes its part of every batch, all make the same step.

A process that trains alone is a group of one, in which every function here gives back what it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import distributed as dist

from densnet.errors import DensnetError

Value = TypeVar("Value")


class OthersLostError(DensnetError):
    """Another process of the group is gone, or did not come to where all of them meet in time."""


def count() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that validates, prints and writes files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def device() -> torch.device:
    """Return where this process computes: on its GPU, or on the CPU of a machine that has none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def share_of(rows: torch.Tensor) -> torch.Tensor:
    """Return this process's part of the rows (b,): b over the number of processes, up or down, so none of too few."""
    return rows.tensor_split(count())[dist.get_rank()] if count() > 1 else rows


def add_up(tensors: Sequence[torch.Tensor]) -> None:
    """Put in place of tensors of one kind their sums over all processes."""
    if count() > 1:
        _in_one_piece(tensors, lambda flat: dist.all_reduce(flat))


def take_from_first(tensors: Sequence[torch.Tensor]) -> None:
    """Put in place of tensors of one kind those of the first process."""
    if count() > 1:
        _in_one_piece(tensors, lambda flat: dist.broadcast(flat, src=0))


def from_first(value: Value) -> Value:
    """Return the first process's value; it travels pickled."""
    if count() == 1:
        return value
    values = [value]
    _met(lambda: dist.broadcast_object_list(values, src=0))
    return values[0]


def largest(value: int) -> int:
    """Return the largest of all processes' values."""
    if count() == 1:
        return value
    held = torch.tensor([value], device="cuda" if dist.get_backend() == "nccl" else "cpu")
    _met(lambda: dist.all_reduce(held, op=dist.ReduceOp.MAX))
    return int(held)


def wait_for_all() -> None:
    """Return when every process has come here."""
    largest(0)


def _in_one_piece(tensors: Sequence[torch.Tensor], exchange: Callable[[torch.Tensor], Any]) -> None:
    with torch.no_grad():
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        _met(lambda: exchange(flat))
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _met(exchange: Callable[[], Any]) -> None:
    try:
        exchange()
    except RuntimeError as error:
        raise OthersLostError(
            f"processes: process {dist.get_rank() + 1} of {count()} lost the others ({str(error).splitlines()[0]}); "
            "the same command goes on from the last checkpoint"
        ) from error
