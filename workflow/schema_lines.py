"""The schema of config.yaml spoken: values read as they are meant, and each error as one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from densnet.errors import DensnetError
from densnet.settings import near, refusal, shown


def _is_finite(checker: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


Validator = extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_finite))


def as_meant(value: Any, rules: Mapping[str, Any]) -> Any:
    """Read ``1e-3`` as a number where one is wanted (YAML takes it for text), and names whatever their case."""
    if isinstance(value, Mapping):
        named = rules.get("properties", {})
        others = rules.get("additionalProperties")
        default = others if isinstance(others, Mapping) else {}
        return {
            key if isinstance(key, bool) else str(key): as_meant(entry, named.get(key, default))
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [as_meant(entry, rules.get("items", {})) for entry in value]
    if not isinstance(value, str):
        return value
    if rules.get("type") == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return {str(name).lower(): name for name in rules.get("enum", [])}.get(value.lower(), value)


def refusals(value: Any, rules: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Yield a line for each error of the schema; ``within`` is the key whose value is looked at alone."""
    for error in Validator(rules).iter_errors(value):
        yield from _lines(error, within)


def _lines(error: ValidationError, within: str) -> Iterator[str]:
    where = ".".join([*([within] if within else []), *(str(part) for part in error.absolute_path)])
    rules = error.schema
    if "propertyNames" in error.absolute_schema_path:
        hint = "" if isinstance(error.instance, str) else "; put it in quotes"
        yield f"{join(where, error.instance)}: expected {rules['allowed']}, found {shown(error.instance)}{hint}"
    elif error.validator == "additionalProperties":
        yield from (unknown(where, key, rules) for key in error.instance if key not in rules["properties"])
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield from (f"{join(where, key)}: missing; it has no default" for key in missing)
    elif error.validator == "pattern":
        yield f"{where}: expected {rules['allowed']}, found {shown(error.instance)}"
    else:
        yield refusal(where or "config.yaml", rules, error.instance)


def unknown(where: str, key: str, rules: Mapping[str, Any]) -> str:
    """Return the line for a key that the section ``where`` does not have."""
    allowed = list(rules["properties"])
    return f"{join(where, key)}: unknown key{near(key, allowed) or '; allowed here: ' + ', '.join(allowed)}"


def join(where: str, key: Any) -> str:
    """Return the dotted name of a key in a section."""
    return f"{where}.{key}" if where else str(key)


def refused(where: str, attempt: Callable[[], object], link: str = ": ") -> Iterator[str]:
    """Yield the line for what a part of the package refuses, the key before it."""
    try:
        attempt()
    except DensnetError as error:
        yield f"{where}{link}{error}"
