"""Settings: frozen dataclasses whose annotations say what each key may be; pydantic holds values to it.

An annotation has the type, the bounds and the unit of a key, its default stands behind, and the docstring below says in
a sentence what it is. From this alone come the checks, the options and the help of the verbs, the schema of the
configuration and the page of all keys.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen, Unit

from densnet.errors import DensnetError

if TYPE_CHECKING:
    from pydantic import BaseModel

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Lt(1)]
Kelvin = Annotated[Positive, Le(5000), Unit("K")]
Picoseconds = Annotated[Positive, Unit("ps")]
Text = Annotated[str, MinLen(1)]

TYPES = {
    "object": "a section of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
}
FEW = 8
"""Names that a reader takes in before what was found."""
Rules = dict[str, Any]
"""JSON schema of a value or a section."""


@dataclass(frozen=True)
class Choices:
    """In an annotation: what a configuration may name; a verb leaves it to the program that reads the name."""

    names: tuple[str, ...]


class Operational:
    """In an annotation: of a key that decides about cost alone; the verbs have it and configurations do not."""


@dataclass(frozen=True)
class Settings:
    """Base of all settings.

    Raises:
        DensnetError: a value that its annotation does not allow.
    """

    def __init_subclass__(cls) -> None:
        for name in inspect.get_annotations(cls):
            setattr(cls, name, field(default=cls.__dict__.get(name, MISSING), metadata=_Help(cls, name)))

    def __post_init__(self) -> None:
        from pydantic import ValidationError

        try:
            checked = _model(type(self)).model_validate(vars(self))  # type: ignore[arg-type]
        except ValidationError as error:
            raise DensnetError("; ".join(_refusals(type(self), error))) from None
        for name in vars(self):
            object.__setattr__(self, name, getattr(checked, name))


class _Help(Mapping[str, str]):
    """What the command line says of a key, ``help``, made when it is asked for."""

    def __init__(self, kind: type[Settings], name: str) -> None:
        self.kind, self.name = kind, name

    def __getitem__(self, key: str) -> str:
        if key != "help":
            raise KeyError(key)
        return _help(self.kind)[self.name]  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return iter(["help"])

    def __len__(self) -> int:
        return 1


@functools.cache
def _help(kind: type[Settings]) -> dict[str, str]:
    units = {name: rule.get("unit") for name, rule in rules(kind, verb=True)["properties"].items()}
    said = sentences(kind)
    return {name: said[name] + (f" In {unit}." if unit else "") for name, unit in units.items()}


def sentences(kind: type[Settings]) -> dict[str, str]:
    """Return what the docstring below each key says."""
    from docstring_parser import parse_from_object

    said = [entry for base in kind.__mro__[-2::-1] for entry in parse_from_object(base).params]
    return {entry.arg_name: " ".join(str(entry.description).split()) for entry in said}


@functools.cache
def _model(kind: type[Settings]) -> type[BaseModel]:
    from pydantic import ConfigDict, create_model

    hints = get_type_hints(kind, include_extras=True)
    entries: Any = {key.name: (hints[key.name], ... if key.default is MISSING else key.default) for key in fields(kind)}
    return create_model(kind.__name__, __config__=ConfigDict(strict=True, allow_inf_nan=False), **entries)


def rules(kind: type[Settings], *, verb: bool = False) -> Rules:
    """Return the JSON schema of some settings, as keys of a configuration or as options of a verb."""
    described = _model(kind).model_json_schema()["properties"]  # type: ignore[arg-type]
    hints = get_type_hints(kind, include_extras=True)
    properties = {}
    for name, schema in described.items():
        marks = get_args(hints[name])[1:]
        if Operational in marks and not verb:
            continue
        rule = _plain(schema)
        for mark in marks:
            if isinstance(mark, Unit):
                rule["unit"] = mark.unit
            elif isinstance(mark, Choices) and not verb:
                rule["enum"] = list(mark.names)
        if "enum" in rule:
            rule.pop("type", None)
        properties[name] = rule
    required = [key.name for key in fields(kind) if key.default is MISSING]
    return section(properties, **({"required": required} if required else {}))


def _plain(schema: Rules) -> Rules:
    """Return the schema of a value without what is said of None: a key that may be left out has no default."""
    rule = {key: value for key, value in schema.items() if key != "title" and (key, value) != ("default", None)}
    for choice in rule.pop("anyOf", []):
        rule |= choice if choice["type"] != "null" else {}
    return rule


def section(properties: Mapping[str, Rules], **keywords: Any) -> Rules:
    """Return the JSON schema of a section that has these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": dict(properties), **keywords}


def _refusals(kind: type[Settings], error: Any) -> list[str]:
    properties = rules(kind, verb=True)["properties"]
    lines: dict[str, str] = {}
    for problem in error.errors():
        name, *entry = problem["loc"]
        lines.setdefault(name, _refusal(name, entry, properties[name], problem["input"]))
    return list(lines.values())


def refused_option(name: str, annotation: Any, error: Any) -> str:
    """Return the line for an option whose value pydantic refuses."""
    from pydantic import TypeAdapter

    problem = error.errors()[0]
    return _refusal(name, problem["loc"], _plain(TypeAdapter(annotation).json_schema()), problem["input"])


def _refusal(name: str, entry: Sequence[Any], rule: Rules, value: Any) -> str:
    """Return the line for a value, or for an entry of it that is a list."""
    return refusal(".".join(map(str, (name, *entry))), rule["items"] if entry else rule, value)


def refusal(where: str, rule: Rules, value: Any) -> str:
    """Return the line for a value that a key cannot have."""
    if "enum" in rule:
        allowed, meant = ", ".join(map(str, rule["enum"])), near(value, rule["enum"])
        if len(rule["enum"]) > FEW:
            return f"{where}: found {shown(value)}{meant}; expected one of {allowed}"
        return f"{where}: expected one of {allowed}, found {shown(value)}{meant}"
    if value in ([], (), {}):
        return f"{where}: expected at least one entry, found none"
    hint = "; put it in quotes" if rule.get("type") == "string" and value not in (None, "") else ""
    return f"{where}: expected {expected(rule)}, found {shown(value)}{hint}"


def expected(rule: Rules) -> str:
    """Return what a key's value has to be."""
    bounds = " and ".join(text.format(rule[key]) for key, text in BOUNDS.items() if key in rule)
    return TYPES[rule["type"]] + (f" of {bounds}" if bounds else "")


def near(word: Any, allowed: Sequence[Any]) -> str:
    """Return a question after the name that was probably meant, or nothing."""
    by_lower = {str(entry).lower(): str(entry) for entry in allowed}
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[match[0]]}?" if match else ""


def shown(value: Any) -> str:
    """Return a value as a line shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section of keys"
    return repr(value)
