"""A group of processes that work together: signals reach all of them, and all end when one fails."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import NoReturn

from densnet.errors import Stopped
from densnet.processes.worker import follow_parent

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers send before a job's time is over."""
GRACE_SECONDS = 30.0
"""For the others to end, once one has failed; on a GPU they may wait for it in a kernel that hears no signal."""


@contextmanager
def signals_collected() -> Iterator[list[int]]:
    """Collect TERM and USR1 in a list, to be acted on between two steps; Python handles signals in its main thread."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    earlier = [signal.signal(signum, lambda number, _: came.append(number)) for signum in STOPPING]
    try:
        yield came
    finally:
        for signum, handler in zip(STOPPING, earlier, strict=True):
            signal.signal(signum, handler)


def be_a_member() -> None:
    """Stop as at a scheduler's warning when one comes, and when the parent is gone.

    Ctrl-C goes to all processes of a terminal: the one that was started there passes it on.
    """
    for signum in STOPPING:
        signal.signal(signum, _stop)
    follow_parent(signal.SIGTERM)


def ignore_signals() -> None:
    """Let nothing interrupt what a process does last."""
    for signum in STOPPING:
        signal.signal(signum, signal.SIG_IGN)


def until_all_or_one_failed(members: Sequence[BaseProcess]) -> list[int | None]:
    """Return the exit status of each process, None of those that still run; signals are passed on to all."""
    with signals_collected() as came:
        while None in (codes := [member.exitcode for member in members]) and not any(codes):
            wait([member.sentinel for member, code in zip(members, codes, strict=True) if code is None], timeout=1.0)
            while came:
                signum = came.pop(0)
                for member in members:
                    if member.exitcode is None and member.pid is not None:
                        os.kill(member.pid, signum)
    return codes


def end(members: Sequence[BaseProcess]) -> None:
    """See that no process is left: they may end in order, and are killed where they do not."""
    left = [member for member in members if member.pid is not None and member.is_alive()]
    for member in left:
        member.terminate()
    for member in left:
        member.join(GRACE_SECONDS)
        member.kill()
        member.join()


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Raise once; the signal may be sent to this process and passed on to it."""
    ignore_signals()
    raise Stopped(signum)
