"""Server processes under measurement: started, waited for, looked at, ended."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.process import free_ports

_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 60
_SAMPLE_SECONDS = 0.02
ROOT = Path(__file__).parents[2]
"""The repository: where ``tests`` and the functions are found from."""


class Running:
    """A process that serves HTTP on ``port`` of loopback."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, began: float) -> None:
        self._process = process
        self.port = port
        self._began = began

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of the reply, which must be a 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            said = reply.read()
            assert reply.status == 200, (reply.status, said)
            return said
        finally:
            connection.close()

    def first(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> float:
        """Seconds from the start of the process to the first reply, a 200."""
        while True:
            try:
                self.ask(method, path, body, headers)
            except ConnectionRefusedError:
                assert self._process.poll() is None, "the server ended"
                assert time.perf_counter() - self._began < _PATIENCE, "the server does not listen"
                time.sleep(0.001)
            else:
                return time.perf_counter() - self._began

    def rss(self) -> int:
        """Resident memory in KiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return processor_seconds(self._process.pid)


def most_rss(process: Running, act: Callable[[], object]) -> int:
    """The most resident memory, in KiB, that the process had while ``act`` ran, looked at all the time."""
    most, ended = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not ended.wait(_SAMPLE_SECONDS):
            most = max(most, process.rss())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        act()
    finally:
        ended.set()
        looking.join()
    return max(most, process.rss())


def processor_seconds(pid: int) -> float:
    """Seconds of processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def started(module: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """``python -m module arguments``. The port is told by ``HOLDFAST_PORT``, and by an argument ``{port}``."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", module, *(argument.format(port=port) for argument in arguments)]
    environment = {**os.environ, **environment, "HOLDFAST_PORT": str(port), "HOLDFAST_LOG_LEVEL": "WARNING"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            yield Running(process, port, began)
        finally:
            process.terminate()
            process.wait()


def result_of(module: str, job: Mapping[str, Any]) -> dict[str, float]:
    """What ``python -m module`` makes of a job on its standard input. Its complaints go to standard error."""
    done = subprocess.run(
        [sys.executable, "-m", module], input=json.dumps(job).encode(), stdout=subprocess.PIPE, check=True, cwd=ROOT
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compiled(*folders: str) -> None:
    """Makes ``.pyc`` files, which a process that may write none would do without."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], check=True, cwd=ROOT)
