"""The file of a configuration: what YAML alone lets pass, and the line that each complaint is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from densnet.settings import shown

YAML_1_2 = {
    "tag:yaml.org,2002:bool": r"true|True|TRUE|false|False|FALSE",
    "tag:yaml.org,2002:int": r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+",
    "tag:yaml.org,2002:float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN)",
    "tag:yaml.org,2002:timestamp": r"(?!)",
}
"""Words that are no text without quotes in YAML 1.2. In YAML 1.1, which libraries read, ``no`` and 1:30 are none
either, and 010 is another number."""


class ConfigurationError(Exception):
    """Something in config.yaml cannot be; one line for each error."""


def read(path: str) -> yaml.Node | None:
    """Return the marked content of a file, None of an empty one.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, has a key twice, or a word that versions of YAML read in
            different ways.
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
    if errors := [*_doubles(node, path), *_ambiguous(node, path)]:
        raise ConfigurationError("\n".join(errors))
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


def _ambiguous(node: yaml.Node | None, path: str, where: str = "") -> Iterator[str]:
    """Yield a line for each word without quotes that YAML 1.1 reads as something else than YAML 1.2."""
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _ambiguous(entry, path, where)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _ambiguous(key, path, where)
            yield from _ambiguous(value, path, f"{where}.{key.value}" if where else key.value)
    elif isinstance(node, yaml.ScalarNode) and node.style is None:
        number = node.start_mark.line + 1
        if not re.fullmatch(YAML_1_2.get(node.tag, ".*"), node.value, re.DOTALL):
            yield (
                f"{path}:{number}: {where}: {node.value} is {shown(_value(node))} in YAML 1.1 and something else in "
                "1.2; write true or false, a decimal number, or text in quotes"
            )


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
