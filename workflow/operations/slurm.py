"""Slurm, before anything is submitted: what it would refuse, and jobs that a killed run left in its queue."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from configuration import ConfigurationError

from operations.planned_jobs import PlannedJob

NAME = "densnet"
"""What the names of our jobs begin with: slurm-jobname-prefix of profiles/slurm."""

PATIENCE_SECONDS = 600.0
BLOCK = "the marked block of profiles/slurm/config.yaml"
UNLIMITED = {"infinite", "UNLIMITED", "n/a"}


def check_present() -> None:
    """See that this machine submits to a Slurm cluster and that the cluster answers.

    Raises:
        ConfigurationError: it does not.
    """
    lacking = [name for name in ("sbatch", "squeue", "scancel", "sinfo") if shutil.which(name) is None]
    if lacking:
        raise ConfigurationError(
            f"slurm: expected the commands of Slurm on the PATH, found no {', '.join(lacking)}; start this on the "
            "cluster's login node, or choose another profile (PROFILE=profiles/local)"
        )
    _ask("sinfo", "--noheader")


def end_what_a_killed_run_left() -> None:
    """Cancel our jobs of this folder; training writes its checkpoint first. Returns when they are gone.

    Raises:
        ConfigurationError: they do not go.
    """
    left = _ours()
    if not left:
        return
    print(f"densnet: ending {len(left)} job(s) that a killed run left in the queue", file=sys.stderr)
    _ask("scancel", *left)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := _ours():
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"slurm: job(s) {', '.join(left)} of a killed run do not end; cancel them (scancel) and try again"
            )
        time.sleep(1.0)


def _ours() -> list[str]:
    """Return the numbers of our jobs of this folder that wait or run."""
    here = str(Path.cwd().resolve())
    rows = [line.split("|", 2) for line in _ask("squeue", "--me", "--noheader", "--format=%i|%j|%Z").splitlines()]
    return [number for number, name, folder in rows if name.startswith(NAME) and str(Path(folder).resolve()) == here]


def refusals(jobs: Iterable[PlannedJob]) -> list[str]:
    """Return one line for each request that Slurm would refuse or let wait for ever.

    The scheduler itself is asked, once for each partition and account, so that a site's own rules count too.
    """
    # rules that run here, on the login node, have no limit on time
    submitted = {tuple(_request(job)): job for job in jobs if "runtime" in job.resources}
    lines, asked = [], set()
    for request, job in submitted.items():
        where = job.resources.get("slurm_partition"), job.resources.get("slurm_account")
        if where not in asked:
            lines.append(_refusal(job, request))
            asked.add(where)
    nodes = {} if any(lines) else {name: _nodes(name) for name, _ in asked}
    lines += [_too_much(job, nodes[job.resources.get("slurm_partition")]) for job in submitted.values() if nodes]
    return sorted({f"slurm: {line}" for line in lines if line})


def _request(job: PlannedJob) -> list[str]:
    """Return a job's request as options of sbatch; as the executor does."""
    options = [f"--cpus-per-task={job.threads}"]
    named = {"slurm_partition": "partition", "slurm_account": "account", "runtime": "time", "mem_mb": "mem"}
    options += [f"--{option}={job.resources[name]}" for name, option in named.items() if job.resources.get(name)]
    if wanted := _gpus(job.resources):
        options.append("--gpus=" + ":".join(str(part) for part in wanted if part))
    return options + shlex.split(str(job.resources.get("slurm_extra", "")))


def _refusal(job: PlannedJob, request: Sequence[str]) -> str:
    """Return what the scheduler says to a request, "" if it takes it or has no node for it: that is for _too_much."""
    answer = subprocess.run(["sbatch", "--test-only", *request, "--wrap=true"], capture_output=True, text=True)
    # it says so of nodes that are down just now, too
    if answer.returncode == 0 or "node configuration" in answer.stderr:
        return ""
    return (
        f"{job.rule}: the scheduler refuses {shlex.join(request)} ({' '.join(answer.stderr.split())}); set "
        f"slurm_account and slurm_partition, in {BLOCK}, to names of this site (sinfo; sacctmgr show associations)"
    )


def _nodes(partition: str | None) -> list[list[str]]:
    """Return memory (MB), cores, generic resources and time limit of each kind of node, of all without a name."""
    where = [f"--partition={partition}"] if partition else []
    answer = _ask("sinfo", "--noheader", "--exact", *where, "--format=%m|%c|%G|%l")
    return [line.strip().split("|") for line in answer.splitlines()]


def _too_much(job: PlannedJob, nodes: Sequence[Sequence[str]]) -> str:
    """Return what no node of the partition has, "" if nothing."""
    asked, name = job.resources, job.resources.get("slurm_partition", "the default one")
    where = f"in {BLOCK} (set-resources: {job.rule})"
    memory, cores = (max(int(node[column].rstrip("+")) for node in nodes) for column in (0, 1))
    if asked.get("mem_mb", 0) > memory:
        return (
            f"{job.rule}: mem_mb: expected at most {memory}, the largest node of partition {name}, found "
            f"{asked['mem_mb']}; choose a partition of larger nodes, or set mem_mb, {where}"
        )
    if job.threads > cores:
        return (
            f"{job.rule}: threads: expected at most {cores}, the largest node of partition {name}, found {job.threads}"
            "; set fewer in the profile (set-threads)"
        )
    wanted = _gpus(asked)
    if wanted and not any(_has(node[2], *wanted) for node in nodes):
        there = ", ".join(sorted({node[2] for node in nodes})).replace("(null)", "none")
        named = f"{wanted[1]} {wanted[0] or 'of any type'}"
        return (
            f"{job.rule}: gpu: expected GPUs that partition {name} has ({there}), found {named}; "
            f"set slurm_partition, gpu and gpu_model, {where}, or delete the rule's line to compute on CPUs"
        )
    limit = max(_minutes(node[3]) for node in nodes)
    if asked["runtime"] > limit:
        return (
            f"{job.rule}: runtime: expected at most {limit:.0f} minutes, the limit of partition {name}, found "
            f"{asked['runtime']}; set runtime {where}: what a job has not finished the next attempt goes on with"
        )
    return ""


def _gpus(asked: Mapping[str, Any]) -> tuple[str, int] | None:
    if not (asked.get("gpu") or asked.get("gpu_model")):
        return None
    return str(asked.get("gpu_model", "")), int(asked.get("gpu", 1))


def _has(resources: str, model: str, number: int) -> bool:
    """Whether sinfo's generic resources, such as ``gpu:a100:4(S:0-1),shard:8``, hold so many GPUs of a type."""
    for entry in resources.split(","):
        words = entry.split("(")[0].split(":")
        if words[0] == "gpu" and (not model or model in words[1:-1]) and int(words[-1]) >= number:
            return True
    return False


def _minutes(limit: str) -> float:
    """Return minutes of Slurm's [days-]hours:minutes:seconds."""
    if limit in UNLIMITED:
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [0.0, 0.0, *(float(part) for part in clock.split(":"))][-3:]
    return 1440 * float(days or 0) + 60 * parts[0] + parts[1] + parts[2] / 60


def _ask(*words: str) -> str:
    """Run one of Slurm's commands and return what it prints.

    Raises:
        ConfigurationError: it fails.
    """
    answer = subprocess.run(words, capture_output=True, text=True)
    if answer.returncode:
        said = " ".join(answer.stderr.split()) or f"exit status {answer.returncode}"
        raise ConfigurationError(f"slurm: {words[0]}: {said}; see whether the scheduler is up (scontrol ping)")
    return answer.stdout
