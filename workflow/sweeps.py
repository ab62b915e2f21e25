"""``sweep:`` of config.yaml: lists of values become variants of the configuration that share what they can."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import SIZES, STAGES, depends, labels_given, one_of

MODELS = ("density_model", "energy_model")
DYNAMICS = ("md", "spectrum", "comparison")
FOLDER = "variants"

Values = dict[str, Any]
"""Dotted keys and the value of each."""


@dataclass(frozen=True)
class Axis:
    """One entry of ``sweep:``: keys that move together, and for each step the value of every key."""

    name: str
    keys: tuple[str, ...]
    steps: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Variant:
    """One point of the sweep for one system: its swept values, and the stage that it ends with."""

    system: str
    values: Values
    last: str


def keys_of(name: str) -> tuple[str, ...]:
    """Return the dotted keys that an entry names: ``a.b, c.d``, or ``training.seed`` for that of both models."""
    keys: list[str] = []
    for word in (part.strip() for part in name.split(",")):
        both = word.startswith(("training.", "architecture."))
        keys += [f"{model}.{word}" for model in MODELS] if both else [word]
    return tuple(keys)


def axes(config: Mapping[str, Any]) -> list[Axis]:
    """Return the entries of ``sweep:``; a list among the values of several keys gives each key its own."""
    found = []
    for name, values in config.get("sweep", {}).items():
        keys = keys_of(name)
        own = [len(keys) > 1 and isinstance(value, list) and len(value) == len(keys) for value in values]
        steps = [tuple(v) if one else (v,) * len(keys) for v, one in zip(values, own, strict=True)]
        found.append(Axis(name, keys, tuple(steps)))
    return found


def combinations(config: Mapping[str, Any]) -> Iterator[Values]:
    """Yield the product of all axes, the last axis moving fastest."""
    swept = axes(config)
    for steps in itertools.product(*(axis.steps for axis in swept)):
        yield {
            key: value
            for axis, step in zip(swept, steps, strict=True)
            for key, value in zip(axis.keys, step, strict=True)
        }


def variants(config: Mapping[str, Any]) -> list[Variant]:
    """Return every point of the sweep for every system; without ``sweep:`` there is none."""
    if not config.get("sweep"):
        return []
    last = "metrics" if any(_of_dynamics(key) for axis in axes(config) for key in axis.keys) else "evaluation"
    return [Variant(system, values, last) for system in config["systems"] for values in combinations(config)]


def _of_dynamics(key: str) -> bool:
    return key.split(".")[0] in DYNAMICS


def lookup(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key, None if it is not set."""
    value: Any = config
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return value


def changed(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with some keys set; given labels lend as many frames as sampling then says."""
    result = copy.deepcopy(dict(config))
    for key, value in values.items():
        *sections, name = key.split(".")
        section = result
        for word in sections:
            section = section.setdefault(word, {})
        section[name] = value
        if sections == ["sampling"] and name in SIZES:
            for system in result["systems"].values():
                if "labels" in system and "family" not in system:
                    system["frames"] = system.get("frames", {}) | {name: value}
    return result


class Places:
    """Where the files of each variant are: in the system's own folder, or in one of ``variants/``.

    A folder is named by a digest of the values that its stage depends on and that differ from the configuration, so
    that variants meet where they agree, and no name changes when values are added to the sweep.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.values: dict[str, Values] = {
            self.of_values(stage, variant.system, variant.values): self._decisive(stage, variant.system, variant.values)
            for variant in variants(config)
            for stage in sorted(_with_ancestors(variant.last))
            if self._decisive(stage, variant.system, variant.values)
        }

    def _decisive(self, stage: str, system: str, values: Mapping[str, Any]) -> Values:
        given = labels_given(self.config, system)
        return {
            key: value
            for key, value in sorted(values.items())
            if depends(stage, key, labels_given=given) and value != lookup(self.config, key)
        }

    def of_values(self, stage: str, system: str, values: Mapping[str, Any]) -> str:
        """Return the place of a stage's files, such as ``ethanol`` or ``ethanol/variants/1a2b3c4d``."""
        decisive = self._decisive(stage, system, values)
        home = self._home(stage, system)
        if not decisive:
            return home
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]
        return f"{home}/{FOLDER}/{digest}"

    def _home(self, stage: str, system: str) -> str:
        """Return where a stage's files are without a sweep: a family has some of them once, each length the others."""
        if STAGES[stage].shared:
            return str(self.config["systems"].get(system, {}).get("family", system))
        return one_of(self.config, system)

    def of_stage(self, stage: str, place: str) -> str:
        """Return where a stage that the files at ``place`` are made from has its own.

        Raises:
            KeyError: no such place.
        """
        return self.of_values(stage, system_of(place), self._values_at(place))

    def of_training(self, stage: str, place: str) -> list[str]:
        """Return where a stage has its files for all that the model at ``place`` learns from: a family's lengths."""
        name = system_of(place)
        family = self.config["families"].get(name)
        systems = [f"{name}/{n}" for n in family["sizes"]] if family else [name]
        return [self.of_values(stage, system, self._values_at(place)) for system in systems]

    def _values_at(self, place: str) -> Values:
        return self.values[place] if f"/{FOLDER}/" in place else {}

    def config_at(self, place: str) -> dict[str, Any]:
        """Return the configuration of the files at ``place``.

        Raises:
            KeyError: no such place.
        """
        found = changed(self.config, self._values_at(place))
        own = found["systems"].get(system_of(place), {})
        replicas = {"replicas": own["replicas"]} if "replicas" in own else {}
        return found | {"sampling": found["sampling"] | own.get("budget", {}), "md": found["md"] | replicas}


def system_of(place: str) -> str:
    """Return the system, or family, that a place belongs to, whatever the variant."""
    return place.split(f"/{FOLDER}/")[0]


def _with_ancestors(stage: str) -> set[str]:
    return {stage}.union(*(_with_ancestors(other) for other in STAGES[stage].after))


def table_rows(config: Mapping[str, Any], run: str, files: Mapping[str, str], members: Iterable[int]) -> list[Values]:
    """Return what the table of a sweep needs of each variant: its values, folder and files.

    Args:
        run: folder of the run.
        files: pattern of the paths that each stage's file has, with ``{system}`` and ``{member}`` in it.
        members: numbers of an ensemble's members, each of which has its log.
    """
    places, rows = Places(config), []
    for variant in variants(config):
        place = {stage: places.of_values(stage, variant.system, variant.values) for stage in files}
        logs = {
            stage: list(dict.fromkeys(files[stage].format(system=place[stage], member=number) for number in members))
            for stage in MODELS
        }
        rows.append(
            {
                "system": variant.system,
                "settings": variant.values,
                "folder": f"{run}/{place[variant.last]}",
                "evaluation": files["evaluation"].format(system=place["evaluation"]),
                "density_logs": logs["density_model"],
                "energy_logs": logs["energy_model"],
                "metrics": files["metrics"].format(system=place["metrics"]) if variant.last == "metrics" else None,
            }
        )
    return rows


def rows_for_peers(config: Mapping[str, Any], rows: Iterable[Values]) -> list[Values]:
    """Return the first row of each system and number of training frames: a peer knows nothing of our other keys."""
    key = "energy_model.training.n_train"
    first: dict[tuple[str, Any], Values] = {}
    for row in rows:
        first.setdefault((row["system"], row["settings"].get(key, lookup(config, key))), row)
    return list(first.values())


def write_plan(path: str, notes: Iterable[str], *, places: Places, rows: list[Values]) -> None:
    """Write what was swept and where each variant is; and beside each variant, in the order of places, what it is."""
    listed = [{"name": axis.name, "keys": axis.keys} for axis in axes(places.config)]
    Path(path).write_text(json.dumps({"axes": listed, "rows": rows}, indent=1) + "\n")
    for note, values in zip(notes, places.values.values(), strict=True):
        Path(note).write_text(json.dumps(values, indent=1) + "\n")
