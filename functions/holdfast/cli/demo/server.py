"""The demo's own server: ``holdfast serve`` on a folder, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
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
_READY = re.compile(r"^Holdfast is ready: (\S+)$", re.MULTILINE)


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


@contextmanager
def running(data: Path, port: int | None) -> Iterator[Server]:
    """A server on the folder ``data``, which ends with the block: at ``port``; without one at the usual port, or at another when
    somebody listens there. Raises Failure when it does not start."""
    log = data / "server.log"
    data.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    choices = [port] if port else [USUAL_PORT, 0]
    for choice in choices:
        with _process(data, choice, log) as process:
            try:
                url = _ready(process, log)
            except Failure:
                if choice == choices[-1] or process.poll() is None:
                    raise
                continue
            yield Server(process, url, data, time.monotonic() - began)
            return


@contextmanager
def _process(data: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
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
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Its address, once it can store. It says itself where it listens: at a port that is taken somebody else would answer."""
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        said = log.read_text(errors="replace")
        failed = said.strip().rpartition("\n")[2]
        if found := _READY.search(said):
            try:
                with Api(found[1], timeout=ANSWERS_WITHIN) as api:
                    api.call("GET", "/readyz")
                return found[1]
            except Failure as failure:
                failed = failure.message
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"The server did not start: {failed}")
        time.sleep(0.02)


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "holdfast", *arguments]


def _environment(data: Path) -> dict[str, str]:
    """The demo shows the embedded default: no setting of the caller's reaches it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**plain, "HOLDFAST_DATA": str(data)}
