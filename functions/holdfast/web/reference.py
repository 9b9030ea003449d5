"""An OpenAPI document as one page that needs nothing else: no script, no font, no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .4rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .75rem; }
summary { cursor: pointer; padding: .5rem 0; }
summary b { display: inline-block; min-width: 4.5rem; }
summary span { opacity: .7; padding-left: .75rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
"""


def page(document: Mapping[str, Any]) -> str:
    """HTML. Every text of the document is escaped."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                groups.setdefault(_group(path), []).append("".join(_operation(document, path, method, operations[method])))
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(parts)}" for name, parts in sorted(groups.items()))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1><p>{_text(info.get('description', ''))}</p>"
        f'<p><a href="openapi.json">openapi.json</a></p>{body}</body></html>\n'
    )


def _group(path: str) -> str:
    return "/" + path.split("/")[1]


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    summary = operation.get("summary", "")
    yield f'<details id="{escape(operation.get("operationId", ""))}"><summary><b>{method.upper()}</b><code>{escape(path)}</code>'
    yield f"<span>{escape(summary)}</span></summary>"
    if description := operation.get("description"):
        yield f"<p>{_text(description)}</p>"
    if operation.get("security"):
        yield "<p>Needs a bearer token.</p>"
    if parameters := operation.get("parameters"):
        yield "<h4>Parameters</h4><table><tr><th>Name</th><th>In</th><th>Type</th><th></th></tr>"
        yield "".join(map(_parameter, parameters))
        yield "</table>"
    if body := operation.get("requestBody"):
        yield "<h4>Body</h4>"
        yield from _content(document, body.get("content", {}))
    yield "<h4>Replies</h4>"
    for status, reply in operation.get("responses", {}).items():
        yield f"<p><b>{escape(str(status))}</b> {_text(reply.get('description', ''))}</p>"
        if not str(status).startswith(("4", "5")):
            yield from _content(document, reply.get("content", {}))
    yield "</details>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter.get("schema", {})
    kinds = [option.get("type", "") for option in schema.get("anyOf", [schema])]
    kind = " or ".join(one for one in kinds if one and one != "null")
    name = f"<code>{escape(parameter['name'])}</code>" + (" (required)" if parameter.get("required") else "")
    description = _text(parameter.get("description", ""))
    return f"<tr><td>{name}</td><td>{escape(parameter['in'])}</td><td>{escape(kind)}</td><td>{description}</td></tr>"


def _content(document: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    for kind, one in content.items():
        yield f"<p><code>{escape(kind)}</code></p>"
        examples = [one["example"]] if "example" in one else [e.get("value") for e in one.get("examples", {}).values()]
        for example in examples:
            yield f"<pre>{_json(example)}</pre>"
        if schema := one.get("schema"):
            yield f"<details><summary>Schema</summary><pre>{_json(resolved(document, schema))}</pre></details>"


def resolved(document: Mapping[str, Any], schema: Any, within: tuple[str, ...] = ()) -> Any:
    """``schema`` with what it refers to in its place; a schema within itself stays a reference."""
    if isinstance(schema, list):
        return [resolved(document, one, within) for one in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and reference not in within:
        found: Any = document
        for step in reference[2:].split("/"):
            found = found.get(step, {})
        return resolved(document, found, (*within, reference))
    return {name: resolved(document, one, within) for name, one in schema.items()}


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))


def _text(text: str) -> str:
    """Text with its code between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
