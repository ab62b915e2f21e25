"""What is wrong with ``sweep:``, a line for each mistake that names its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from impossible import impossible
from schema_lines import as_meant, refusals, unknown
from stages import SIZES, depends, labels_given
from sweeps import MODELS, Axis, Values, axes, changed, combinations

from densnet.settings import shown

FIXED = {
    "run": "it names the results",
    "systems": "systems run side by side anyway",
    "sweep": "it is the sweep itself",
    "active": "it decides which jobs there are",
    "ensemble": "it decides which jobs there are",
    "peers": "it decides which jobs there are",
    "harmonic": "it decides which jobs there are",
    "validation": "it decides which jobs there are",
    "chart": "it decides which jobs there are",
    "reference.shards": "it changes no result",
    "md.potentials": "it decides which jobs there are",
}
"""Keys that cannot be swept, and why."""
MOLECULES = ("reference", "density_model.architecture")
"""Sections whose values are checked against the molecules, which takes a second."""


def normalised(config: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration with the values of ``sweep:`` read as meant, and a line for each mistake in it."""
    errors: list[str] = []
    swept: dict[str, Any] = {}
    seen: set[str] = set()
    for axis in axes(config):
        found = [*_refused_keys(axis, config, rules, seen)]
        if not found:
            nodes = [_node(key, rules) for key in axis.keys]
            steps = [
                tuple(as_meant(v, node) for v, node in zip(step, nodes, strict=True) if node is not None)
                for step in axis.steps
            ]
            found = [*_refused_values(axis, steps, rules)]
            swept[axis.name] = [list(step) if len(step) > 1 else step[0] for step in steps]
        errors += found
        seen |= set(axis.keys)
    return dict(config) | {"sweep": swept}, errors


def impossible_variants(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each key, or else each combination of keys, that makes an impossible configuration."""
    bad: list[Values] = []
    for axis in axes(config):
        for step in axis.steps:
            values = dict(zip(axis.keys, step, strict=True))
            reasons = list(_reasons(config, values))
            if reasons:
                bad.append(values)
                yield f"sweep.{axis.name}: {_spoken(step)} cannot be: {reasons[0]}"
    if bad:
        return
    for values in combinations(config):
        reasons = list(_reasons(config, values))
        if reasons:
            spoken = ", ".join(f"sweep.{key} = {value}" for key, value in values.items())
            yield f"{spoken}: cannot be together: {reasons[0]}"
            return


def _reasons(config: Mapping[str, Any], values: Values) -> Iterator[str]:
    return impossible(changed(config, values), molecules=any(key.startswith(MOLECULES) for key in values))


def _node(key: str, rules: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a dotted key's entry in the schema, None if there is none."""
    node: Mapping[str, Any] | None = rules
    for word in key.split("."):
        node = node.get("properties", {}).get(word) if node is not None else None
    return node


def _refused_keys(axis: Axis, config: Mapping[str, Any], rules: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    for key in axis.keys:
        where = f"sweep.{key}"
        fixed = next((name for name in FIXED if key == name or key.startswith(f"{name}.")), None)
        node = _node(key, rules)
        if fixed:
            yield f"{where}: cannot be swept, for {FIXED[fixed]}; write a configuration for each value"
        elif node is None:
            yield _unknown_key(key, rules)
        elif node.get("type") == "object":
            yield f"{where}: a section; expected a key in it: {', '.join(node['properties'])}"
        elif key in seen or axis.keys.count(key) > 1:
            yield f"{where}: swept more than once; name each key in one entry"
        else:
            for name in config["systems"]:
                if not depends("metrics", key, labels_given=labels_given(config, name)):
                    yield f"{where}: changes nothing for systems.{name}, whose labels are given"
                elif _without_effect_on_frames(key) and "rmd17" in config["systems"][name]:
                    yield f"{where}: changes nothing for systems.{name}, whose frames are those of revised MD17"
                elif key == "md.replicas" and "replicas" in config["systems"][name]:
                    yield f"{where}: changes nothing for systems.{name}, which has its own number of replicas"


def _without_effect_on_frames(key: str) -> bool:
    """Return whether a key says how geometries are sampled, and not how many there are."""
    section, _, name = key.partition(".")
    return section == "sampling" and name not in SIZES


def _unknown_key(key: str, rules: Mapping[str, Any]) -> str:
    words = key.split(".")
    for count in range(len(words)):
        node = _node(".".join(words[:count]), rules) if count else rules
        if node is None or words[count] not in node.get("properties", {}):
            break
    both = [
        f"{section}.{words[0]}"
        for section in ("training", "architecture")
        if len(words) == 1 and all(_node(f"{model}.{section}.{words[0]}", rules) for model in MODELS)
    ]
    if both:
        return f"sweep.{key}: unknown key; did you mean {both[0]}, of both models?"
    return unknown(".".join(["sweep", *words[:count]]), words[count], node or rules)


def _refused_values(axis: Axis, steps: list[tuple[Any, ...]], rules: Mapping[str, Any]) -> Iterator[str]:
    for number, step in enumerate(steps):
        if step in steps[:number]:
            yield f"sweep.{axis.name}: found {_spoken(step)} twice; name each value once"
        for key, value in zip(axis.keys, step, strict=True):
            node = _node(key, rules)
            yield from refusals(value, node or {}, f"sweep.{key}")


def _spoken(step: tuple[Any, ...]) -> str:
    return shown(step[0]) if len(set(map(str, step))) == 1 else ", ".join(map(shown, step))
