"""A stranger's client as a process that is killed and started again, and what it sends on the way."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.serving import serving

BLOCK = 1 << 17


class Stranger:
    """``deaths``: how often it was killed; ``failures``: how often it gave up by itself. Whenever it ends without having uploaded,
    its user starts it again."""

    def __init__(self, log: Path) -> None:
        self._command: Sequence[str] = ()
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.deaths = self.failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, command: Sequence[str]) -> None:
        self._command = command
        self._start()

    def _start(self) -> None:
        with self._lock, self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)

    def die(self) -> None:
        """Is killed with SIGKILL, and started again. Nothing happens to one that is not running."""
        if self._end():
            self.deaths += 1
            self._start()

    def finish(self, seconds: float | None) -> None:
        """Waits until it has uploaded."""
        deadline = time.monotonic() + seconds if seconds else None
        while True:
            process = self._process
            assert process is not None
            if (code := process.poll()) == 0:
                return
            assert deadline is None or time.monotonic() < deadline, f"it does not end: {self.said()}"
            if code is not None and process is self._process and code != -signal.SIGKILL:
                self.failures += 1
                assert self.failures < 20, f"it gives up: {self.said()}"
                time.sleep(0.5)
                self._start()
            time.sleep(0.02)

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def _end(self) -> bool:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                return False
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait() == -signal.SIGKILL


class Relay(socketserver.ThreadingTCPServer):
    """Passes on what clients send, no faster than ``pace`` bytes per second on each connection. ``sent``: how much that was, with
    all headers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, pace: float) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        found = urlsplit(upstream)
        self.upstream = (found.hostname or "", found.port or 80)
        self.pace = pace
        self.sent = 0
        self.counting = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(socketserver.BaseRequestHandler):
    """A connection. When either side ends it, so does the other."""

    server: Relay
    request: socket.socket

    def handle(self) -> None:
        try:
            upstream = socket.create_connection(self.server.upstream)
        except OSError:  # the server is dead: as if nobody listened, so that nothing is sent
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with upstream:
            back = threading.Thread(target=_pass_on, args=(upstream, self.request))
            back.start()
            with suppress(OSError):
                while data := self.request.recv(BLOCK):
                    with self.server.counting:
                        self.server.sent += len(data)
                    upstream.sendall(data)
                    time.sleep(len(data) / self.server.pace)
            _shut(upstream)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BLOCK):
            target.sendall(data)
    _shut(target)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(upstream: str, pace: float) -> Iterator[Relay]:
    with serving(Relay(upstream, pace)) as relay:
        yield relay
