"""Where a job ran: one line that it leaves in its log, read again for the report."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from densnet.errors import DensnetError

MARK = "densnet: ran on "
ASKED_FOR = "DENSNET_RECORD_JOB"
"""Variable of the environment, set by the workflow: with it, a verb that has done its work prints the line."""
MIB = 2**20


@dataclass(frozen=True)
class JobRecord:
    """Where a job ran.

    Attributes:
        host: name of the machine.
        device: what it computed on, a processor or GPUs.
        driver: NVIDIA's driver, "" on a processor.
        cuda: version of CUDA that torch was built with, "" on a processor.
        gpu_memory_mb: memory that was held on the GPUs at most, in units of 2^20 bytes; 0 on a processor.
    """

    host: str
    device: str
    driver: str = ""
    cuda: str = ""
    gpu_memory_mb: float = 0.0

    def line(self) -> str:
        """Return the line of the log."""
        return MARK + json.dumps(asdict(self), ensure_ascii=False)


def leave_record() -> None:
    """Print the line of this process on standard error, if the workflow asks for it.

    A job of several processes leaves one for each that calls this.
    """
    if ASKED_FOR in os.environ:
        print(record_here().line(), file=sys.stderr, flush=True)


def record_here() -> JobRecord:
    """Return the record of this process: of its GPUs if it has computed on some, of the processor otherwise."""
    # not imported here: most verbs do without torch, and this module lies below everything that needs it
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return JobRecord(socket.gethostname(), processor())
    held = {n: torch.cuda.max_memory_reserved(n) / MIB for n in range(torch.cuda.device_count())}
    names = [torch.cuda.get_device_name(n) for n, memory in held.items() if memory > 0]
    return JobRecord(
        socket.gethostname(),
        ", ".join(dict.fromkeys(names)) or processor(),
        _driver(),
        str(torch.version.cuda or ""),
        round(sum(held.values()), 1),
    )


def processor() -> str:
    """Return the processor's name as the kernel gives it, or its architecture where it gives none."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.split("\n")[0].strip() if answer.returncode == 0 else ""


def read_records(log: Path) -> list[JobRecord]:
    """Return the records of a log, one for each process that left one; none of a log that is not there.

    Raises:
        DensnetError: a line that is marked as a record is none.
    """
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        return [JobRecord(**json.loads(line.removeprefix(MARK))) for line in lines if line.startswith(MARK)]
    except (ValueError, TypeError) as error:
        raise DensnetError(
            f"{log}: expected a record after {MARK!r}, cannot be read ({error}); delete the log"
        ) from error
