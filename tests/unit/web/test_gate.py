from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from holdfast.requests import request_id
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web.function import App, create_app
from holdfast.web.gate import Gate
from holdfast.web.metrics import HTTP, HttpMetrics

router = APIRouter()


@router.get("/content/{asset_path:path}")
async def content(asset_path: str) -> str:
    return asset_path


@router.get("/link/{signature}")
async def link(signature: str) -> str:
    return "here"


@router.get("/id")
async def identity(request: Request) -> list[str | None]:
    return [request_id.get(), await request.app.state.threads.run(request_id.get)]


@router.get("/fails")
async def fails() -> None:
    raise ValueError("with a secret in it")


@router.get("/breaks")
async def breaks() -> StreamingResponse:
    async def body() -> Any:
        yield b"some"
        raise ValueError("in the middle")

    return StreamingResponse(body())


APP = create_app("test", router, services=Services(Settings()))


def get(path: str, method: str = "GET", app: App = APP, **headers: str) -> httpx.Response:
    sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://holdfast") as client:
            return await client.request(method, path, headers=sent)

    return asyncio.run(ask())


def test_a_request_keeps_its_sane_id_also_in_the_handlers_thread() -> None:
    reply = get("/id", x_request_id="abc-1.2_3")
    assert reply.json() == ["abc-1.2_3"] * 2
    assert reply.headers["x-request-id"] == "abc-1.2_3"


@pytest.mark.parametrize("bad", ["", "a b", 'a"b', "x" * 65, "a\u00e9"])
def test_a_request_without_a_sane_id_gets_one(bad: str) -> None:
    reply = get("/id", x_request_id=bad)
    assert len(reply.headers["x-request-id"]) == 32
    assert reply.json() == [reply.headers["x-request-id"]] * 2


@pytest.mark.parametrize(
    "path", ["/content/a%2Fb", "/content/a%2fb", "/content/a%5Cb", "/content/%00", "/content/%0A", "/content/%7F"]
)
def test_an_encoded_slash_or_control_character_in_a_path_is_400(path: str) -> None:
    reply = get(path)
    assert (reply.status_code, reply.json()["type"]) == (400, "https://holdfast.dev/problems/invalid-path")
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/content/%FF", "/content/a%C2%85b", "/content/%ED%A0%80"])
def test_a_path_of_no_text_is_400(path: str) -> None:
    assert get(path).status_code == 400


@pytest.mark.parametrize(
    ("path", "name"), [("a%20b/c%25d", "a b/c%d"), ("Gr%C3%B6%C3%9Fe", "Größe"), ("a%252Fb", "a%2Fb"), ("a+b", "a+b")]
)
def test_other_names_are_what_they_say(path: str, name: str) -> None:
    assert get(f"/content/{path}").json() == name


def test_an_unexpected_error_is_a_problem_with_the_id_and_tells_nothing() -> None:
    reply = get("/fails", x_request_id="find-me")
    assert (reply.status_code, reply.headers["x-request-id"]) == (500, "find-me")
    assert "secret" not in reply.text


def test_a_body_that_breaks_is_not_ended_cleanly() -> None:
    with pytest.raises(ValueError, match="in the middle"):
        get("/breaks")


def test_a_log_line_says_what_was_answered_but_never_the_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "holdfast.access"):
        get("/content/a%20b?signature=geheim", x_request_id="r1")
    (record,) = [record for record in caplog.records if record.name == "holdfast.access"]
    fields = record.__dict__["fields"]
    assert {**fields, "ms": 0} == {"method": "GET", "path": "/content/a b", "status": 200, "ms": 0, "client": "127.0.0.1"}
    assert "geheim" not in json.dumps(record.__dict__, default=str)


def test_a_secret_within_a_path_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "holdfast.access"):
        get("/link/geheim")
    assert [record.__dict__["fields"]["path"] for record in caplog.records if record.name == "holdfast.access"] == [
        "/link/{signature}"
    ]


def counted() -> Counter[tuple[str, ...]]:
    requests, *_ = HTTP.collect()
    return Counter({tuple(sample.labels.values()): int(sample.value) for sample in requests.samples})


def test_requests_are_counted_by_template_not_by_path() -> None:
    before = counted()
    for path in ("/content/a", "/content/b", "/nowhere", "/elsewhere", "/fails", "/content/%00"):
        get(path)
    get("/nowhere", "BREW")
    get("/id", "DELETE")
    assert counted() - before == {
        ("/content/{asset_path:path}", "GET", "200"): 2,
        ("unmatched", "GET", "404"): 2,
        ("/fails", "GET", "500"): 1,
        ("unmatched", "GET", "400"): 1,
        ("unmatched", "other", "404"): 1,
        ("/id", "DELETE", "405"): 1,
    }
    assert HTTP.in_progress == 0


def test_a_duration_is_in_its_bucket() -> None:
    metrics = HttpMetrics()
    for seconds in (0.001, 0.005, 0.3, 500.0):
        metrics.count("/x", "GET", 200, seconds)
    durations = list(metrics.collect())[1]
    found = {sample.labels.get("le", sample.name[-5:]): sample.value for sample in durations.samples}
    assert (found["0.005"], found["0.25"], found["0.5"], found["120.0"], found["+Inf"], found["count"]) == (2, 2, 3, 3, 4, 4)


def test_other_protocols_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def never(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Gate(app)({"type": "lifespan"}, never, never))
    assert seen == ["lifespan"]
