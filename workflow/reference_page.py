"""The page of all keys, docs/configuration.md: ``python workflow/reference_page.py`` writes it anew."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sections import schema

from densnet.settings import FEW, Rules, Settings, rules, sentences

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
HEAD = """# All keys of config.yaml

<!-- Written by workflow/reference_page.py from the settings classes; do not edit. -->

A key that is left out has its default; one without a default may be left out unless it is required. An unknown key, a
wrong type and an impossible value are refused before any job, with the line of the file. Names are read whatever their
case. [`config.yaml`](../config.yaml) is a short example.
"""
SWEEP = """
## sweep

Lists of values for keys of the sections above, each by its dotted name: `density_model.training.n_train: [25, 50]`.
Every combination is trained and evaluated, and what does not depend on a key is shared. `training.n_train` is that of
both models; `a.b, c.d` are keys that move together ([sweeps](sweeps.md)).
"""
TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true, false"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": "&gt;", "maximum": "≤", "exclusiveMaximum": "&lt;"}


def page() -> str:
    """Return the text of the page."""
    properties = schema(described)["properties"]
    single = {key: rule for key, rule in properties.items() if not {"properties", "additionalProperties"} & set(rule)}
    system = properties["systems"]["additionalProperties"]
    parts = [HEAD, *_table(single, ["run"]), *_section("systems.&lt;name&gt;", system)]
    for name, rule in properties.items():
        if "properties" in rule:
            parts += _section(name, rule)
    return "\n".join([*parts, SWEEP])


def described(kind: type[Settings]) -> Rules:
    """Return the schema of some settings with the sentence that stands below each key."""
    result, said = rules(kind), sentences(kind)
    for name, rule in result["properties"].items():
        rule["description"] = said[name]
    return result | {"description": str(inspect.getdoc(kind)).splitlines()[0]}


def _section(name: str, rule: Rules) -> Iterator[str]:
    """Yield the lines of a section, and of the sections in it."""
    nested = {key: entry for key, entry in rule["properties"].items() if "properties" in entry}
    plain = {key: entry for key, entry in rule["properties"].items() if key not in nested}
    if plain:
        yield f"\n## {name}\n"
        yield _text(rule.get("description", "")) + "\n"
        yield from _table(plain, rule.get("required", ()))
    for key, entry in plain.items():
        if len(entry.get("enum", [])) > FEW:
            yield f"\n`{key}` is one of {', '.join(entry['enum'])}."
        if "properties" in entry.get("additionalProperties", {}):
            yield from _section(f"{name}.{key}.&lt;length&gt;", entry["additionalProperties"])
    for key, entry in nested.items():
        yield from _section(f"{name}.{key}", entry)


def _table(keys: dict[str, Rules], required: Sequence[str]) -> Iterator[str]:
    yield "| key | values | default | unit | |"
    yield "|---|---|---|---|---|"
    for key, rule in keys.items():
        default = f"`{_spoken(rule['default'])}`" if "default" in rule else "required" if key in required else ""
        yield f"| `{key}` | {_values(rule)} | {default} | {rule.get('unit', '')} | {_text(rule['description'])} |"


def _text(sentence: str) -> str:
    """Return a sentence as Markdown, with links to the pages that it names."""
    escaped = re.sub(r"([*|])", r"\\\1", sentence).replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", escaped)


def _values(rule: Rules) -> str:
    if "enum" in rule:
        return "a name, see below" if len(rule["enum"]) > FEW else ", ".join(f"`{name}`" for name in rule["enum"])
    if rule["type"] == "array":
        return f"list of {_values(rule['items'])}"
    if rule["type"] == "object":
        return "by length of chain"
    bounds = ", ".join(f"{sign} {rule[bound]}" for bound, sign in BOUNDS.items() if bound in rule)
    return str(rule.get("allowed", f"{TYPES[rule['type']]} {bounds}".strip()))


def _spoken(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_spoken, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page())
