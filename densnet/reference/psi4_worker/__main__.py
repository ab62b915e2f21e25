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

import sys

from densnet_worker import begin
from frames import label
from free_atoms import atoms
from worker_jobs import JobError


def main() -> int:
    job, say, _ = begin()
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
