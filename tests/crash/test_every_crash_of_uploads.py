"""A process dies at each fail point of a resumable upload, and the one that recovers dies at each of its own: what was complete
becomes a version without its client's help, what was not is as if it had never been, and nothing is left in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest
from tests.crash.explorer import Explorer, batches
from tests.crash.pairing import KINDS
from tests.crash.scenarios import Caller, Replies, Reply, Scenario
from tests.crash.test_every_crash import die_once, pairs_of
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.speaking import metadata

CHUNK = 3 << 20
"""Bytes. Two of them are joined into a part."""


@dataclass(frozen=True)
class InChunks:
    """An upload of that many bytes, as 001's clients send it; its client promises the hash, so that it can be recognised."""

    size: int

    async def __call__(self, by: Caller, _so_far: Replies, _key: str | None) -> Reply:
        content = bytes(self.size - 4) + b"last"
        chunks = [content[at : at + CHUNK] for at in range(0, self.size, CHUNK)]
        reply = await by.ask("POST", "/api/v1/file/upload/init/")
        upload = {"upload_id": reply.json()["data"]["upload_id"]}
        for index, chunk in reversed(list(enumerate(chunks))):
            form = {**upload, "chunk_index": str(index)}
            reply = await by.ask("POST", "/api/v1/file/upload/chunk/", data=form, files={"file": ("blob", chunk)})
            assert reply.is_success, reply.text
        whole = {**upload, "total_chunks": str(len(chunks)), "total_size": str(self.size), "filename": "whole.txt"}
        promised = {"sha256": sha256(content).hexdigest()}
        reply = await by.ask("POST", "/api/v1/file/upload/complete/", data={**whole, **promised})
        return Reply(reply.status_code, json=reply.json()["data"] or {})


VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {**VERSION, "Content-Type": "application/offset+octet-stream"}


async def begin(by: Caller, length: int | None, **headers: str) -> str:
    """An upload by tus, of which the length may be said later; its path."""
    said = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    reply = await by.ask("POST", "/uploads", headers={**VERSION, **said, **headers})
    assert reply.status_code == 201, reply.text
    return httpx.URL(reply.headers["location"]).path


async def patch(by: Caller, path: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
    return await by.ask("PATCH", path, headers={**BYTES, "Upload-Offset": str(offset), **headers}, content=content)


@dataclass(frozen=True)
class ByTus:
    """An upload of that many bytes in two requests; the second one says how long it is."""

    size: int

    async def __call__(self, by: Caller, _so_far: Replies, _key: str | None) -> Reply:
        content, half = bytes(self.size - 4) + b"last", self.size // 2
        promised = metadata(filename="whole.txt", sha256=sha256(content).hexdigest())
        path = await begin(by, None, **promised)
        first = await patch(by, path, 0, content[:half])
        assert first.is_success, first.text
        last = await patch(by, path, half, content[half:], **{"Upload-Length": str(self.size)})
        return Reply(200 if last.is_success else last.status_code, json=named(last))


@dataclass(frozen=True)
class Concatenated:
    """A final upload of two partial ones: one of a part and a piece, one small."""

    size: int

    async def __call__(self, by: Caller, _so_far: Replies, _key: str | None) -> Reply:
        content, paths = bytes(self.size - 4) + b"last", []
        for piece in (content[:-3], content[-3:]):
            paths.append(await begin(by, len(piece), **{"Upload-Concat": "partial"}))
            sent = await patch(by, paths[-1], 0, piece)
            assert sent.is_success, sent.text
        promised = metadata(filename="whole.txt", sha256=sha256(content).hexdigest())
        said = {**VERSION, "Upload-Concat": f"final;{' '.join(paths)}", **promised}
        final = await by.ask("POST", "/uploads", headers=said)
        return Reply(200 if final.is_success else final.status_code, json=named(final))


def named(reply: httpx.Response) -> dict[str, str]:
    """The version that it names."""
    names = {"asset_path": "holdfast-asset-path", "version_id": "holdfast-version-id"}
    return {name: reply.headers[header] for name, header in names.items() if header in reply.headers}


@dataclass(frozen=True)
class Direct:
    """An upload of that many bytes, in a part that goes straight to the store."""

    size: int

    async def __call__(self, by: Caller, _so_far: Replies, _key: str | None) -> Reply:
        content = bytes(self.size - 4) + b"last"
        digest = {"sha256": sha256(content).hexdigest()}
        reply = await by.ask("POST", "/api/v1/file/upload/init/")
        upload = {"upload_id": reply.json()["data"]["upload_id"]}
        promise = {**upload, "part_size": 5 << 20, "parts": [{"number": 1, "size": self.size, **digest}]}
        reply = await by.ask("POST", "/api/v1/file/upload/parts", json=promise)
        assert reply.is_success, reply.text
        [link] = reply.json()["data"]["parts"]
        async with httpx.AsyncClient(trust_env=False, verify=False) as store:
            sent = await store.put(link["url"], headers=link["headers"], content=content)
        assert sent.is_success, sent.text
        whole = {**upload, "total_chunks": "1", "total_size": str(self.size), "filename": "whole.txt"}
        reply = await by.ask("POST", "/api/v1/file/upload/complete/", data={**whole, **digest})
        return Reply(reply.status_code, json=reply.json()["data"] or {})


SCENARIOS: Sequence[Scenario] = (
    Scenario("in chunks that are joined", (), InChunks(2 * CHUNK + 5)),
    Scenario("in one small chunk", (InChunks(7),), InChunks(8)),
    Scenario("by tus, in parts", (), ByTus(11 << 20)),
    Scenario("by tus, small", (ByTus(7),), ByTus(8)),
    Scenario("by tus, concatenated", (), Concatenated((6 << 20) + 9)),
)

pytestmark = pytest.mark.usefixtures("frozen")


LARGE = {"in chunks that are joined", "by tus, in parts", "by tus, concatenated"}
"""Scenarios whose megabytes take minutes on servers: there they are run with pairs only (``pairing.py``)."""
CASES = [
    pytest.param(stack, scenario, id=f"{stack}-{scenario.name}")
    for stack in (SQLITE, SQL)
    for scenario in SCENARIOS
    if stack == SQLITE or KINDS or scenario.name not in LARGE
]
STRAIGHT = Scenario("straight to the store", (), Direct(8))
"""Which a folder has no address for."""
CASES.append(pytest.param(SQL, STRAIGHT, id=f"{SQL}-{STRAIGHT.name}"))


@pytest.mark.timeout(0 if KINDS else 900)
@pytest.mark.parametrize(("stack", "scenario"), CASES, indirect=["stack"])
def test_a_process_dies_at_every_fail_point_of_an_upload(stack: Stack, scenario: Scenario, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    explorer = Explorer(stack, {"upload_chunk": CHUNK})
    course = explorer.course(scenario)
    assert {name for name, _ in course.hits} >= {"session.open.before", "session.store.after"}
    traces = die_once(explorer, scenario, course)
    singles = explorer.schedules
    for batch in batches(pairs_of(stack, scenario, traces)):
        for (first, second), stage in zip(batch, explorer.stages(scenario, len(batch)), strict=True):
            explorer.die_twice(scenario, course, stage, first, second)
        explorer.settle()
    told = f"{singles} schedules, {explorer.schedules - singles} pairs, {time.monotonic() - began:.0f} s"
    tell(f"{stack.name}, upload {scenario.name}: {told}")
    assert singles >= len(course.hits) > 0
    assert len(explorer.missed) < explorer.schedules / 10
