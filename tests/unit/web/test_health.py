from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from holdfast.errors import Unavailable
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web import health
from holdfast.web.function import create_app
from holdfast.web.health import Readiness
from tests.unit.web.test_gate import get


def fails() -> None:
    raise Unavailable("no answer")


def works() -> None:
    pass


def away(*readiness: Readiness) -> list[list[str]]:
    """The answers, one after the other, of these."""

    async def ask() -> list[list[str]]:
        return [await one.away() for one in readiness]

    try:
        return asyncio.run(ask())
    finally:
        for one in readiness:
            one.close()


def test_the_parts_that_fail_are_named() -> None:
    assert away(Readiness({"database": works, "objects": fails, "versions": fails})) == [["objects", "versions"]]


def test_without_parts_one_is_always_ready() -> None:
    assert away(Readiness({})) == [[]]


def test_a_part_that_hangs_is_away_and_is_asked_only_once() -> None:
    go_on, asked = threading.Event(), []

    def hangs() -> None:
        asked.append(1)
        go_on.wait(10)

    readiness = Readiness({"database": works, "objects": hangs}, limit=0.05, keep=0)
    assert away(readiness, readiness, readiness) == [["objects"]] * 3
    go_on.set()
    assert len(asked) == 1


@pytest.mark.parametrize(("slow", "found"), [(3600, []), (0.01, ["objects"])])
def test_a_part_that_answered_and_then_takes_long_is_away_only_after_a_while(slow: float, found: list[str]) -> None:
    go_on, answers = threading.Event(), [True, False]

    def slows_down() -> None:
        if not answers.pop(0):
            go_on.wait(10)

    readiness = Readiness({"objects": slows_down}, limit=0.05, slow=slow, keep=0)
    assert away(readiness, readiness, readiness) == [[], found, found]
    go_on.set()


def test_a_part_that_failed_and_then_takes_long_is_away() -> None:
    go_on, answers = threading.Event(), [True, False]

    def hangs_after_a_failure() -> None:
        if answers.pop(0):
            fails()
        go_on.wait(10)

    readiness = Readiness({"objects": hangs_after_a_failure}, limit=0.05, slow=3600, keep=0)
    assert away(readiness, readiness) == [["objects"]] * 2
    go_on.set()


def test_a_part_that_comes_back_is_ready_again() -> None:
    answers: list[Callable[[], None]] = [fails, works]

    def comes_back() -> None:
        answers.pop(0)()

    readiness = Readiness({"database": comes_back}, keep=0)
    assert away(readiness, readiness) == [["database"], []]


def test_an_answer_is_used_again_for_a_while() -> None:
    asked: list[int] = []
    readiness = Readiness({"database": lambda: asked.append(1)}, keep=3600)
    away(readiness, readiness, readiness)
    assert len(asked) == 1


def test_many_who_ask_at_once_share_one_check() -> None:
    asked: list[int] = []
    readiness = Readiness({"database": lambda: asked.append(1)}, keep=0)

    async def all_at_once() -> None:
        await asyncio.gather(*(readiness.away() for _ in range(20)))

    asyncio.run(all_at_once())
    readiness.close()
    assert len(asked) == 1


def test_all_parts_are_asked_at_the_same_time() -> None:
    meet = threading.Barrier(2, timeout=5)

    def waits() -> None:
        meet.wait()

    assert away(Readiness({"database": waits, "objects": waits})) == [[]]


def test_not_ready_is_a_503_that_names_what_is_away() -> None:
    app = create_app("test", services=Services(Settings()))
    app.include_router(health.router("other", Readiness({"objects": fails})), prefix="/other")
    reply = get("/other/readyz", app=app)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert (reply.json()["type"], reply.json()["away"]) == ("https://holdfast.dev/problems/not-ready", ["objects"])


def test_not_ready_says_why_where_that_was_written_for_a_reader() -> None:
    def stumbles() -> None:
        raise RuntimeError("internal")

    app = create_app("test", services=Services(Settings()))
    app.include_router(health.router("other", Readiness({"objects": fails, "versions": stumbles})), prefix="/other")
    assert get("/other/readyz", app=app).json()["reasons"] == {"objects": "no answer"}


def test_alive_ready_and_who_it_is() -> None:
    assert [get(path).json()["status"] for path in ("/", "/healthz", "/readyz")] == ["ok"] * 3
    assert get("/").json()["service"] == "test"


def test_metrics_are_text_for_prometheus() -> None:
    get("/content/a")
    reply = get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert 'holdfast_http_requests_total{method="GET",route="/content/{asset_path:path}",status="200"}' in reply.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
def test_what_is_for_machines_is_not_in_the_document(path: str) -> None:
    assert path not in get("/openapi.json").json()["paths"]


def test_what_stands_still_beside_the_loop_is_not_alive() -> None:
    goes_on = [True, False]
    app = create_app("test", services=Services(Settings()), alive=lambda: goes_on.pop(0))
    assert [get("/healthz", app=app).status_code for _ in range(2)] == [200, 503]
