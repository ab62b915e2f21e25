"""Find the interpreter that MACE is installed in and run the worker under it.

MACE pins another e3nn than ours, so nothing here imports it: jobs go out and results come back as files, see
``densnet/peers/mace_worker``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text

WORKER = Path(__file__).parent / "mace_worker"
PYTHON = Path(".venv-mace", "bin", "python")
"""In the project's folder."""
VARIABLE = "DENSNET_MACE"
REMEDY = f"run 'envs/setup.sh mace', or set {VARIABLE} to a Python that imports mace"

Event = dict[str, Any]


def find_mace(environment: Mapping[str, str]) -> Path:
    """Return the Python that MACE is installed in: ``DENSNET_MACE``, else that of ``.venv-mace``.

    Raises:
        DensnetError: there is none.
    """
    named = environment.get(VARIABLE, "")
    found = shutil.which(named or str(Path(__file__).parents[2] / PYTHON), path=environment.get("PATH"))
    if found is None:
        what = f"{VARIABLE}={named!r} is not an executable" if named else "there is no environment .venv-mace"
        raise DensnetError(f"mace: {what}; {REMEDY}")
    return Path(found)


class MaceWorker:
    """A worker that runs in a folder, told on its standard input what to do once it has trained."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder

    def wait_for(self, wanted: str, on_event: Callable[[Event], None] = lambda event: None) -> Event:
        """Return the next event of a kind; those before it go to ``on_event``.

        Raises:
            DensnetError: the worker refuses the job, or ends before.
        """
        for line in self.process.stdout or ():
            event: Event = json.loads(line)
            if event["event"] == "error":
                raise DensnetError(event["message"])
            if event["event"] == wanted:
                return event
            on_event(event)
        status = self.process.wait()
        reason = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        lines = (self.folder / "worker.log").read_text(errors="replace").strip().splitlines()
        said = f": {lines[-1][:200]}" if lines and status > 0 else ""
        raise DensnetError(
            f"mace: its process ended ({reason}{said}); see {self.folder / 'worker.log'}, then try again"
        )

    def time(self) -> Event:
        """Return one timing of the trained model.

        Raises:
            DensnetError: the worker has ended.
        """
        if self.process.stdin is not None:
            self.process.stdin.write("time\n")
            self.process.stdin.flush()
        return self.wait_for("timing")


@contextmanager
def mace_worker(job: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> Iterator[MaceWorker]:
    """Start the worker on a job in a folder, where its checkpoints stay; it dies with this process.

    Raises:
        DensnetError: no environment with MACE.
    """
    interpreter = find_mace(environment)
    write_text(folder / "job.json", json.dumps({**job, "parent": os.getpid()}, indent=1))
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(job["threads"]))
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [interpreter, WORKER, "job.json"],
            cwd=folder,
            env={key: value for key, value in environment.items() if key not in foreign} | threads,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield MaceWorker(process, folder)
    finally:
        process.kill()
        process.communicate()
