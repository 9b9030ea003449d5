"""A stand-in for lakeFS: the part of its HTTP API that Holdfast uses, in memory, with faults on demand.

    standin = Standin.start()
    standin.script.next("commit", DROP_AFTER)

``tests/contract/test_lakefs_standin.py`` holds it against a real lakeFS, call by call.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tests.standin.faults import Answer, Drop, Script, Slow
from tests.standin.repository import Commit, Record, RefusedError, Repository

BASE = "/api/v1"
PAGE = 1000


class Standin:
    """A running stand-in, with what a test needs to talk to it: the same as a real server's."""

    def __init__(self) -> None:
        self.access_key = "AKIASTANDIN"
        self.secret_key = "standin-secret"
        self.storage = "s3://standin"
        self.script = Script()
        self._repositories: dict[str, Repository] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.standin = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="standin", daemon=True)

    @classmethod
    def start(cls) -> Standin:
        """On a free loopback port, at once."""
        standin = cls()
        standin._thread.start()
        return standin

    def stop(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def repository(self) -> str:
        """The name of a fresh repository, with the default branch `main`."""
        name = f"repository-{next(self._numbers)}"
        self._create(name, f"{self.storage}/{name}")
        return name

    def _create(self, name: str, namespace: str) -> Repository:
        if name in self._repositories:
            raise RefusedError(409, f"error creating repository: {name}: not unique")
        self._repositories[name] = Repository(name, namespace, "main")
        return self._repositories[name]

    def history(self, repository: str, branch: str) -> list[Commit]:
        """The branch's commits with all they hold, the newest first."""
        with self._lock:
            return list(self._repositories[repository].log(branch, after=None, paths=[]))

    @cached_property
    def client(self) -> httpx.Client:
        """The API, logged in; its base is `/api/v1`."""
        return httpx.Client(base_url=f"{self.endpoint}{BASE}", auth=(self.access_key, self.secret_key), timeout=30)

    def authorised(self, header: str) -> bool:
        pair = f"{self.access_key}:{self.secret_key}"
        return header == "Basic " + base64.b64encode(pair.encode()).decode()

    def answer(self, call: str, repository: str | None, request: Request) -> Reply:
        """Carries a call out, one at a time."""
        with self._lock:
            if call == "health":
                return Reply(204)
            if repository is None:
                body = request.body
                return _repository(self._create(body["name"], body["storage_namespace"]), request, status=201)
            if repository not in self._repositories:
                raise RefusedError(404, "repository not found")
            return CALLS[call](self._repositories[repository], request)


@dataclass(frozen=True)
class Request:
    parts: Mapping[str, str]
    """Out of the address: branch, ref, left, right."""
    query: Mapping[str, list[str]]
    body: Any

    def first(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    @property
    def amount(self) -> int:
        return min(int(self.first("amount", "100")), PAGE)


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    """JSON, or plain text when it is a string."""


def _repository(repository: Repository, request: Request, status: int = 200) -> Reply:
    return Reply(
        status,
        {"id": repository.name, "default_branch": repository.default_branch, "storage_namespace": repository.storage},
    )


def _create_branch(repository: Repository, request: Request) -> Reply:
    return Reply(201, repository.create_branch(request.body["name"], request.body["source"]).id)


def _head(repository: Repository, request: Request) -> Reply:
    name = request.parts["branch"]
    return Reply(200, {"id": name, "commit_id": repository.branch(name).head.id})


def _stage(repository: Repository, request: Request) -> Reply:
    body, path = request.body, request.first("path")
    if body["checksum"] is None:
        raise RefusedError(400, 'Error at "/checksum": Value is not nullable')
    record = Record(
        size=body["size_bytes"],
        checksum=body["checksum"],
        content_type=body.get("content_type", ""),
        metadata=tuple(sorted(body.get("metadata", {}).items())),
        address=body["physical_address"],
        mtime=int(time.time()),
    )
    repository.stage(request.parts["branch"], path, record)
    return Reply(201, {key: value for key, value in _stats(path, record).items() if key != "metadata"})


def _stage_deletes(repository: Repository, request: Request) -> Reply:
    return Reply(200, {"errors": repository.stage_deletes(request.parts["branch"], request.body["paths"])})


def _make_commit(repository: Repository, request: Request) -> Reply:
    body = request.body
    return Reply(201, _commit(repository.commit(request.parts["branch"], body["message"], body.get("metadata", {}))))


def _stat(repository: Repository, request: Request) -> Reply:
    path = request.first("path")
    return Reply(200, _stats(path, repository.lookup(request.parts["ref"], path)))


def _log(repository: Repository, request: Request) -> Reply:
    found = list(
        itertools.islice(
            repository.log(request.parts["ref"], after=request.first("after"), paths=request.query.get("objects", [])),
            request.amount + 1,
        )
    )
    more = len(found) > request.amount and request.first("limit") != "true"
    results = [_commit(commit) for commit in found[: request.amount]]
    return Reply(200, {"pagination": _pagination(results, "id", more), "results": results})


def _diff(repository: Repository, request: Request) -> Reply:
    after = request.first("after").encode()
    changed = [c for c in repository.diff(request.parts["left"], request.parts["right"]) if c[0].encode() > after]
    results: list[dict[str, Any]] = []
    for path, kind, record in changed[: request.amount]:
        stats = _stats(path, record)
        result = {"path": path, "path_type": "object", "type": kind, "size_bytes": record.size}
        if request.first("include_right_stats") == "true":
            result["right"] = {key: stats[key] for key in ("checksum", "content_type", "mtime", "metadata")}
        results.append(result)
    return Reply(200, {"pagination": _pagination(results, "path", len(changed) > request.amount), "results": results})


def _stats(path: str, record: Record) -> dict[str, Any]:
    return {
        "path": path,
        "path_type": "object",
        "physical_address": record.address,
        "checksum": record.checksum,
        "size_bytes": record.size,
        "content_type": record.content_type,
        "mtime": record.mtime,
        "metadata": dict(record.metadata),
    }


def _commit(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "parents": list(commit.parents),
        "message": commit.message,
        "metadata": dict(commit.metadata),
        "creation_date": commit.created,
        "generation": commit.generation,
    }


def _pagination(results: list[dict[str, Any]], offset: str, more: bool) -> dict[str, Any]:
    return {
        "has_more": more,
        "max_per_page": PAGE,
        "next_offset": results[-1][offset] if more else "",
        "results": len(results),
    }


CALLS: Mapping[str, Callable[[Repository, Request], Reply]] = {
    "repository": _repository,
    "create_branch": _create_branch,
    "head": _head,
    "stage": _stage,
    "delete": _stage_deletes,
    "commit": _make_commit,
    "stat": _stat,
    "log": _log,
    "diff": _diff,
}
"""By the names under which the script knows them."""

_IN = "/repositories/(?P<repository>[^/]+)"
ROUTES = [
    (method, re.compile(BASE + pattern), call)
    for method, pattern, call in [
        ("GET", "/healthcheck", "health"),
        ("POST", "/repositories", "create_repository"),
        ("GET", _IN, "repository"),
        ("POST", _IN + "/branches", "create_branch"),
        ("GET", _IN + "/branches/(?P<branch>[^/]+)", "head"),
        ("PUT", _IN + "/branches/(?P<branch>[^/]+)/objects", "stage"),
        ("POST", _IN + "/branches/(?P<branch>[^/]+)/objects/delete", "delete"),
        ("POST", _IN + "/branches/(?P<branch>[^/]+)/commits", "commit"),
        ("GET", _IN + "/refs/(?P<ref>[^/]+)/objects/stat", "stat"),
        ("GET", _IN + "/refs/(?P<ref>[^/]+)/commits", "log"),
        ("GET", _IN + "/refs/(?P<left>[^/]+)/diff/(?P<right>[^/]+)", "diff"),
    ]
]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    standin: Standin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not worth a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for method, pattern, call in ROUTES:
            if method == self.command and (match := pattern.fullmatch(url.path)):
                parts = {name: unquote(part) for name, part in match.groupdict().items()}
                return self._carry_out(call, parts, Request(parts, parse_qs(url.query), json.loads(body or "null")))
        return self._send(Reply(404, {"message": "invalid API endpoint"}))

    do_PUT = do_POST = do_GET  # noqa: N815 - the base class' names

    def _carry_out(self, call: str, parts: Mapping[str, str], request: Request) -> None:
        standin = self.server.standin
        fault = standin.script.meet(call)
        if isinstance(fault, Answer):
            return self._send(Reply(fault.status, {"message": fault.message}))
        if isinstance(fault, Drop) and not fault.after_effect:
            return self._hang_up()
        try:
            if call != "health" and not standin.authorised(self.headers.get("Authorization", "")):
                raise RefusedError(401, "error authenticating request")
            reply = standin.answer(call, parts.get("repository"), request)
        except RefusedError as refused:
            reply = Reply(refused.status, {"message": refused.message})
        if isinstance(fault, Drop):
            return self._hang_up()
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        return self._send(reply)

    def _send(self, reply: Reply) -> None:
        """In one piece: in two, the second would wait for the client's acknowledgement of the first."""
        is_text = isinstance(reply.body, str)
        content = b"" if reply.body is None else (reply.body if is_text else json.dumps(reply.body)).encode()
        kind = "text/plain" if is_text else "application/json"
        head = f"HTTP/1.1 {reply.status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
