"""Runs PySCF in a process of its own, under our own interpreter: the same jobs, events and results as ``psi4_worker``.

So a crash, its memory and its threads are not those of the process that asks. Everything is in atomic units.
"""

from __future__ import annotations

import sys

from densnet_worker import begin
from fields import label
from free_atoms import atoms
from worker_jobs import JobError

from densnet.errors import DensnetError


def main() -> int:
    job, say, _ = begin()
    try:
        {"label": label, "atoms": atoms}[job["task"]](job, say)
    except (JobError, DensnetError) as error:
        say({"event": "error", "message": str(error)})
        return 2
    except OSError as error:
        remedy = "free space or set PYSCF_TMPDIR to another folder"
        say({"event": "error", "message": f"PySCF's scratch: {error}; {remedy}"})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
