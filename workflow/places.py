"""The file of a configuration: what YAML alone lets pass, and the line that each complaint is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


class ConfigurationError(Exception):
    """Something in config.yaml cannot be; one line for each error."""


def read(path: str) -> yaml.Node | None:
    """Return the marked content of a file, None of an empty one.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, or has a key twice.
    """
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); name an existing file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or error
        raise ConfigurationError(f"{place}: no YAML: {problem}; text with signs such as * : # needs quotes") from error
    doubles = list(_doubles(node, path))
    if doubles:
        raise ConfigurationError("\n".join(doubles))
    return node


def _doubles(node: yaml.Node | None, path: str, where: str = "") -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _doubles(entry, path, where)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        line, name = key.start_mark.line + 1, f"{where}{key.value}"
        if key.value in first:
            yield f"{path}:{line}: {name}: written twice, first in line {first[key.value]}; keep one of them"
        first.setdefault(key.value, line)
        yield from _doubles(value, path, f"{name}.")


def placed(lines: Iterable[str], path: str, node: yaml.Node | None, config: Mapping[str, Any]) -> list[str]:
    """Return lines with the file and its line that each is about before it; what was given elsewhere stays as it is.

    Args:
        lines: complaints, each of which begins with a dotted key.
        path: name of the file.
        node: what the file has.
        config: what Snakemake made of it and of what the command line said.
    """
    numbers = [_number(line, node, config) for line in lines]
    return [
        line if number is None else f"{path}:{number}: {line}" if number else f"{path}: {line}"
        for line, number in zip(lines, numbers, strict=True)
    ]


def _number(line: str, node: yaml.Node | None, given: Any) -> int | None:
    """Return the line of the key that a complaint begins with, or of the section that lacks it; 0 if that is the file.

    None: the key has its value from elsewhere.
    """
    number = 0
    while isinstance(node, yaml.MappingNode):
        written = {str(_value(key)): (key.start_mark.line + 1, value) for key, value in node.value}
        given = {str(key): value for key, value in given.items()} if isinstance(given, Mapping) else {}
        names = [name for name in {**written, **given} if line.startswith(name) and line[len(name) :][:1] in ".:, "]
        if not names:
            return number
        name = max(names, key=len)
        if name not in written:
            return None
        (number, node), given = written[name], given.get(name)
        line = line[len(name) :].removeprefix(".")
    # as text too, for nan is not equal to itself
    return number if node is None or _value(node) == given or str(_value(node)) == str(given) else None


def _value(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_object(node, deep=True)
