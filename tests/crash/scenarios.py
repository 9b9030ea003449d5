"""What is done while a process dies: one request each, with what is there before it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import Message
from tests.asgi import send
from tests.stacks import User

from holdfast.lifecycle.purging import purge
from holdfast.web.function import App

Reply = httpx.Response


@dataclass(frozen=True)
class Caller:
    """A user of a process of the installation."""

    app: App
    user: User

    async def ask(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Reply:
        said = {"Idempotency-Key": key} if key else {}
        headers = {"Authorization": f"Bearer {self.user.token}", **said, **options.pop("headers", {})}
        return await send(self.app, method, path, headers=headers, **options)

    async def upload(
        self, primary: bytes, *associated: tuple[str, bytes], key: str | None = None, name: str = "photo.txt", **fields: str
    ) -> Reply:
        files = [("primary_file", (name, primary)), *(("associated_files", file) for file in associated)]
        return await self.ask("POST", "/fileupload", key=key, files=files, data=fields)

    async def add(self, path: str, version: str | None, *associated: tuple[str, bytes], key: str | None = None) -> Reply:
        files = [("associated_files", file) for file in associated]
        fields = {"primary_version_id": version} if version else {}
        return await self.ask("POST", f"/add-associated-files/{path}", key=key, files=files, data=fields)

    async def step(self, what: str, version: dict[str, Any]) -> Reply:
        """``what``: filearchive, filerestore or delfile."""
        return await self.ask("POST", f"/{what}/{version['asset_path']}/{version['version_id']}")


Replies = Sequence[dict[str, Any]]
"""The metadata that each act so far answered with."""
Act = Callable[[Caller, Replies, str | None], Coroutine[Any, Any, Reply]]
"""Asks for something, with an Idempotency-Key if there is one. May use what came before."""

KEY = "the one key"


@dataclass(frozen=True)
class Scenario:
    """``act`` is what a process dies at. ``again``: what a client that has seen no answer may be told when it asks once more."""

    name: str
    before: tuple[Act, ...]
    act: Act
    again: tuple[int, ...] = (200,)


async def _first(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    return await by.upload(b"first", ("side.txt", b"its side"), ("other.txt", b"its other"), key=key, archive_ttl="30")


async def _second(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    return await by.upload(b"second", ("side.txt", b"another side"), key=key)


async def _relabelled(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    """Nothing new but a label."""
    return await by.upload(b"first", key=key, labels='{"project": "apollo"}')


async def _large(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    """Several parts on S3, several buffers in a folder."""
    return await by.upload(bytes(9 << 20), ("side.txt", b"its side"), key=key)


async def _added_to_newest(by: Caller, so_far: Replies, key: str | None) -> Reply:
    return await by.add(so_far[0]["asset_path"], None, ("side.txt", b"a new side"), ("more.txt", b"more"), key=key)


async def _added_to_older(by: Caller, so_far: Replies, key: str | None) -> Reply:
    files = (("side.txt", b"a new side"), ("more.txt", b"more"))
    return await by.add(so_far[0]["asset_path"], so_far[0]["version_id"], *files, key=key)


def _step(what: str) -> Act:
    async def act(by: Caller, so_far: Replies, _key: str | None) -> Reply:
        return await by.step(what, so_far[0])

    return act


async def _held(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    wanted = {"matter": "Doe v. Example", "reason": "an order", "selector": {"paths": ["text/**"]}}
    return await by.ask("POST", "/holds", key=key, json=wanted)


async def _released(by: Caller, so_far: Replies, _key: str | None) -> Reply:
    return await by.ask("DELETE", f"/holds/{so_far[-1]['id']}")


async def _broken_off(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    """The client goes away in the middle of its second file."""
    boundary = "frontier"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n'
    sent = (part % ("primary_file", "gone.txt") + "whole\r\n" + part % ("associated_files", "half.txt") + "half").encode()
    messages: list[Message] = [{"type": "http.request", "body": sent, "more_body": True}, {"type": "http.disconnect"}]
    coming = iter(messages)
    status = 0

    async def receive() -> Message:
        return next(coming, {"type": "http.disconnect"})

    async def sending(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = {"authorization": f"Bearer {by.user.token}", "content-type": f"multipart/form-data; boundary={boundary}"}
    if key:
        headers["idempotency-key"] = key
    scope = {
        "type": "http", "method": "POST", "path": "/fileupload", "raw_path": b"/fileupload", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 80), "scheme": "http", "root_path": "", "http_version": "1.1", "client": None,
    }  # fmt: skip
    await by.app(scope, receive, sending)
    return Reply(status, json={})


async def _purged(by: Caller, so_far: Replies, _key: str | None) -> Reply:
    """Not asked for by anybody: what comes round by itself, in the process of ``by``."""
    purge(by.app.state.services)
    return Reply(200, json=so_far[0])


DONE_ALREADY = (200, 409)

SCENARIOS = (
    Scenario("upload", (), _first),
    Scenario("second version", (_first,), _second),
    Scenario("unchanged upload", (_first,), _relabelled),
    Scenario("add files to the newest version", (_first,), _added_to_newest),
    Scenario("add files to an older version", (_first, _second), _added_to_older),
    Scenario("archive", (_first, _second), _step("filearchive"), DONE_ALREADY),
    Scenario("restore", (_first, _step("filearchive")), _step("filerestore"), DONE_ALREADY),
    Scenario("destroy", (_first, _step("filearchive")), _step("delfile"), DONE_ALREADY),
    Scenario("hold", (_first, _second, _step("filearchive")), _held, (201,)),
    Scenario("release of a hold", (_first, _second, _held), _released),
    Scenario("upload under a hold", (_first, _held), _second),
    Scenario("upload that its client breaks off", (_first,), _broken_off, (400,)),
    Scenario("upload of many parts", (), _large),
)

PURGE = Scenario("purge", (_first, _added_to_newest, _step("filearchive"), _step("delfile")), _purged)
"""Of a version with a replaced file. It is every workspace's purge, so one such stage is there at a time."""
