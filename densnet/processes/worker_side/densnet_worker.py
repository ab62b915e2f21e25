"""The worker's side of ``densnet/processes/program.py``: under any interpreter, the standard library only."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, Callable, Dict

Say = Callable[[Dict[str, Any]], None]


def begin() -> tuple[dict[str, Any], Say, queue.Queue[str]]:
    """Return the job, how to say an event, and the lines of standard input as they come.

    From now on this process ends with its parent. Libraries write to standard output as they like: events get their
    own copy of it, they ``worker.log``.
    """
    with open(sys.argv[1]) as handle:
        job = json.load(handle)
    lines = _lines_while_parent_lives(job["parent"])
    events = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open("worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def say(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    return job, say, lines


def _lines_while_parent_lives(parent: int) -> queue.Queue[str]:
    """End when the parent process ends, however it does: by the kernel's signal on Linux, by end of input elsewhere."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    # A scheduler signals every process of a job: when this one ends is for the parent to say, which would otherwise
    # take it for a crash.
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(3)
    lines = queue.Queue()  # type: queue.Queue[str]

    def watch() -> None:
        for line in sys.stdin:
            lines.put(line.strip())
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
    return lines
