"""``validation:`` of config.yaml: what cannot be tested, and how often a test asks for energies and forces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from schema_lines import refused
from sections import TESTS, Validation
from stages import RELAXATION

from densnet.potential import check_elements
from densnet.potentials import NAMED, check, named_class
from densnet.reference.level import PROGRAMS
from densnet.units import PS_IN_FS

COMPARED = ("robustness", "structure")
"""Tests that compare with ``validation.reference``."""
NEEDED = ("energy", "forces")
INTEGRATED = 50
"""Steps of dynamics that comparing the densities of a frame is worth: 0.17 s for ethanol, a step 0.0034 s."""
SCANNED = 28
"""Geometries of a scan of pairs for each atom: 8 lengths of ethanol's 31 pairs."""


def compares(config: Mapping[str, Any]) -> bool:
    """Return whether any of the tests compares with a reference."""
    return bool(set(COMPARED) & set(config["validation"]["tests"]))


def impossible_validation(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for what cannot be tested, or by what."""
    validation = config["validation"]
    plain = {key: value for key, value in validation.items() if key not in TESTS}
    yield from refused("validation", partial(Validation, **plain), ".")
    for name, kind in TESTS.items():
        yield from refused(f"validation.{name}", partial(kind, **validation[name]), ".")
    for name in validation["potentials"]:
        yield from refused("validation.potentials", partial(check, name, (), NEEDED, "the tests"))
    name, program = validation["reference"], config["reference"]["program"]
    if name not in (*NAMED, *PROGRAMS):
        yield f"validation.reference: expected one of {', '.join((*NAMED, *PROGRAMS))}, found {name!r}"
    elif name in PROGRAMS and compares(config) and name != program:
        yield f"validation.reference: expected {program}, the program of this run's labels, found {name}"
    elif name in NAMED:
        yield from refused("validation.reference", partial(check, name, (), NEEDED, "the tests"))
    alone = [test for test in validation["tests"] if test != "ladder"]
    for name, system in config["systems"].items() if alone else ():
        if not {"smiles", "xyz", "oligomer"} & set(system):
            yield (
                f"validation.tests: expected ladder alone, found {', '.join(alone)}, for systems.{name} has no "
                "geometry to start from; add its smiles or xyz"
            )


def lacking_elements(where: str, config: Mapping[str, Any], numbers: Iterable[int]) -> Iterator[str]:
    """Yield a line for each potential of the tests that does not know an element of a system."""
    validation = config["validation"]
    asked = {"validation.potentials": validation["potentials"] if validation["tests"] else []}
    asked["validation.reference"] = [validation["reference"]] if compares(config) else []
    for key, names in asked.items():
        for name in set(names) & set(NAMED):
            yield from refused(f"{where} with {key}", partial(check_elements, named_class(name), numbers))


def evaluations(test: str, validation: Mapping[str, Any], *, atoms: int, judged: int) -> int:
    """Return for how many geometries a test asks for energy and forces, or what is worth as much.

    Args:
        test: its name.
        validation: the section.
        atoms: of the molecule.
        judged: frames of the labels that are compared.
    """
    if test == "ladder":
        return judged * INTEGRATED
    if test == "structure":
        return 2 * RELAXATION
    settings = validation[test]
    steps = PS_IN_FS / settings["timestep_fs"]
    if test == "robustness":
        heated = len(settings["temperatures"]) * settings["replicas"] * settings["picoseconds"] * steps
        return round(heated) + 2 * (RELAXATION + SCANNED * atoms)
    longer = (settings["picoseconds"] + settings["thermalise_ps"]) * steps / settings["ratio"]
    moved = settings["picoseconds"] * steps + longer + 2 * settings["reversal_steps"]
    return round(settings["replicas"] * moved) + RELAXATION
