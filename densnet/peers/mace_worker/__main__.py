"""Trains MACE, under the interpreter that MACE is installed in: this folder imports mace (with its torch, numpy and
ase) and the standard library only.

``python mace_worker job.json`` reads one job, works in the current folder and writes ``predictions.npz``, renamed into
place when it is whole. Standard output carries one JSON object a line:

* ``{"event": "start", ...}``: what is trained: versions, number of parameters, where it goes on from;
* ``{"event": "progress", ...}``: errors on the validation frames, from time to time;
* ``{"event": "trained", ...}``: the predictions are written. From then on each line ``time`` on standard input is
  answered by one ``{"event": "timing", ...}``, until the input ends;
* ``{"event": "error", "message": ...}``: the job cannot be done; exit status 2.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from typing import Any


def commands_of(parent: int) -> queue.Queue[str]:
    """Return the lines of standard input as they come; this process ends with its parent, or with the input."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(3)
    lines: queue.Queue[str] = queue.Queue()

    def watch() -> None:
        for line in sys.stdin:
            lines.put(line.strip())
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    return lines


def main() -> int:
    with open(sys.argv[1]) as handle:
        job = json.load(handle)
    commands = commands_of(job["parent"])
    # Libraries write to standard output as they like: events get their own copy of it, they a log.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open("worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)

    def say(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    try:
        from training import DivergedError, Timer, train
    except ImportError as error:
        say({"event": "error", "message": f"mace: {sys.executable} cannot import mace ({error}); see docs/peers.md"})
        return 2
    try:
        model, frames = train(job, say)
    except DivergedError as error:
        say({"event": "error", "message": str(error)})
        return 2
    timer = Timer(model, frames, job["batch"])
    while commands.get() == "time":
        say({"event": "timing", **timer.measure(job["repetitions"])})
    return 0


if __name__ == "__main__":
    sys.exit(main())
