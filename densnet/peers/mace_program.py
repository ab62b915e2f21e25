"""Find the interpreter that MACE is installed in and run the worker under it.

MACE pins another e3nn than ours, so nothing here imports it; see ``densnet/peers/mace_worker``.
"""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError
from densnet.processes.program import Event, WorkerEndedError, events, started

WORKER = Path(__file__).parent / "mace_worker"
PYTHON = Path(".venv-mace", "bin", "python")
"""In the folder of the project, or of the clone."""
VARIABLE = "DENSNET_MACE"
REMEDY = f"run 'envs/setup.sh mace', or set {VARIABLE} to a Python that imports mace"


def find_mace(environment: Mapping[str, str]) -> Path:
    """Return the Python that MACE is installed in: ``DENSNET_MACE``, else that of ``.venv-mace``.

    Raises:
        DensnetError: there is none.
    """
    named = environment.get(VARIABLE, "")
    beside = [folder / PYTHON for folder in (Path.cwd(), Path(__file__).parents[2])]
    made = next((path for path in beside if path.exists()), beside[0])
    interpreter = shutil.which(named or str(made), path=environment.get("PATH"))
    if interpreter is None:
        problem = f"{VARIABLE}={named!r} is not an executable" if named else "there is no environment .venv-mace"
        raise DensnetError(f"mace: {problem}; {REMEDY}")
    return Path(interpreter)


def is_mace_file(path: Path) -> bool:
    """Return whether a file is a model that MACE has saved; nothing in it is executed."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            return any(b"mace.modules" in archive.read(name) for name in pickles)
    except (OSError, zipfile.BadZipFile):
        return False


class MaceWorker:
    """A worker that runs in a folder, told on its standard input what to do once it has trained."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.events = events(process, folder)

    def wait_for(self, wanted: str, on_event: Callable[[Event], None] = lambda event: None) -> Event:
        """Return the next event of a kind; those before it go to ``on_event``.

        Raises:
            DensnetError: the worker refuses the job, or ends before.
        """
        try:
            for event in self.events:
                if event["event"] == wanted:
                    return event
                on_event(event)
            reason = "exit status 0"
        except WorkerEndedError as error:
            reason = str(error)
        raise DensnetError(f"mace: its process ended ({reason}); see {self.folder / 'worker.log'}, then try again")

    def time(self) -> Event:
        """Return one timing of the trained model.

        Raises:
            DensnetError: the worker has ended.
        """
        return self.ask("time", "timing")

    def ask(self, line: str, wanted: str) -> Event:
        """Return what the worker answers to a line.

        Raises:
            DensnetError: the worker has ended.
        """
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
        return self.wait_for(wanted)


@contextmanager
def mace_worker(job: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> Iterator[MaceWorker]:
    """Start the worker on a job in a folder, where its checkpoints stay; it dies with this process.

    Raises:
        DensnetError: no environment with MACE.
    """
    with started(find_mace(environment), WORKER, job, folder, environment, threads=job["threads"]) as process:
        yield MaceWorker(process, folder)
