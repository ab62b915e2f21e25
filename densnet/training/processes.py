"""Training in several processes of one machine, one a GPU where there are any: how they start and how they end."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import distributed as dist

from densnet.errors import DensnetError, Stopped
from densnet.io.job_record import leave_record
from densnet.processes import group
from densnet.training import ranks

TOGETHER = timedelta(hours=2)
"""Longest that processes wait for each other, as for the slowest to make its Jacobians; one that ends is noticed."""


def train_in_processes(processes: int, train: Callable[..., Any], *arguments: Any, threads: int, **named: Any) -> None:
    """Call ``train(*arguments, **named)`` in so many processes that share each batch; one is this process itself.

    Started by torchrun, this process joins the group that it belongs to, which may reach over several machines.

    Args:
        processes: how many; on a machine with GPUs each has one of its own.
        train: a module's own function, for it travels to the processes.
        arguments: of ``train``.
        threads: of the CPU, of all processes together.
        named: of ``train``.

    Raises:
        DensnetError: fewer than one process or more than GPUs; what one of them raised first; one was killed.
        Stopped: TERM or USR1 came; it was passed on, and all have ended.
    """
    _check(processes)
    torch.set_num_threads(max(threads // processes, 1))
    work = partial(train, *arguments, **named)
    if dist.is_torchelastic_launched():
        with _group(int(os.environ["LOCAL_RANK"])):
            work()
    elif processes == 1:
        work()
    else:
        _start(processes, work)


def _check(processes: int) -> None:
    if processes < 1:
        raise DensnetError(f"processes: expected a positive whole number, got {processes}")
    if processes > 1 and dist.is_torchelastic_launched():
        raise DensnetError(f"processes: expected none beside torchrun, which has started them, got {processes}")
    local = int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_torchelastic_launched() else processes
    gpus = torch.cuda.device_count()
    if 0 < gpus < local:
        raise DensnetError(
            f"processes: expected at most {gpus}, one for each GPU that is given, got {local}; start fewer, or ask for "
            "more GPUs"
        )


def _start(processes: int, work: Callable[[], Any]) -> None:
    # fresh interpreters: neither CUDA nor OpenMP survives a fork
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="densnet-") as folder:
        meeting = str(Path(folder) / "meeting")
        store = dist.FileStore(meeting, processes)
        threads = torch.get_num_threads()
        members = [
            context.Process(target=_member, args=(rank, processes, meeting, threads, work), daemon=True)
            for rank in range(processes)
        ]
        try:
            for member in members:
                member.start()
            codes = group.until_all_or_one_failed(members)
        finally:
            group.end(members)
        if any(codes):
            _explain(store, codes)


def _member(rank: int, processes: int, meeting: str, threads: int, work: Callable[[], Any]) -> None:
    """Be one of the processes: train, and leave word if that fails."""
    store = dist.FileStore(meeting, processes)
    try:
        group.be_a_member()
        torch.set_num_threads(threads)
        with _group(rank, store=store, rank=rank, world_size=processes):
            work()
        leave_record()
    except (DensnetError, Stopped) as error:
        group.ignore_signals()
        lost = isinstance(error, ranks.OthersLostError)
        word = {"signum": error.signum, "text": error.done} if isinstance(error, Stopped) else {"text": str(error)}
        # only the first says why, the others say the same or what came of it
        store.compare_set("lost" if lost else "failed", "", json.dumps(word))
        sys.exit(1)


@contextlib.contextmanager
def _group(local_rank: int, **where: Any) -> Iterator[None]:
    """Belong to a group of processes: NCCL's between GPUs, else Gloo's. Only the first says anything on stderr."""
    gpu = torch.device("cuda", local_rank) if torch.cuda.is_available() else None
    if gpu is not None:
        torch.cuda.set_device(gpu)
    dist.init_process_group("gloo" if gpu is None else "nccl", device_id=gpu, timeout=TOGETHER, **where)
    with contextlib.ExitStack() as stack:
        if not ranks.is_first():
            stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
        yield
        ranks.wait_for_all()
    # not after a failure: NCCL would wait for those that are gone
    dist.destroy_process_group()


def _explain(store: dist.Store, codes: Sequence[int | None]) -> NoReturn:
    """Raise what ended the processes, from what they left word of and how they ended."""
    if store.check(["failed"]):
        word = json.loads(store.get("failed"))
        raise Stopped(word["signum"], word["text"]) if "signum" in word else DensnetError(word["text"])
    for number, code in enumerate(codes, 1):
        if code is not None and -code in group.STOPPING:
            # it came before the process was ready for it
            raise Stopped(-code)
        if code is not None and code < 0:
            raise DensnetError(
                f"processes: process {number} of {len(codes)} was killed by {signal.Signals(-code).name} (out of "
                "memory?); the same command goes on from the last checkpoint"
            )
    if store.check(["lost"]):
        raise DensnetError(json.loads(store.get("lost"))["text"])
    number = next(number for number, code in enumerate(codes, 1) if code)
    raise DensnetError(f"processes: process {number} of {len(codes)} failed; what it printed above says why")
