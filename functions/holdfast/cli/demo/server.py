"""The demo's own server: ``holdfast serve`` on a folder, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.cli.api import Api
from holdfast.cli.failures import Failure

HOST = "127.0.0.1"
USUAL_PORT = 8000
STARTS_WITHIN = 30.0
ANSWERS_WITHIN = 5.0
STOPS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """``ready_after``: seconds from its start to the first 200 of ``/readyz``."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    ready_after: float

    def stop(self) -> int:
        """Asks it to end, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPS_WITHIN)

    def operate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs another ``holdfast`` on the same folder, as its operator would."""
        return subprocess.run(_program(*arguments), env=_environment(self.data), capture_output=True, text=True, check=False)  # noqa: S603


def free_port() -> int:
    """The usual port, or another one when somebody listens there."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("There is no free port.")


@contextmanager
def running(data: Path, port: int) -> Iterator[Server]:
    """A server on the folder ``data``, which ends with the block. Raises Failure when it does not start."""
    log = data / "server.log"
    data.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            _program("serve", "--data", str(data), "--host", HOST, "--port", str(port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(data),
            start_new_session=True,  # Ctrl-C is for the demo, which then stops it in order
        )
    try:
        url = f"http://{HOST}:{port}"
        _wait(process, url, log)
        yield Server(process, url, data, time.monotonic() - began)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    with Api(url, timeout=ANSWERS_WITHIN) as api:  # at a port that is taken somebody may listen and never answer
        while True:
            try:
                api.call("GET", "/readyz")
                return
            except Failure as failure:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text(errors="replace").strip().splitlines()
                    raise Failure(f"The server did not start: {said[-1] if said else failure.message}") from failure
            time.sleep(0.02)


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "holdfast", *arguments]


def _environment(data: Path) -> dict[str, str]:
    """The demo shows the embedded default: no setting of the caller's reaches it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**plain, "HOLDFAST_DATA": str(data)}
