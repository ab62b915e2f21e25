"""config.yaml, checked as a whole before any job: defaults filled in, every error one line that says what to do."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sections
from families import expanded, impossible_families, say_what_is_trained
from impossible import impossible
from known_fundamentals import with_fundamentals
from places import ConfigurationError, placed, read
from programs import program_line, with_program
from schema_lines import as_meant, refusals
from stages import SIZES
from sweep_checks import impossible_variants, normalised

import densnet

PACKAGE = Path(densnet.__file__).parent
CHECKED = "DENSNET_CONFIG_CHECKED"

schema = functools.cache(sections.schema)


def configuration(config: Mapping[str, Any], path: str | None = None) -> dict[str, Any]:
    """Return ``config`` with every default filled in, after all checks.

    The costlier ones are made once a run: the environment tells the processes that it starts what has been checked.

    Args:
        path: the file that it was read from; errors then name its line.

    Raises:
        ConfigurationError: with one line for each thing that is wrong.
    """
    node = read(path) if path else None
    try:
        return _checked(config)
    except ConfigurationError as error:
        lines = str(error).splitlines()
        raise ConfigurationError("\n".join(placed(lines, path, node, config) if path else lines)) from None


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    rules = schema()
    config, notes = renamed(config)
    given = as_meant(config, rules)
    _refuse(sorted(refusals(given, rules)))
    complete = with_defaults(given, rules)
    _refuse(list(impossible_families(complete)))
    named, complete = complete, _with_frames(expanded(complete), given)
    complete, errors = normalised(complete, rules)
    _refuse(errors)
    digest = hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()
    systems, about_fundamentals = with_fundamentals(complete["systems"])
    complete = with_program(complete | {"systems": systems})
    if os.environ.get(CHECKED) != digest:
        _refuse(list(impossible(complete)) or list(impossible_variants(complete)))
        say_what_is_trained(named)
        for note in (*notes, *about_fundamentals, *program_line(complete)):
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


def _refuse(errors: list[str]) -> None:
    if errors:
        raise ConfigurationError("\n".join(errors))


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
    path = PACKAGE.parent / Path(*module.split("."))
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


def figures_of(*kinds: str) -> list[str]:
    """Return the names of the figures that are drawn of ``"system"``, ``"ensemble"`` ..., without importing them."""
    names = []
    for path in sorted((PACKAGE / "report").glob("*_figures.py")):
        functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for call in function.decorator_list:
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "drawing":
                    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                    names += [function.name] if given.get("of", "system") in kinds else []
    return names


def verbs_on_path() -> None:
    """Let rules find ``densnet`` in the environment that Snakemake runs in, whether it was activated or not."""
    programs = Path(sys.executable).parent
    if (programs / "densnet").exists():
        os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])
