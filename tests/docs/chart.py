"""What the chart's values.yaml says of itself, as a table for its README and as a JSON schema.

Above each value stands its sentence. `(a | b)` at the end lists what it may be; `(string list)`, `(object)` and the like say the
type where the default does not, and that what is in it is free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_HINT = re.compile(r"^(?P<text>.*?)\s*\((?P<hint>[^()]+)\)$", re.DOTALL)
_FREE: dict[str, dict[str, Any]] = {
    "string list": {"type": "array", "items": {"type": "string"}},
    "object list": {"type": "array", "items": {"type": "object"}},
    "string map": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "object": {"type": "object"},
}


@dataclass(frozen=True)
class Value:
    """One value: `path` as --set has it, and what `schema` allows. `members` are its own values, where they are not free."""

    path: str
    text: str
    default: Any
    schema: dict[str, Any]
    members: tuple[Value, ...]


def values(chart: Path) -> tuple[Value, ...]:
    """Those of values.yaml, as they are ordered there. Raises ValueError for one without a sentence."""
    text = (chart / "values.yaml").read_text()
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    return tuple(_members(root, yaml.safe_load(text), text.splitlines(), ""))


def _members(node: yaml.MappingNode, defaults: dict[str, Any], lines: list[str], above: str) -> Iterator[Value]:
    for key, inner in node.value:
        path = f"{above}{key.value}"
        default = defaults[key.value]
        text = _comment(lines, key.start_mark.line)
        found = _HINT.match(text)
        hint = found["hint"] if found and (" | " in found["hint"] or found["hint"] in _FREE) else None
        if found and hint:
            text = found["text"]
        members: tuple[Value, ...] = ()
        if hint in _FREE:
            schema = _FREE[str(hint)]
        elif hint:
            schema = {"type": "string", "enum": hint.split(" | ")}
        elif isinstance(inner, yaml.MappingNode):
            members = tuple(_members(inner, default, lines, f"{path}."))
            schema = {"type": "object"}
        else:
            schema = {"type": _type(default)} | ({"minimum": 0} if type(default) is int else {})
        if not members and not text.endswith("."):
            raise ValueError(f"values.yaml: {path} says nothing of itself")
        yield Value(path, text, default, schema, members)


def _comment(lines: list[str], line: int) -> str:
    """The comment that stands directly above."""
    first = line
    while first > 0 and lines[first - 1].strip().startswith("#"):
        first -= 1
    return " ".join(one.strip().removeprefix("#").strip() for one in lines[first:line])


def _type(default: Any) -> str:
    return {bool: "boolean", int: "integer", str: "string"}[type(default)]


def schema(chart: Path) -> str:
    """values.schema.json: unknown names are refused. `global` is Helm's own, and `enabled` for a chart above this one."""
    top = _object(values(chart))
    top["properties"] |= {"global": {"type": "object"}, "enabled": {"type": "boolean"}}
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **top}, indent=2) + "\n"


def _object(members: tuple[Value, ...]) -> dict[str, Any]:
    properties = {}
    for one in members:
        inner = _object(one.members) if one.members else dict(one.schema)
        properties[one.path.rpartition(".")[2]] = inner | ({"description": one.text} if one.text else {})
    return {"type": "object", "additionalProperties": False, "properties": properties}


def table(chart: Path) -> str:
    """The README's table, in Markdown."""
    rows = [f"| `{one.path}` | {_shown(one)} | {_cell(one)} |" for one in leaves(values(chart))]
    return "\n".join(["| Value | Default | What it does |", "| --- | --- | --- |", *rows]) + "\n"


def leaves(members: tuple[Value, ...]) -> Iterator[Value]:
    """All that have no members."""
    for one in members:
        yield from leaves(one.members) if one.members else (one,)


def _shown(one: Value) -> str:
    return f"`{json.dumps(one.default)}`" if one.default not in ("", [], {}) else ""


def _cell(one: Value) -> str:
    choices = one.schema.get("enum")
    return (one.text + (f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else "")).replace("|", "\\|")
