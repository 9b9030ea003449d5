"""AWS Lambda's Runtime API, 2018-06-01, from the side of Lambda: it hands events to one function's process and takes its replies.

What it does as documented: ``next`` waits until there is an event and names it in headers; a reply or an error has to name the
event that is being worked on, else it is 403; an error of the initialisation comes instead of the first ``next``.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VERSION = "/2018-06-01/runtime"
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:holdfast"
PATIENCE = 60
"""Seconds for a process to start and answer, on a busy machine."""


class FunctionError(Exception):
    """What the function's process reported instead of a reply; ``report`` has ``errorType`` and ``errorMessage``."""

    def __init__(self, where: str, kind: str, report: dict[str, Any]) -> None:
        super().__init__(f"{where}: {kind}: {report.get('errorMessage')}")
        self.where, self.kind, self.report = where, kind, report


class Runtime:
    """One function's environment. ``address`` is what the process finds in ``AWS_LAMBDA_RUNTIME_API``."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._replies: queue.Queue[dict[str, Any] | FunctionError] = queue.Queue()
        self.current: str | None = None
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="runtime", daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """The function's reply. Raises FunctionError, and queue.Empty if nothing comes."""
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode()))
        return self.reported()

    def reported(self) -> dict[str, Any]:
        """The next reply, also without an event: what is wrong with the start of a function comes unasked."""
        reply = self._replies.get(timeout=PATIENCE)
        if isinstance(reply, FunctionError):
            raise reply
        return reply

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self) -> tuple[str, bytes] | None:
        event = self._events.get()
        self.current = event[0] if event else None
        return event

    def _take(self, path: str, kind: str, body: bytes) -> int:
        """The status code for what the process posts."""
        if path == f"{VERSION}/init/error":
            self._replies.put(FunctionError("init", kind, json.loads(body)))
            return 202
        if self.current is None or path not in (
            f"{VERSION}/invocation/{self.current}/response",
            f"{VERSION}/invocation/{self.current}/error",
        ):
            return 403
        self.current = None
        self._replies.put(json.loads(body) if path.endswith("/response") else FunctionError("invocation", kind, json.loads(body)))
        return 202


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """The process is gone."""


def _handler(runtime: Runtime) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path != f"{VERSION}/invocation/next":
                return self._say(404, b"{}")
            event = runtime._next()
            if event is None:
                self.close_connection = True
                return None
            identity, body = event
            return self._say(
                200,
                body,
                {
                    "Lambda-Runtime-Aws-Request-Id": identity,
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + PATIENCE * 1000),
                    "Lambda-Runtime-Invoked-Function-Arn": ARN,
                    "Lambda-Runtime-Trace-Id": "Root=1-6926f3a0-3c1f0b7d5d1f4e2a6b8c9d0e;Sampled=0",
                },
            )

        def do_POST(self) -> None:
            body = self._body()
            status = runtime._take(self.path, self.headers.get("Lambda-Runtime-Function-Error-Type", ""), body)
            self._say(status, b'{"status": "OK"}' if status == 202 else b'{"errorType": "InvalidRequestID"}')

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _say(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


@contextmanager
def running(function: str, environment: Mapping[str, str], log: Path) -> Iterator[Runtime]:
    """The function's process as its image starts it, under a Runtime API; both are gone afterwards. ``log`` gets what it prints."""
    runtime = Runtime()
    try:
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "holdfast.web.container"],
                cwd=log.parent,
                env={**environment, "HOLDFAST_FUNCTION": function, "AWS_LAMBDA_RUNTIME_API": runtime.address},
                stdout=said,
                stderr=said,
            )
        try:
            yield runtime
        finally:
            process.kill()
            process.wait()
    finally:
        runtime.close()
