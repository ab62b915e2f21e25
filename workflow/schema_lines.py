"""The schema of config.yaml spoken: values read as they are meant, and each error as one line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

TYPES = {
    "object": "a section of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def as_meant(value: Any, rules: Mapping[str, Any]) -> Any:
    """Read ``1e-3`` as a number where one is wanted (YAML takes it for text), and names whatever their case."""
    if isinstance(value, Mapping):
        named = rules.get("properties", {})
        others = rules.get("additionalProperties")
        default = others if isinstance(others, Mapping) else {}
        return {str(key): as_meant(entry, named.get(key, default)) for key, entry in value.items()}
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


def line(error: ValidationError, within: str = "") -> str:
    """Return one line for an error of the schema; ``within`` is the key whose value was looked at alone."""
    where = ".".join([*([within] if within else []), *(str(part) for part in error.absolute_path)])
    found = shown(error.instance)
    rules = error.schema
    match error.validator:
        case "additionalProperties":
            return "\n".join(unknown(where, key, rules) for key in error.instance if key not in rules["properties"])
        case "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            return "\n".join(f"{join(where, key)}: missing; it has no default" for key in missing)
        case "minProperties":
            return f"{where}: expected at least one entry, found none"
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            return f"{join(where, error.instance)}: expected {rules['description']}, found {found}"
        case "pattern":
            return f"{where}: expected {rules['description']}, found {found}"
        case "enum":
            allowed = ", ".join(map(str, rules["enum"]))
            return f"{where}: found {found}{near(error.instance, rules['enum'])}; expected one of {allowed}"
        case "minItems":
            return f"{where}: expected at least one entry, found none"
    hint = "; put it in quotes" if rules.get("type") == "string" and error.instance not in (None, "") else ""
    return f"{where or 'config.yaml'}: expected {expected(rules)}, found {found}{hint}"


def unknown(where: str, key: str, rules: Mapping[str, Any]) -> str:
    """Return the line for a key that the section ``where`` does not have."""
    allowed = list(rules["properties"])
    return f"{join(where, key)}: unknown key{near(key, allowed) or '; allowed here: ' + ', '.join(allowed)}"


def join(where: str, key: Any) -> str:
    """Return the dotted name of a key in a section."""
    return f"{where}.{key}" if where else str(key)


def near(word: Any, allowed: list[Any]) -> str:
    """Return a question after the name that was probably meant, or nothing."""
    by_lower = {str(entry).lower(): str(entry) for entry in allowed}
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[match[0]]}?" if match else ""


def expected(rules: Mapping[str, Any]) -> str:
    """Return what a key's value has to be."""
    words = TYPES[rules["type"]]
    bounds = [
        text.format(rules[key])
        for key, text in {
            "minimum": "at least {}",
            "exclusiveMinimum": "more than {}",
            "maximum": "at most {}",
            "exclusiveMaximum": "less than {}",
        }.items()
        if key in rules
    ]
    return " of ".join([words, " and ".join(bounds)]) if bounds else words


def shown(value: Any) -> str:
    """Return a value as a line shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section of keys"
    return repr(value)
