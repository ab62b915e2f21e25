"""A Slurm cluster of one node with two pretended GPUs, in a folder of its own: munge, slurmctld, slurmd.

``python tests/slurm/cluster.py COMMAND ...`` runs a command on one, and takes it down again. Nothing is written outside
the folder; several may run side by side. As root, for slurmd starts jobs in their user's name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PATIENCE_SECONDS = 60.0

# Limits on memory are enforced; the node claims more than the machine has, so that requests of real runs are accepted.
SLURM_CONF = """\
ClusterName=densnet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MinJobAge=86400
KillWait=20
ReturnToService=2
SlurmdTimeout=10
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
# What may be refused: time, GPUs (and a node that is down), an account that is not named.
PartitionName=short Nodes={host} MaxTime=5 State=UP
NodeName=bare NodeAddr=127.0.0.2 CPUs=4 RealMemory=8000 State=DOWN
PartitionName=bare Nodes=bare MaxTime=INFINITE State=UP
PartitionName=billed Nodes={host} MaxTime=INFINITE State=UP
JobSubmitPlugins=lua
"""

JOB_SUBMIT = """\
function slurm_job_submit(job, partitions, user)
    if job.partition == "billed" and job.account == nil then
        slurm.log_user("this partition is billed: name an account")
        return slurm.ERROR
    end
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, user)
    return slurm.SUCCESS
end

return slurm.SUCCESS
"""

# Devices that exist everywhere, so that Slurm hands out CUDA_VISIBLE_DEVICES; nothing computes on them.
GRES_CONF = """\
AutoDetect=off
NodeName={host} Name=gpu Type=fake File=/dev/null
NodeName={host} Name=gpu Type=fake File=/dev/zero
"""

# The executor starts srun without SLURM_CONF.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""

# The executor turns to sacct when the controller does not answer, and without accounting sacct knows nothing, ever: it
# would wait for good. Here its question, all jobs of one name, is answered by the controller once it is back.
SACCT = """\
#!/bin/sh
while [ $# -gt 0 ] && [ "$1" != --name ]; do shift; done
exec {squeue} --states=all --noheader --format='%i|%T' --name "$2"
"""


def missing() -> list[str]:
    """Return what a cluster needs and this machine lacks."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    return lacking if os.getuid() == 0 else ["root", *lacking]


def wait_for(what: str, condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a state.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.1)


class Cluster:
    """The daemons, and what a test does to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Bring everything up and wait until the node takes jobs."""
        for name in ("munge", "state", "spool", "log", "bin"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        key = self.folder / "munge" / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        values = {"host": self.host, "folder": self.folder, "ports": _free_ports(2)}
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
        (self.folder / "gres.conf").write_text(GRES_CONF.format(**values))
        (self.folder / "job_submit.lua").write_text(JOB_SUBMIT)
        for name, script, program in (("srun", SRUN, "srun"), ("sacct", SACCT, "squeue")):
            path = self.folder / "bin" / name
            path.write_text(script.format(folder=self.folder, **{program: shutil.which(program)}))
            path.chmod(0o755)
        munge = self.folder / "munge"
        options = {"socket": munge / "sock", "key-file": key, "pid-file": munge / "pid", "seed-file": munge / "seed"}
        options["log-file"] = self.folder / "log" / "munged.log"
        self.run("munged", "--force", *(f"--{name}={path}" for name, path in options.items()))
        self.start_controller()
        self.start_node()

    def start_controller(self) -> None:
        """Start slurmctld."""
        self.run("slurmctld", "-f", str(self.folder / "slurm.conf"))
        wait_for("slurmctld answers", lambda: self.run("scontrol", "ping", check=False).returncode == 0)

    def start_node(self) -> None:
        """Start slurmd and wait until the node takes jobs."""
        self.run("slurmd", "-f", str(self.folder / "slurm.conf"))
        wait_for("the node takes jobs", lambda: self.node_state() in {"IDLE", "MIXED", "ALLOCATED"})

    def kill_controller(self) -> None:
        """Kill slurmctld, as a crash of its machine would."""
        self._kill("slurmctld.pid")

    def kill_node(self) -> None:
        """Kill slurmd and everything that it has started, as a crash of the node would."""
        everything = [process for process in psutil.process_iter() if _runs_in(process, self.folder)]
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everything, timeout=PATIENCE_SECONDS)
        (self.folder / "slurmd.pid").unlink(missing_ok=True)

    def node_state(self) -> str:
        """Return the node's state as scontrol names it, "" while the controller is away."""
        answer = self.run("scontrol", "--oneliner", "show", "node", self.host, check=False).stdout
        return answer.partition(" State=")[2].split(" ")[0]

    def jobs(self) -> dict[str, dict[str, str]]:
        """Return all jobs of the cluster by number: state, comment (rule and wildcards), partition, resources."""
        answer = self.run("squeue", "--states=all", "--noheader", "--format=%i|%T|%k|%P|%m|%l", check=False).stdout
        names = ("state", "comment", "partition", "memory", "time_limit")
        rows = [line.split("|") for line in answer.splitlines()]
        gpus = self._gpus()
        return {row[0]: dict(zip(names, row[1:], strict=True)) | {"gpus": gpus.get(row[0], "")} for row in rows}

    def _gpus(self) -> dict[str, str]:
        """Return what jobs asked for by --gpus, which squeue does not name."""
        answer = self.run("scontrol", "--oneliner", "show", "job", check=False).stdout
        words = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in answer.splitlines()]
        return {job["JobId"]: job["TresPerJob"].removeprefix("gres:") for job in words if "TresPerJob" in job}

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands on this cluster."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def stop(self) -> None:
        """Take everything down, whatever state it is in."""
        if (self.folder / "slurmctld.pid").exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("scancel", "--user=root", "--signal=KILL", check=False)
        for name in ("slurmctld.pid", "slurmd.pid", "munge/pid"):
            self._kill(name)
        self.kill_node()

    def logs(self) -> str:
        """Return the ends of the daemons' logs, for a test that failed."""
        ends = []
        for path in sorted((self.folder / "log").glob("*.log")):
            ends.append(f"---- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-60:]))
        return "\n".join(ends)

    def _kill(self, pid_file: str) -> None:
        path = self.folder / pid_file
        if not path.exists():
            return
        with contextlib.suppress(psutil.NoSuchProcess, ValueError):
            process = psutil.Process(int(path.read_text()))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
        path.unlink(missing_ok=True)


def _runs_in(process: psutil.Process, folder: Path) -> bool:
    """Whether a process is slurmd, a job's shepherd, or part of a job, of the cluster in this folder."""
    try:
        if process.name() in {"slurmd", "slurmstepd"}:
            # a shepherd names neither folder nor configuration, but keeps the log open
            return any(str(folder) in word for word in process.cmdline()) or any(
                Path(opened.path).is_relative_to(folder) for opened in process.open_files()
            )
        environment = process.environ()
        return "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == str(folder / "slurm.conf")
    except (psutil.Error, OSError):
        return False


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster; it is taken down whatever happens."""
    # munge wants a path that others can enter, and a socket's path is short: not pytest's folder
    folder = Path(tempfile.mkdtemp(prefix="densnet-slurm-", dir="/tmp"))
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if lacking := missing():
        sys.exit(f"cluster: {', '.join(lacking)} missing; on Debian, as root: apt-get install slurm-wlm munge")
    with cluster() as running:
        sys.exit(subprocess.run(sys.argv[1:], env=running.environment).returncode)
