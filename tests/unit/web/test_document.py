from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from holdfast.web import document, reference, serving
from tests.unit.web.test_gate import get

DOCUMENT = document.openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, found in DOCUMENT["paths"].items():
        for method, operation in found.items():
            yield path, method, operation


OPERATIONS = [pytest.param(operation, id=f"{method} {path}") for path, method, operation in operations()]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names)) > 0


def test_every_function_is_in_it() -> None:
    assert {"docs", "jwks"} <= set(serving.functions())
    assert {"/openapi.json", "/docs", "/.well-known/jwks.json"} <= DOCUMENT["paths"].keys()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_what_it_is_for_and_its_errors_are_problems(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    for status, reply in operation["responses"].items():
        if int(status) >= 400:
            assert list(reply["content"]) == ["application/problem+json"]


def without_example() -> Iterator[str]:
    """Operations that take or give JSON and show none."""
    for _, _, operation in operations():
        replies = [reply for status, reply in operation["responses"].items() if int(status) < 300]
        for told in [operation.get("requestBody", {}), *replies]:
            content = told.get("content", {}).get("application/json", {"example": None})
            if not {"example", "examples"} & {*content, *reference.resolved(DOCUMENT, content.get("schema", {}))}:
                yield operation["operationId"]


def test_an_operation_shows_the_json_that_it_takes_and_gives() -> None:
    assert set(without_example()) == set()


def test_every_reference_leads_somewhere() -> None:
    for one in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in one.removeprefix("#/").split("/"):
            found = found[step]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.open += [] if tag in {"meta"} else [tag]
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_every_operation_and_loads_nothing() -> None:
    text = reference.page(DOCUMENT)
    page = Page(text)
    assert page.open == []
    assert sorted(page.ids) == sorted(operation["operationId"] for _, _, operation in operations())
    assert not re.search(r"(src|href)=\"(?!openapi\.json)|@import|url\(", text)


def test_nothing_in_the_document_can_act_on_the_page() -> None:
    evil = '<script>alert(1)</script>"><img src=x>`<b>`'
    operation = {
        "operationId": evil,
        "summary": evil,
        "description": evil,
        "parameters": [{"name": evil, "in": evil, "description": evil, "schema": {"type": evil}}],
        "requestBody": {"content": {evil: {"example": {evil: evil}}}},
        "responses": {"200": {"description": evil}},
    }
    text = reference.page({"info": {"title": evil, "version": evil}, "paths": {f"/{evil}": {"get": operation}}})
    assert "<script" not in text
    assert "<img" not in text
    assert Page(text).open == []


def test_a_schema_within_itself_is_shown_once() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    text = reference.page(
        {
            "info": {"title": "t", "version": "1"},
            "paths": {"/t": {"get": {"responses": {"200": {"description": "", "content": content}}}}},
            "components": {"schemas": {"Tree": tree}},
        }
    )
    assert text.count("&quot;$ref&quot;") == 1


def test_the_function_serves_the_whole_document_and_the_page() -> None:
    from endpoints.docs.app import app

    assert get("/openapi.json", app=app).json() == DOCUMENT
    reply = get("/docs", app=app)
    assert reply.text == reference.page(DOCUMENT)
    assert "script-src" not in reply.headers["content-security-policy"]
