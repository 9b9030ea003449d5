"""`holdfast worker` says how it does, where it is asked to."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.cli.program import HOLDFAST, Program
from tests.servers.process import answers, free_ports
from tests.waiting import until


@contextmanager
def worker(holdfast: Program, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Running, and said to be ready."""
    variables = {**holdfast.variables(), "HOLDFAST_PURGE_SECONDS": "0", **environment}
    running = subprocess.Popen([HOLDFAST, "worker"], stderr=subprocess.PIPE, text=True, cwd=holdfast.cwd, env=variables)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def ready(running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    return next(line for line in running.stderr if "The worker is ready." in line)


def test_it_answers_while_it_works_and_ends_cleanly(holdfast: Program) -> None:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with worker(holdfast, HOLDFAST_WORKER_PORT=str(port)) as running:
        assert url in ready(running)
        until(lambda: answers(f"{url}/healthz"))
        assert httpx.get(f"{url}/readyz").json() == {"status": "ok"}
        assert httpx.get(f"{url}/").json()["service"] == "worker"

        def observed() -> bool:
            said = httpx.get(f"{url}/metrics").text
            names = ("holdfast_workspaces 0.0", 'holdfast_dependency_up{dependency="versions"} 1.0', "holdfast_audit_sealed_id")
            return all(name in said for name in names)

        until(observed)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_without_a_port_it_listens_nowhere(holdfast: Program) -> None:
    with worker(holdfast) as running:
        assert "answers" not in ready(running)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_a_port_in_use_is_said_clearly(holdfast: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        set_to = Program(holdfast.home, holdfast.cwd, {"HOLDFAST_WORKER_PORT": str(taken.getsockname()[1])})
        assert "cannot listen on 127.0.0.1" in set_to("worker", code=1).stderr
