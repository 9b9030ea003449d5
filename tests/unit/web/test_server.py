"""What only a real server shows: threads and the event loop, clients that go away, connections that break."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.errors import TooLarge
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.port import StoreUnavailable
from holdfast.web.content import Content, reply
from holdfast.web.forms import fields
from holdfast.web.function import create_app
from holdfast.web.ingest import pour
from holdfast.web.multipart import Limits, Multipart
from tests.unit.web.served import said, served
from tests.unit.web.test_content import AT
from tests.waiting import until

Address = tuple[str, int]
THREADS = 2


class Slow:
    """Work that takes until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.go_on = threading.Event()

    def work(self) -> str:
        self.started.release()
        assert self.go_on.wait(20)
        return "done"


class Breaking:
    """Objects whose stream fails after its first chunk."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        yield b"x" * 1000
        raise StoreUnavailable()


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.go_on.set()


@pytest.fixture
def address(slow: Slow, tmp_path: Path) -> Iterator[Address]:
    router = APIRouter()
    objects = FolderObjects(tmp_path / "objects")

    @router.get("/slow")
    async def blocks(request: Request) -> str:
        done: str = await request.app.state.threads.run(slow.work)
        return done

    @router.get("/quick")
    async def quick() -> str:
        return "here"

    @router.post("/upload")
    async def upload(request: Request) -> Response:
        stored: list[Any] = []
        async for part in Multipart(request, Limits(body=50_000_000)):
            writer = objects.writer(f"data/u/{len(stored)}", "image/png")
            await pour(part, writer, request.app.state.threads, limit=40_000_000)
            stored.append((await request.app.state.threads.run(writer.finish)).size)
        return JSONResponse(stored)

    @router.post("/form")
    async def form(request: Request) -> dict[str, str]:
        return await fields(request)

    @router.api_route("/breaks", methods=["GET", "HEAD"])
    async def breaks(request: Request) -> Response:
        what = Content("k", 5000, "0" * 64, "image/png", "a.png", AT)
        return await reply(request, what, Breaking(), request.app.state.threads)  # type: ignore[arg-type]

    @router.post("/refuses")
    async def refuses() -> None:
        raise TooLarge("No.")

    services = Services(Settings(threads=THREADS, data=tmp_path))
    with served(create_app("test", router, services=services)) as where:
        yield where


def url(address: Address, path: str) -> str:
    return f"http://{address[0]}:{address[1]}{path}"


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "objects").rglob("*") if path.is_file()]


HEAD = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def post(path: str, length: int, *more: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_fault_000_12_blocking_work_delays_neither_healthz_nor_another_request(address: Address, slow: Slow) -> None:
    waiting: list[str] = []
    client = threading.Thread(target=lambda: waiting.append(httpx.get(url(address, "/slow"), timeout=30).json()))
    client.start()
    assert slow.started.acquire(timeout=10)
    assert [httpx.get(url(address, path)).status_code for path in ("/healthz", "/readyz", "/quick")] == [200] * 3
    assert waiting == []  # the slow one is still at it
    slow.go_on.set()
    client.join(10)
    assert waiting == ["done"]


def test_a_process_whose_threads_all_hang_is_still_alive(address: Address, slow: Slow) -> None:
    clients = [threading.Thread(target=lambda: httpx.get(url(address, "/slow"), timeout=30)) for _ in range(THREADS * 3)]
    for client in clients:
        client.start()
    for _ in range(THREADS):
        assert slow.started.acquire(timeout=10)
    assert httpx.get(url(address, "/healthz")).status_code == 200
    assert "holdfast_http_requests_in_progress" in httpx.get(url(address, "/metrics")).text
    slow.go_on.set()
    for client in clients:
        client.join(10)


def test_an_upload_is_stored(address: Address, tmp_path: Path) -> None:
    content = b"x" * 5_000_000
    sent = httpx.post(url(address, "/upload"), files={"f": ("a.png", content)})
    assert sent.json() == [5_000_000]
    assert [path.read_bytes() for path in files(tmp_path)] == [content]


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_half_an_upload_leaves_nothing(address: Address, tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    request = post("/upload", 10_000_000), HEAD + b"x" * size
    with caplog.at_level(logging.ERROR):
        assert said(address, *request, end=True) == b""
        httpx.get(url(address, "/quick"))  # the server goes on
    assert [record.getMessage() for record in caplog.records] == []
    until(lambda: files(tmp_path) == [])  # the server may be at removing it while it answers others


def test_a_length_that_is_too_short_cuts_the_form_and_it_is_refused(address: Address, tmp_path: Path) -> None:
    body = HEAD + b"x" * 1000 + TAIL
    answer = said(address, post("/upload", len(body) - 5) + body[:-5])
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"incomplete-body" in answer
    with_the_rest = said(address, post("/upload", len(body) - 5) + body)
    assert with_the_rest.startswith(b"HTTP/1.1 400 ")
    assert files(tmp_path) == []


def test_a_length_that_is_no_number_or_comes_twice_is_refused(address: Address) -> None:
    assert said(address, post("/upload", 10, "Content-Length: 11") + b"x" * 11).startswith(b"HTTP/1.1 400 ")
    assert said(address, post("/upload", -1)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("end", [TAIL, TAIL + b"x" * 100_000], ids=["none", "epilogue"])
def test_a_chunked_body_needs_no_length(address: Address, end: bytes) -> None:
    def body() -> Iterator[bytes]:
        yield HEAD
        yield b"x" * 100_000
        yield end

    sent = httpx.post(url(address, "/upload"), content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert sent.json() == [100_000]


def test_a_body_that_is_too_long_is_refused_before_it_comes(address: Address) -> None:
    answer = said(address, post("/upload", 60_000_000, "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_file_that_is_too_large_is_refused_while_it_comes(address: Address, tmp_path: Path) -> None:
    sent = httpx.post(url(address, "/upload"), files={"f": ("a.png", b"x" * 45_000_000)})
    assert (sent.status_code, sent.json()["type"]) == (413, "https://holdfast.dev/problems/too-large")
    assert files(tmp_path) == []


def test_a_refusal_comes_before_the_body_and_the_connection_goes_on(address: Address) -> None:
    second = b"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = said(address, post("/refuses", 200_000), b"x" * 200_000, second)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'"here"')


def test_a_million_fields_are_refused(address: Address) -> None:
    def body() -> Iterator[bytes]:
        for n in range(1000):
            yield b"".join(b"f%d-%d=&" % (n, m) for m in range(1000))

    sent = httpx.post(url(address, "/form"), content=body(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (sent.status_code, sent.headers["content-type"]) == (413, "application/problem+json")


def test_a_body_that_breaks_is_never_a_whole_reply(address: Address) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url(address, "/breaks"))
    assert httpx.head(url(address, "/breaks")).headers["content-length"] == "5000"


def test_noise_is_no_request_and_gets_a_problem(address: Address) -> None:
    head, _, problem = said(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(problem)["type"] == "https://holdfast.dev/problems/invalid-http"
