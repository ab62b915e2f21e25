"""Which program computes the labels of a run, where the configuration leaves it open: one for the whole run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages import GIVEN

from densnet.reference.level import AUTO, PSI4, PYSCF

VARIABLE = "DENSNET_PROGRAM"
"""Tells the processes that this one starts, on other machines too, what was found here."""


def with_program(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that names its program: what made the run's files so far, else Psi4 where it is found."""
    wanted = config["reference"]["program"]
    if wanted == AUTO:
        wanted = os.environ.get(VARIABLE) or _of_files(config) or _found()
        os.environ[VARIABLE] = wanted
    return {**config, "reference": {**config["reference"], "program": wanted}}


def program_line(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line that says which program it is, if anything is to be computed with it."""
    if config["harmonic"]["psi4"] or any("labels" not in system for system in config["systems"].values()):
        from densnet.reference.level import LevelOfTheory
        from densnet.reference.programs import described

        yield described(LevelOfTheory(program=config["reference"]["program"]))


def _found() -> str:
    from densnet.reference.programs import psi4_is_there

    return PSI4 if psi4_is_there(os.environ) else PYSCF


def _of_files(config: Mapping[str, Any]) -> str | None:
    """Return the program of the first file that says it; None if there is none, or another code made it."""
    given = [Path(own["labels"]) / GIVEN["label_shard"] for own in config["systems"].values() if "labels" in own]
    results = Path("results") / str(config["run"])
    made = (path for pattern in ("**/shards/*.nc", "**/atoms.nc") for path in sorted(results.glob(pattern)))
    return next(_programs([*made, *given]), None)


def _programs(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        import xarray as xr

        from densnet.fitting.kohn_sham_labels import program_of

        try:
            with xr.open_dataset(path) as opened:
                name = program_of(opened.attrs).split()[0].lower()
        except (OSError, ValueError):  # of a damaged file, which is set aside later
            continue
        if name in (PSI4, PYSCF):
            yield name
