"""A process dies at each fail point of a resumable upload, and the one that recovers dies at each of its own: what was complete
becomes a version without its client's help, what was not is as if it had never been, and nothing is left in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pytest
from tests.crash.explorer import Explorer, batches
from tests.crash.scenarios import Caller, Replies, Reply, Scenario
from tests.crash.test_every_crash import die_once, pairs_of
from tests.stacks import SQL, SQLITE, Stack

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


SCENARIOS: Sequence[Scenario] = (
    Scenario("in chunks that are joined", (), InChunks(2 * CHUNK + 5)),
    Scenario("in one small chunk", (InChunks(7),), InChunks(8)),
)

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_process_dies_at_every_fail_point_of_an_upload(stack: Stack, scenario: Scenario, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    explorer = Explorer(stack, {"upload_chunk": CHUNK})
    course = explorer.course(scenario)
    assert {name for name, _ in course.hits} >= {"session.open.before", "session.complete.after", "session.store.after"}
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
