"""Families: one model for chains of several lengths. Each length becomes a system of its own, ``<family>/<units>``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

STARTING_FRAMES = 8
"""Frames that dynamics of an unseen length start from."""
NAMED_UNITS = ("thiophene",)
"""Repeat units that are keys of a system: {thiophene: 3} is {oligomer: thiophene, units: 3}."""
OF_SIZES = ("extrapolate", "basis_from", "replicas")
"""Keys of a system that are only there beside ``sizes``."""
CHAIN_KEYS = ("sizes", *OF_SIZES, "units", *NAMED_UNITS)


def impossible_families(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each system whose keys for chains contradict each other."""
    for name, system in config["systems"].items():
        where = f"systems.{name}"
        given = [key for key in ("sizes", "units", *NAMED_UNITS) if key in system]
        named = [key for key in NAMED_UNITS if key in system]
        if "oligomer" in system and (len(given) != 1 or named):
            found = " and ".join(given) or "neither"
            yield f"{where}.oligomer: expected either units or sizes beside it, found {found}"
        elif "oligomer" not in system and (stray := [key for key in CHAIN_KEYS if key in system and key not in named]):
            yield f"{where}.{stray[0]}: expected only beside oligomer, which names the repeat unit; add it"
        elif "sizes" not in system and (stray := [key for key in OF_SIZES if key in system]):
            yield f"{where}.{stray[0]}: expected only beside sizes, the lengths that are learned from; add them"
        elif "basis_from" in system and str(system["basis_from"]) not in system["sizes"]:
            sizes = ", ".join(system["sizes"])
            yield f"{where}.basis_from: expected one of the sizes {sizes}, found {system['basis_from']}"
        elif strange := [n for n in system.get("replicas", {}) if n not in _lengths(system)]:
            known = ", ".join(_lengths(system))
            yield f"{where}.replicas: expected lengths among {known}, found {strange[0]}"
        elif ("oligomer" in system or named) and (other := [key for key in ("smiles", "xyz") if key in system]):
            yield f"{where}: expected one of smiles, xyz and oligomer, found {other[0]} and {['oligomer', *named][-1]}"


def expanded(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with a system for each length, and ``families``: which lengths belong together.

    A length's system has what its family says, and besides: ``units``; ``family``; ``key``, its own in config.yaml;
    ``budget``, what of ``sampling`` is its own; ``unseen``, the frames that an unseen length is judged by, or 0; and
    ``replicas``, if those of its dynamics are its own.
    """
    systems: dict[str, Any] = {}
    families: dict[str, Any] = {}
    for name, system in config["systems"].items():
        named = [unit for unit in NAMED_UNITS if unit in system]
        if named:
            rest = {key: value for key, value in system.items() if key != named[0]}
            systems[name] = rest | {"oligomer": named[0], "units": system[named[0]]}
        elif "sizes" not in system:
            systems[name] = system
        else:
            sizes = sorted(map(int, system["sizes"]))
            unseen = [n for n in sorted(map(int, system.get("extrapolate", {}))) if n not in sizes]
            basis_from = system.get("basis_from", sizes[min(1, len(sizes) - 1)])
            families[name] = {"sizes": sizes, "unseen": unseen, "basis_from": basis_from}
            systems |= {f"{name}/{n}": _length(name, system, n) for n in (*sizes, *unseen)}
    return config | {"systems": systems, "families": families}


def harmonic_systems(config: Mapping[str, Any]) -> list[str]:
    """Return the systems whose harmonic frequencies are made with the model: Psi4 starts from the model's minimum."""
    wanted, named = config["harmonic"]["model"], config["harmonic"]["psi4"]
    return [
        name
        for name, system in config["systems"].items()
        if wanted == "all" or (wanted == "families" and "family" in system) or name in named
    ]


def say_what_is_trained(config: Mapping[str, Any]) -> None:
    """Say which lengths of ``extrapolate`` are also trained on: allowed, but they are no extrapolation."""
    for name, system in config["systems"].items():
        for n in system.get("extrapolate", {}):
            if n in system["sizes"]:
                print(
                    f"densnet: systems.{name}.extrapolate.{n}: this length is also trained on; it is judged by the "
                    f"held-out frames of sizes.{n}",
                    file=sys.stderr,
                )


def _lengths(family: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*family["sizes"], *family.get("extrapolate", {})]))


def _length(name: str, family: Mapping[str, Any], n: int) -> dict[str, Any]:
    trained = str(n) in family["sizes"]
    rest = {key: value for key, value in family.items() if key not in ("sizes", *OF_SIZES, "labels")}
    # dynamics starts from them and nothing is learned, so that strain would be wasted
    start = {"n_train": STARTING_FRAMES, "n_validation": 0, "n_test": 0, "strained_share": 0.0}
    system = rest | {
        "units": n,
        "family": name,
        "key": f"systems.{name}.{'sizes' if trained else 'extrapolate'}.{n}",
        "budget": family["sizes"][str(n)] if trained else start,
        "unseen": 0 if trained else family["extrapolate"][str(n)],
    }
    if str(n) in family.get("replicas", {}):
        system["replicas"] = family["replicas"][str(n)]
    # What an unseen length is judged by comes from the model's own dynamics, and may be labelled here.
    folder = f"{family['labels']}/{n}" if "labels" in family else None
    return system | ({"labels": folder} if folder and (trained or Path(folder).is_dir()) else {})


def frames_of(config: Mapping[str, Any], system: Mapping[str, Any]) -> int:
    """Return how many frames of a system are labelled."""
    budget = system.get("budget", config["sampling"])
    return int(system.get("unseen", 0) or sum(budget[size] for size in ("n_train", "n_validation", "n_test")))
