"""Runs Psi4, under Psi4's own interpreter: this file imports psi4, numpy and the standard library only (Python >= 3.8).

``python psi4_worker job.json`` reads one job, works in the current folder (scratch, its caller's to delete) and
writes one ``.npz`` a result, each renamed into place when it is whole, so that a kill loses at most what was being
computed. Standard output carries one JSON object a line:

* ``{"event": "ready", ...}``: functional and basis exist; the orbital basis and the versions;
* ``{"event": "start"|"done", "item": ...}``: one frame (or one element);
* ``{"event": "error", "message": ...}``: the job cannot be done at all; exit status 2.

Everything is in atomic units. Written for Psi4 1.3.2 and all later releases.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

from frames import label
from free_atoms import atoms
from theory import JobError


def die_with_parent(parent: int) -> None:
    """End when the parent process ends, however it does: by the kernel's signal on Linux, by end of input elsewhere."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    # A scheduler signals every process of a job: when this one ends is for the parent to say, which would otherwise
    # take it for a crash.
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(3)

    def watch() -> None:
        os.read(0, 1)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    with open(sys.argv[1]) as handle:
        job = json.load(handle)
    die_with_parent(job["parent"])
    # Psi4 writes to standard output as it likes: events get their own copy of it, Psi4 a log.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open("worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def say(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    try:
        import psi4
    except ImportError as error:
        say({"event": "error", "message": f"psi4: {sys.executable} cannot import psi4 ({error})"})
        return 2
    try:
        {"label": label, "atoms": atoms}[job["task"]](psi4, job, say)
    except JobError as error:
        say({"event": "error", "message": str(error)})
        return 2
    except OSError as error:
        say({"event": "error", "message": f"Psi4's scratch: {error}; free space or set PSI_SCRATCH to another folder"})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
