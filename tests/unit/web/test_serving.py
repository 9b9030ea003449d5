"""Whole processes: ``serve``, a container's function, and how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from holdfast.jobs.repeating import Runner
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web import serving
from holdfast.web.serving import resolved

ROOT = Path(__file__).parents[3]
SERVE = "import sys, pathlib; from holdfast.web.serving import serve; from holdfast.settings import Settings; " + (
    "sys.exit(serve(Settings(data=pathlib.Path(sys.argv[1])), '127.0.0.1', int(sys.argv[2])))"
)


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that is gone afterwards, however the test ends."""
    running = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def address(running: subprocess.Popen[str]) -> str:
    """Where it listens; waits until it says so."""
    assert running.stdout is not None
    line = running.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, running.communicate()
    return found[0]


def test_serve_mounts_every_function_is_ready_and_ends_cleanly(tmp_path: Path) -> None:
    for _ in range(2):  # the second time on what the first one left
        with process("-c", SERVE, str(tmp_path / "new" / "data"), "0") as running:
            url = address(running)
            assert httpx.get(f"{url}/readyz", timeout=30).json() == {"status": "ok"}
            assert httpx.get(f"{url}/", timeout=30).json()["service"] == "holdfast"
            paths = httpx.get(f"{url}/openapi.json", timeout=30).json()["paths"]
            assert {"/docs", "/.well-known/jwks.json"} <= paths.keys()
            assert (
                httpx.get(f"{url}/docs", timeout=30).status_code
                == httpx.get(f"{url}/.well-known/jwks.json", timeout=30).status_code
                == 200
            )
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0


def test_a_port_in_use_is_said_clearly(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        process("-c", SERVE, str(tmp_path), str(taken.getsockname()[1])) as running,
    ):
        _, said = running.communicate(timeout=20)
    assert running.returncode == 1
    assert said.startswith("holdfast: cannot listen on 127.0.0.1, port ")
    assert "Address already in use\n" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_ends_before_the_process_does(number: signal.Signals) -> None:
    with process("-m", "tests.unit.web.slow_app") as running:
        host, port = address(running).removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
            assert httpx.get(f"http://{host}:{port}/healthz", timeout=30).status_code == 200  # by now it has our half request
            running.send_signal(number)
            while True:
                try:
                    socket.create_connection((host, int(port)), timeout=20).close()
                except ConnectionError:
                    break
            connection.sendall(b"67890")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n10")
        assert running.wait(20) == 0


def test_one_function_runs_in_its_container() -> None:
    with process("-m", "holdfast.web.container", "docs", HOLDFAST_PORT="0") as running:
        url = address(running)
        assert httpx.get(f"{url}/", timeout=30).json()["service"] == "docs"
        assert httpx.get(f"{url}/docs", timeout=30).status_code == 200
        assert httpx.get(f"{url}/.well-known/jwks.json", timeout=30).status_code == 404
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


def test_a_container_of_no_function_says_which_there_are() -> None:
    with process("-m", "holdfast.web.container", "../docs") as running:
        _, said = running.communicate(timeout=20)
    assert running.returncode == 2
    assert "docs" in said.partition("{")[2]


def test_a_container_does_not_start_without_authentication() -> None:
    with process("-m", "holdfast.web.container", "docs", HOLDFAST_AUTH_DISABLED="true") as running:
        _, said = running.communicate(timeout=20)
    assert running.returncode == 2
    assert "HOLDFAST_AUTH_DISABLED" in said


@pytest.mark.parametrize(
    ("configured", "host", "meant"),
    [
        ("auto", "127.0.0.1", "open"),
        ("auto", "127.9.9.9", "open"),
        ("auto", "::1", "open"),
        ("auto", "localhost", "open"),
        ("auto", "0.0.0.0", "invite"),
        ("auto", "::", "invite"),
        ("auto", "10.0.0.7", "invite"),
        ("auto", "assets.example.org", "invite"),
        ("open", "0.0.0.0", "open"),
        ("closed", "127.0.0.1", "closed"),
    ],
)
def test_anybody_may_register_only_where_nobody_else_can_reach_it(configured: str, host: str, meant: str) -> None:
    assert resolved(Settings.model_validate({"registration": configured}), host).registration == meant


def test_every_function_has_a_router_and_an_app() -> None:
    assert len(serving.routers()) == len(serving.functions()) > 0
    for name in serving.functions():
        assert (ROOT / "functions" / "endpoints" / name / "app.py").is_file()


def test_what_runs_in_the_background_stops_in_reverse_order() -> None:
    done: list[str] = []

    class Noted:
        def __init__(self, number: int) -> None:
            self.number = number

        def start(self) -> None:
            done.append(f"start {self.number}")

        def stop(self) -> None:
            done.append(f"stop {self.number}")

        def alive(self) -> bool:
            return True

    class WithBackground(Services):
        def background(self, *, scheduling: bool) -> list[Runner]:
            return [Noted(1), Noted(2)]

    services = WithBackground(Settings())
    services.start()
    services.close()
    assert done == ["start 1", "start 2", "stop 2", "stop 1"]
