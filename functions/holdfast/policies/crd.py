"""The CustomResourceDefinition of AssetPolicy, made from the model: what ``holdfast crd`` prints. Pure.

The schema is structural: every ``$ref`` is resolved, and an absent field is absent, never null. What pydantic says of a field and a
structural schema cannot is either a list type (``uniqueItems``) or a rule in CEL (``model.RULES``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from holdfast.policies.model import GROUP, KIND, PLURAL, RULES, UNIQUE, VERSION, Spec
from holdfast.policies.status import Status

SHORT_NAME, CATEGORY = "apol", "holdfast"

_KEPT = (
    "type",
    "description",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
    "required",
)
_LIST_KEYS = {"conditions": ["type"], "waiting": ["action"], "conflicts": ["policy", "action", "reportedBy"]}
_DESCRIPTION = "Says which asset versions are archived and destroyed, and when."


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Ready", "string", _ready("status"), 0),
    ("Mode", "string", ".spec.mode", 0),
    ("Matched", "integer", ".status.matched.items", 0),
    ("Last Run", "date", ".status.lastRun.time", 0),
    ("Next Run", "string", ".status.nextRun", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Archived", "integer", ".status.archived", 1),
    ("Destroyed", "integer", ".status.destroyed", 1),
    ("Held", "integer", ".status.destroy.lastRun.held", 1),
    ("Message", "string", _ready("message"), 1),
)
"""Title, type, path, and 1 where only ``-o wide`` shows it. A date in the future would be shown as invalid: it is text."""


def crd() -> dict[str, Any]:
    """As ``kubectl apply`` takes it, and as a chart would hold it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "priority": priority}
                        for name, kind, path, priority in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> dict[str, Any]:
    root = {
        "type": "object",
        "description": _DESCRIPTION,
        "required": ["spec"],
        "properties": {"spec": structural(Spec), "status": structural(Status)},
    }
    for path, rule, message in RULES:
        _at(root, path).setdefault("x-kubernetes-validations", []).append({"rule": rule, "message": message})
    return root


def _at(node: dict[str, Any], path: str) -> dict[str, Any]:
    for name in path.split("."):
        node = node["properties"][name]
    return node


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The model's structural schema, without its rules."""
    schema = model.model_json_schema(by_alias=True)
    return _structural("", schema, schema.get("$defs", {}))


def _structural(name: str, node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    node = _resolved(node, defs)
    out = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        out |= {"type": "string", "enum": [node["const"]]}
    if out["type"] == "integer":
        out["format"] = "int64"
    if node.get(UNIQUE):
        out["x-kubernetes-list-type"] = "set"
    elif name in _LIST_KEYS:
        out |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": _LIST_KEYS[name]}
    if "items" in node:
        out["items"] = _structural("", node["items"], defs)
    if "properties" in node:
        out["properties"] = {key: _structural(key, value, defs) for key, value in node["properties"].items()}
    elif out["type"] == "object":
        [values] = [*node.get("patternProperties", {}).values()] or [node["additionalProperties"]]
        out["additionalProperties"] = _structural("", values, defs)
    if (default := _default(out, node.get("default"))) is not None:
        out["default"] = default
    return out


def _resolved(node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """Without ``$ref`` and without the alternative of null. What stands beside a reference counts before what it leads to."""
    if "anyOf" in node:
        [chosen] = [one for one in node["anyOf"] if one.get("type") != "null"]
        return _resolved({**chosen, **{key: value for key, value in node.items() if key != "anyOf"}}, defs)
    if "$ref" in node:
        found = _resolved(defs[node["$ref"].rpartition("/")[2]], defs)
        return found | {key: value for key, value in node.items() if key != "$ref"}
    return dict(node)


def _default(out: Mapping[str, Any], default: Any) -> Any:
    """An object's default is empty: the API server then fills in its fields' own. An empty list or map goes without saying."""
    if "properties" in out:
        return None if default is None else {}
    return None if default in ([], {}) else default
