"""The client of the benches that count requests: keep-alive connections on plain sockets, one event loop, little work of its own.

``python -m tests.bench.load``, in a process of its own: reads a job as JSON from standard input and writes what it took.
Job: ``port``, ``connections``, ``count`` requests in all, each with ``head`` (its lines up to the body's headers) and, for an
upload, ``size`` bytes of content in a form, a new file name in each.
Result: ``seconds``, and ``p50`` and ``p99`` of the replies' times.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

BOUNDARY = b"holdfast-bench"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class FailedError(Exception):
    """A reply was no 200; the message is the reply."""


class _Connection:
    """One request after the other, as long as there are any."""

    def __init__(self, port: int, next_request: Callable[[], bytes | None]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._next = next_request
        self._unsent = memoryview(b"")
        self._reply = b""
        self._end = 0
        self._began = 0.0
        self.times: list[float] = []

    def begin(self) -> bool:
        """Sends the next request; False when there is none."""
        request = self._next()
        if request is None:
            return False
        self._unsent, self._reply, self._end = memoryview(request), b"", 0
        self._began = time.perf_counter()
        self.send()
        return True

    def send(self) -> bool:
        """Whether all is sent."""
        while self._unsent:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except BlockingIOError:
                return False
        return True

    @property
    def sending(self) -> bool:
        return bool(self._unsent)

    def receive(self) -> bool:
        """Whether the reply is whole. Raises FailedError."""
        data = self.socket.recv(65536)
        self._reply += data
        if not self._end and (head := self._reply.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(self._reply, 0, head)
            self._end = head + (int(length[1]) if length else 0)
        if not data or (self._end and not self._reply.startswith(b"HTTP/1.1 200")):
            raise FailedError(self._reply.decode(errors="replace") or "the connection was closed")
        if not self._end or len(self._reply) < self._end:
            return False
        self.times.append(time.perf_counter() - self._began)
        return True


def requests(job: dict[str, Any]) -> Callable[[], bytes | None]:
    """What gives the job's requests, one by one."""
    left, head = job["count"], job["head"].encode()
    size = job.get("size")
    if size is None:
        only = head + b"\r\n\r\n"
        everything = iter([only] * left)
    else:
        content, mark = os.urandom(size - 16), os.urandom(4).hex()
        everything = (_upload(head, f"{mark}-{n}.bin".encode(), os.urandom(16), content) for n in range(left))
    return lambda: next(everything, None)


def _upload(head: bytes, name: bytes, *content: bytes) -> bytes:
    part = b'Content-Disposition: form-data; name="primary_file"; filename="%s"\r\nContent-Type: application/octet-stream' % name
    pieces = [b"--", BOUNDARY, b"\r\n", part, b"\r\n\r\n", *content, b"\r\n--", BOUNDARY, b"--\r\n"]
    form = b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d" % (BOUNDARY, sum(map(len, pieces)))
    return b"".join([head, b"\r\n", form, b"\r\n\r\n", *pieces])


def run(job: dict[str, Any]) -> dict[str, float]:
    """Raises FailedError at the first reply that is no 200."""
    following = requests(job)
    connections = [_Connection(job["port"], following) for _ in range(job["connections"])]
    began, busy = time.perf_counter(), 0
    with selectors.EpollSelector() as selector:

        def begin(connection: _Connection) -> bool:
            begun = connection.begin()
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.sending else 0)
            selector.modify(connection.socket, wanted, connection)
            return begun

        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            busy += begin(connection)
        while busy:
            for ready, events in selector.select():
                connection = ready.data
                if events & selectors.EVENT_WRITE and connection.send():
                    selector.modify(connection.socket, selectors.EVENT_READ, connection)
                if events & selectors.EVENT_READ and connection.receive() and not begin(connection):
                    busy -= 1
    seconds = time.perf_counter() - began
    times = sorted(t for connection in connections for t in connection.times)
    for connection in connections:
        connection.socket.close()
    return {"seconds": seconds, "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
