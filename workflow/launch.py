"""Run Snakemake with the given arguments; go on after a kill, and close with the table of results.

A killed Snakemake leaves its lock and its running jobs behind. Both are cleared first, but only what an earlier
launch in this folder and on this machine left: a run that is still alive is never disturbed. On Slurm the jobs lie in
its queue, and what it would refuse is found before anything is submitted. What the jobs do is shown as they run, and
Snakemake's own words go to a log. With ``--plan`` nothing is run, and what it would cost is printed; with
``--critical-path``, how much longer a run took than it had to.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

try:
    import psutil
    import yaml
    from snakemake.common.configfile import load_configfile
    from snakemake_interface_common.exceptions import WorkflowError
except ImportError as missing:
    raise SystemExit(f"densnet: the workflow needs {missing.name}: pip install '.[workflow]' in the clone") from None

import programs
from configuration import ConfigurationError, configuration
from operations import critical_path, plan, progress, slurm
from operations.costs import earlier, laws
from operations.damage import set_damaged_aside
from operations.planned_jobs import Planned, planned
from places import read
from rich.console import Console
from sections import mace_trainings

from densnet.reference.level import PSI4

MARK = "DENSNET_LAUNCHED_FROM"
OWNER = Path(".snakemake/densnet-launch")
EVENTS = Path(".snakemake/densnet-events").resolve()
LOGGER = Path(__file__).parent / "logger"
LOCKS = Path(".snakemake/locks")
PROFILES = Path(__file__).parents[1] / "profiles"
GRACE_SECONDS = 10.0
PR_SET_PDEATHSIG = 1
FLAGS = ("--end-with-parent", "--plan", "--critical-path")
"""Options of this program that Snakemake does not know."""


def main(arguments: list[str]) -> int:
    """Run Snakemake and return its exit status.

    Raises:
        ConfigurationError: the configuration is refused.
    """
    options, arguments = _own_options(arguments)
    os.environ |= _cache()
    if options.end_with_parent:
        _end_with_parent()
    if options.software_deployment_method:
        # its environments hold Psi4, whether this machine has it or not
        os.environ.setdefault(programs.VARIABLE, PSI4)
    on_slurm = _executor(options) == "slurm" and not options.dry_run
    if on_slurm and not (options.plan or options.critical_path):
        slurm.check_present()
    config = _configuration(options.configfile[-1])
    if "sweep" in arguments and not config["sweep"]:
        raise ConfigurationError(f"{options.configfile[-1]}: sweep: missing; say which values are to be compared")
    for wanted, instead in ((options.plan, plan), (options.critical_path, critical_path)):
        if wanted:
            instead.main(arguments)
            return 0
    OWNER.parent.mkdir(exist_ok=True)
    with OWNER.open("a+") as owner:
        owner.seek(0)
        earlier = owner.read().split()
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _refuse(f"process {earlier[-1] if earlier else '?'} is running here already; wait for it or stop it")
        host = socket.gethostname()
        if any(LOCKS.glob("*")) and earlier and earlier[0] != host:
            return _refuse(f"the last run was on {earlier[0]}; if it is over, type 'snakemake --unlock' and try again")
        owner.truncate(0)
        owner.write(f"{host} {os.getpid()}\n")
        owner.flush()

        _end_what_a_killed_run_left()
        by_hand = _snakemake_by_hand()
        if on_slurm and not by_hand:
            slurm.end_what_a_killed_run_left()
        if any(LOCKS.glob("*")) and not by_hand:
            _start([*arguments, "--unlock", "--quiet"]).wait()
        if not (by_hand or options.dry_run):
            set_damaged_aside(Path("results") / config["run"])
        if by_hand or options.dry_run:
            return _start(arguments).wait()
        jobs = planned(arguments)
        if on_slurm and (refused := slurm.refusals(jobs.jobs)):
            raise ConfigurationError("\n".join(refused))
        status = _set_up(config) or _run(arguments, jobs, Path("results") / config["run"] / "logs" / "snakemake.log")
    return status or _summary(config)


def _refuse(reason: str) -> int:
    print(f"densnet: error: {reason}", file=sys.stderr)
    return 1


def _own_options(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options that matter here, and the arguments that are Snakemake's."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", nargs="+", default=["config.yaml"])
    parser.add_argument("--dry-run", "-n", action="store_true")
    for flag in FLAGS:
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--executor", "-e")
    parser.add_argument("--software-deployment-method", "--deployment-method", "--deployment", "--sdm", nargs="+")
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--workflow-profile")
    options = parser.parse_known_args(arguments)[0]
    return options, [argument for argument in arguments if argument not in FLAGS]


def _executor(options: argparse.Namespace) -> str:
    """Return what runs the jobs, as the command line or else the profiles say.

    Raises:
        ConfigurationError: there is no such profile; Snakemake would go on without it.
    """
    executors = [options.executor]
    for profile in (options.workflow_profile, *reversed(options.profile)):
        folders = (Path(profile), Path("profiles", profile)) if profile else ()
        files = [path for folder in folders for path in folder.glob("config*.yaml")]
        if profile and profile == options.workflow_profile and not files and not Path(profile).is_file():
            there = sorted(str(path.parent.relative_to(PROFILES.parent)) for path in PROFILES.glob("*/config.yaml"))
            raise ConfigurationError(f"profile: expected one of {', '.join(there)}, found {profile!r}; set PROFILE")
        executors += [(yaml.safe_load(path.read_text()) or {}).get("executor") for path in files[:1]]
    return next((executor for executor in executors if executor), "local")


def _cache() -> dict[str, str]:
    """Return where Snakemake may keep copies of sources: in this folder, if the user has no home to write to."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    try:
        usual.mkdir(parents=True, exist_ok=True)
        writable = os.access(usual, os.W_OK)
    except OSError:
        writable = False
    return {} if writable else {"XDG_CACHE_HOME": str(Path(".snakemake/cache").resolve())}


def _end_with_parent() -> None:
    """Ask Linux for a TERM when the parent dies: a killed ``make`` must not leave a run that nobody sees."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _configuration(path: str) -> dict[str, Any]:
    """Check the configuration here, where a refusal is a plain line; Snakemake would frame it."""
    if set("{}") & set(path):
        raise ConfigurationError(f"{path}: expected a name without braces, which are patterns to Snakemake; rename it")
    read(path)
    try:
        return configuration(load_configfile(path), path)
    except WorkflowError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _set_up(config: Mapping[str, Any]) -> int:
    """Make the environment of MACE if it is asked for; the others are made before this can run."""
    if not mace_trainings(config) or "DENSNET_MACE" in os.environ:
        return 0
    return subprocess.run([Path(__file__).parents[1] / "envs" / "setup.sh", "mace"]).returncode


def _run(arguments: list[str], jobs: Planned, log: Path) -> int:
    """Run Snakemake, its own words in a log, and show what the jobs do; return its exit status."""
    if not jobs.jobs:
        print("Nothing to be done: all files are present and up to date.", file=sys.stderr)
        return 0
    known = laws(earlier(Path("results")))
    expected = plan.wall_time(jobs.jobs, known, jobs.cores)
    print(f"densnet: {len(jobs.jobs)} jobs, {expected}; Snakemake's log: {log}", file=sys.stderr, flush=True)
    shown = progress.Progress(jobs, known, Console(stderr=True))
    log.parent.mkdir(parents=True, exist_ok=True)
    EVENTS.write_text("")
    with log.open("wb") as output:
        stopped: list[int] = []
        snakemake = _start([*arguments, "--logger", "densnet"], output, stopped)
        status = progress.watch(snakemake, shown, EVENTS, stopped)
    progress.say_how_it_ended(shown, status, stopped=bool(stopped), log=log)
    return status


def _start(
    arguments: list[str], output: IO[bytes] | None = None, stopped: list[int] | None = None
) -> subprocess.Popen[bytes]:
    """Start Snakemake in a process group of its own; INT and TERM are handed to the whole group as Ctrl-C.

    Args:
        output: where its words and those of its jobs go; else where ours do.
        stopped: the signals that came are noted here.
    """
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(signum: int, _: object) -> None:
        if stopped is not None:
            stopped.append(signum)
        for process in started:
            os.killpg(process.pid, signal.SIGINT)

    # Before the start: a signal that is handled here is back to its default there. Had it been ignored, as it is for
    # what a script puts in the background, Snakemake would ignore it too.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, hand_on)
    paths = [str(LOGGER), *filter(None, [os.environ.get("PYTHONPATH")])]
    ours = {MARK: str(Path.cwd().resolve()), "DENSNET_EVENTS": str(EVENTS), "PYTHONPATH": os.pathsep.join(paths)}
    started.append(
        subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            env={**os.environ, **ours},
            process_group=0,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        )
    )
    return started[0]


def _end_what_a_killed_run_left() -> None:
    """End the jobs of an earlier launch in this folder; they would write the same files as ours."""
    here = str(Path.cwd().resolve())
    left = [process for process in psutil.process_iter() if _environment(process).get(MARK) == here]
    if left:
        print(f"densnet: ending {len(left)} process(es) that a killed run left", file=sys.stderr)
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            try:
                ask(process)
            except psutil.NoSuchProcess:
                continue
        left = psutil.wait_procs(left, timeout=GRACE_SECONDS)[1]


def _snakemake_by_hand() -> bool:
    """Whether somebody runs Snakemake in this folder without this launcher."""
    here = Path.cwd().resolve()
    for process in psutil.process_iter():
        try:
            if any("snakemake" in word for word in process.cmdline()[:3]) and Path(process.cwd()) == here:
                return True
        except psutil.Error:
            continue
    return False


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ()) if process.pid != os.getpid() else {}
    except (psutil.Error, OSError):
        return {}


def _summary(config: Mapping[str, Any]) -> int:
    """Print the closing table with ``densnet summary``, once every system has been brought to its end."""
    run = Path("results") / config["run"]
    metrics = [run / system / "metrics.json" for system in config["systems"]]
    comparisons = [run / system / "comparison.nc" for system in config["systems"]]
    if not all(path.exists() for path in [*metrics, *comparisons]):
        return 0
    command = [Path(sys.executable).parent / "densnet", "summary", "--system", *config["systems"]]
    command += ["--metrics", *metrics, "--comparison", *comparisons, "--report", run / "report.html"]
    if any("rmd17" in system for system in config["systems"].values()):
        command += ["--benchmark", run / "rmd17.csv"]
    return subprocess.run(command).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("densnet: stopped; the same command goes on from there")
    except ConfigurationError as error:
        sys.exit("\n".join(f"densnet: error: {line}" for line in str(error).splitlines()))
