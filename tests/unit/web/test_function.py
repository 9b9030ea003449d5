"""One app as a function behind a gateway: Mangum's handler, with events as AWS documents them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web.function import Handler, create_app
from tests.unit.web.test_gate import router

HANDLER = Handler(create_app("test", router, services=Services(Settings())))


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Mangum makes one and keeps it, as the process lives as long as the function."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


def event(path: str) -> dict[str, Any]:
    """An API Gateway HTTP API event, payload format 2.0, whose path the gateway has decoded."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "id.execute-api.eu-central-1.amazonaws.com", "x-request-id": "r1"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
            "time": "21/Nov/2026:14:03:00 +0000",
            "timeEpoch": 1795269780000,
        },
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("name", ["a", "a b/c", "Größe"])
def test_an_invocation_is_answered_like_a_request(name: str) -> None:
    reply = HANDLER(event(f"/content/{name}"), None)
    assert (reply["statusCode"], json.loads(reply["body"])) == (200, name)
    assert reply["headers"]["x-request-id"] == "r1"


def test_a_control_character_is_refused_there_too() -> None:
    reply = HANDLER(event("/content/a\n"), None)
    assert (reply["statusCode"], json.loads(reply["body"])["type"]) == (400, "https://holdfast.dev/problems/invalid-path")


def test_an_app_serves_its_own_part_of_the_document() -> None:
    reply = HANDLER(event("/openapi.json"), None)
    assert "/content/{asset_path}" in json.loads(reply["body"])["paths"]
