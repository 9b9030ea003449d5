"""The CustomResourceDefinition says what the model says. What the API server makes of it is pinned in tests/cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from holdfast.policies.crd import crd, structural
from holdfast.policies.model import RULES, Spec
from holdfast.policies.status import Status

STRUCTURAL = {
    "type", "description", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "maxItems", "maxProperties",
    "required", "items", "properties", "additionalProperties", "default",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
}  # fmt: skip


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, node in schema.get("properties", {}).items():
        yield from nodes(node, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


ALL = dict(nodes(crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], ""))


def models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The model and all that it is made of, by the path in the schema."""
    yield path, model
    for name, field in model.model_fields.items():
        for part, suffix in parts(field.annotation):
            yield from models(part, f"{path}.{field.alias or name}{suffix}")


def parts(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    for one in get_args(annotation):
        within = "" if get_origin(annotation) in (Union, UnionType) else "[]"
        yield from ((part, within + suffix) for part, suffix in parts(one))


MODELS = [*models(Spec, ".spec"), *models(Status, ".status")]


@pytest.mark.parametrize(("path", "model"), MODELS, ids=[path for path, _ in MODELS])
def test_the_schema_has_the_models_fields_which_of_them_are_required_and_their_defaults(path: str, model: type[BaseModel]) -> None:
    schema = ALL[path]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(schema["properties"]) == set(fields)
    assert set(schema.get("required", [])) == {name for name, field in fields.items() if field.is_required()}
    for name, field in fields.items():
        assert schema["properties"][name]["description"] == field.description
        default = None if field.is_required() else field.default
        if isinstance(default, BaseModel):
            assert schema["properties"][name]["default"] == {}
            assert default == type(default)()
        else:
            assert schema["properties"][name].get("default") == (None if default in ([], {}) else default)


@pytest.mark.parametrize("path", ALL)
def test_all_of_the_schema_is_structural_described_and_bounded(path: str) -> None:
    node = ALL[path]
    assert set(node) <= STRUCTURAL
    assert node.get("description") or path.endswith("[]")
    if node["type"] == "string":
        assert "maxLength" in node or "enum" in node or node.get("format") == "date-time" or "{8,128}" in node["pattern"]
    if node["type"] == "array":
        assert node["maxItems"] <= 50
    if "additionalProperties" in node:
        assert node["maxProperties"] <= 32


def test_every_rule_is_in_the_schema_with_its_message() -> None:
    found = {
        (path.lstrip("."), one["rule"], one["message"])
        for path, node in ALL.items()
        for one in node.get("x-kubernetes-validations", [])
    }
    assert found == set(RULES)


def test_a_list_that_names_each_item_once_is_a_set() -> None:
    assert structural(Spec)["properties"]["workspaces"]["properties"]["names"]["x-kubernetes-list-type"] == "set"


def test_the_columns_are_those_of_the_issue() -> None:
    columns = crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [[one["name"].upper() for one in columns if one["priority"] == priority] for priority in (0, 1)]
    assert shown[0] == ["READY", "MODE", "MATCHED", "LAST RUN", "NEXT RUN", "AGE"]
    assert shown[1] == ["ARCHIVED", "DESTROYED", "HELD", "MESSAGE"]
    [held] = [one["jsonPath"] for one in columns if one["name"] == "Held"]
    assert held == ".status.destroy.lastRun.held", "holds stop no archive run, which would show none"


def test_every_column_is_a_field_of_the_schema() -> None:
    [of] = crd()["spec"]["versions"]
    for column in of["additionalPrinterColumns"]:
        node = of["schema"]["openAPIV3Schema"]
        first, *names = re.sub(r"\[\?\([^)]*\)\]", "", column["jsonPath"]).removeprefix(".").split(".")
        for name in [] if first == "metadata" else [first, *names]:
            node = node.get("items", node)["properties"][name]
