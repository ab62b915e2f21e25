"""config.yaml, checked as a whole before any job: defaults filled in, every error one line that says what to do."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from families import expanded, impossible_families, say_what_is_trained
from impossible import impossible
from jsonschema import Draft202012Validator
from schema_lines import as_meant, line
from stages import SIZES
from sweep_checks import impossible_variants, normalised

ROOT = Path(__file__).parent.parent
SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"
CHECKED = "DENSNET_CONFIG_CHECKED"


class ConfigurationError(Exception):
    """Something in config.yaml cannot be; one line for each error."""


def schema() -> dict[str, Any]:
    """Return the JSON schema of config.yaml."""
    return dict(yaml.safe_load(SCHEMA.read_text()))


def configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``config`` with every default filled in, after all checks.

    The costlier ones are made once a run: the environment tells the processes that it starts what has been checked.

    Raises:
        ConfigurationError: with one line for each thing that is wrong.
    """
    rules = schema()
    config, notes = renamed(config)
    given = as_meant(config, rules)
    errors = [line(error) for error in Draft202012Validator(rules).iter_errors(given)]
    if errors:
        raise ConfigurationError("\n".join(sorted(errors)))
    complete = with_defaults(given, rules)
    errors = list(impossible_families(complete))
    if errors:
        raise ConfigurationError("\n".join(errors))
    named, complete = complete, _with_frames(expanded(complete), given)
    complete, errors = normalised(complete, rules)
    if errors:
        raise ConfigurationError("\n".join(errors))
    digest = hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()
    if os.environ.get(CHECKED) != digest:
        errors = list(impossible(complete)) or list(impossible_variants(complete))
        if errors:
            raise ConfigurationError("\n".join(errors))
        say_what_is_trained(named)
        for note in notes:
            print(f"densnet: {note}", file=sys.stderr)
        os.environ[CHECKED] = digest
    return complete


def renamed(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a configuration with keys of earlier versions under their names of today, and a line for each."""
    md = dict(config.get("md") or {}) if isinstance(config.get("md"), Mapping | None) else {}
    if not isinstance(md.get("peer"), bool) or "potentials" in md:
        return dict(config), []
    names = ["gfn2-xtb"] if md.pop("peer") else []
    note = f"md.peer is md.potentials now and a list; read as potentials: [{', '.join(names)}]"
    return dict(config) | {"md": md | {"potentials": names}}, [note]


def _with_frames(complete: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Note how many frames of given labels are taken: as many as ``sampling`` says, or all where it says nothing.

    Of a family's length: its own budget, or so many as an unseen length is judged by.
    """
    wanted = {size: value for size, value in given.get("sampling", {}).items() if size in SIZES}

    def taken(system: Mapping[str, Any]) -> dict[str, Any]:
        if "family" not in system:
            return wanted
        return {"n_test": system["unseen"]} if system["unseen"] else system["budget"]

    systems = {
        name: system | {"frames": taken(system)} if "labels" in system else system
        for name, system in complete["systems"].items()
    }
    return complete | {"systems": systems}


def with_defaults(value: Any, rules: Mapping[str, Any]) -> Any:
    """Return ``value`` with the schema's defaults for the keys that are missing, at every depth."""
    if not isinstance(value, Mapping):
        return value
    named = rules.get("properties", {})
    filled = {key: entry["default"] for key, entry in named.items() if "default" in entry} | dict(value)
    others = rules.get("additionalProperties")
    return {
        key: with_defaults(entry, named.get(key, others if isinstance(others, Mapping) else {}))
        for key, entry in filled.items()
    }


def as_options(settings: Mapping[str, Any]) -> str:
    """Return settings as command line options: ``{"n_lines": 8, "peer": False}`` is ``--n-lines 8 --no-peer``.

    A list repeats its option. None is left out: the verb's own default holds.
    """
    words: list[str] = []
    for key, value in settings.items():
        option = key.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, list):
            words += [word for entry in value for word in (f"--{option}", str(entry))]
        else:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def method_version(module: str) -> int:
    """Return METHOD_VERSION of a module such as ``densnet.spectra.infrared``, without importing it.

    Raises:
        ConfigurationError: the module does not define it.
    """
    path = ROOT / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(source.read_text()).body if source.exists() else []:
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = {node.target.id}
        else:
            continue
        if "METHOD_VERSION" in names and node.value is not None:
            return int(ast.literal_eval(node.value))
    raise ConfigurationError(f"{source}: METHOD_VERSION is not defined; the workflow needs it to know what is stale")


def verbs_on_path() -> None:
    """Let rules find ``densnet`` in the environment that Snakemake runs in, whether it was activated or not."""
    programs = Path(sys.executable).parent
    if (programs / "densnet").exists():
        os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])
