from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.errors import TooLarge
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.port import Stored, StoreUnavailable, Writer
from holdfast.web.hop import Threads
from holdfast.web.ingest import pour


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.close()


async def pieces(*chunks: bytes | memoryview) -> AsyncIterator[bytes | memoryview]:
    for chunk in chunks:
        yield chunk


class Watched:
    """A writer that notes what is done to it, and where; it passes everything on to a real one."""

    def __init__(self, writer: Writer, *, fails: bool = False) -> None:
        self._writer, self._fails = writer, fails
        self.done: list[str] = []
        self.threads: set[str] = set()
        self.at_flush = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def full(self) -> bool:
        return self._writer.full

    def feed(self, data: bytes | memoryview) -> int:
        return self._writer.feed(data)

    def flush(self) -> None:
        self._note("flush")
        self.at_flush.set()
        self.go_on.wait(10)
        if self._fails:
            raise StoreUnavailable()
        self._writer.flush()
        self.done.append("flushed")

    def finish(self) -> Stored:
        self._note("finish")
        return self._writer.finish()

    def abort(self) -> None:
        self._note("abort")
        self._writer.abort()

    def _note(self, name: str) -> None:
        self.done.append(name)
        self.threads.add(threading.current_thread().name)


def test_what_is_poured_can_be_read_back(tmp_path: Path, threads: Threads) -> None:
    objects = FolderObjects(tmp_path)
    content = bytes(range(256)) * 4 * 3000 + b"end"
    writer = objects.writer("data/u/0", "image/png")
    chunks = [memoryview(content)[at : at + 70_001] for at in range(0, len(content), 70_001)]
    poured = asyncio.run(pour(pieces(*chunks), writer, threads, limit=len(content)))
    assert (poured.size, poured.head) == (len(content), content[:4096])
    assert writer.finish() == Stored(len(content), sha256(content).hexdigest())
    assert b"".join(objects.read("data/u/0")) == content


def test_a_chunk_larger_than_the_buffer_is_taken_whole(tmp_path: Path, threads: Threads) -> None:
    content = b"x" * 5_000_000
    writer = FolderObjects(tmp_path).writer("data/u/0", "image/png")
    asyncio.run(pour(pieces(content), writer, threads, limit=len(content)))
    assert writer.finish() == Stored(len(content), sha256(content).hexdigest())


def test_a_small_file_costs_no_hop(tmp_path: Path, threads: Threads) -> None:
    writer = Watched(FolderObjects(tmp_path).writer("data/u/0", "image/png"))
    asyncio.run(pour(pieces(b"small ", b"file"), writer, threads, limit=10))
    assert writer.done == []


def test_blocking_work_never_runs_on_the_event_loop(tmp_path: Path, threads: Threads) -> None:
    writer = Watched(FolderObjects(tmp_path).writer("data/u/0", "image/png"))
    asyncio.run(pour(pieces(*[b"x" * 700_000] * 5), writer, threads, limit=10**9))
    assert "flush" in writer.done
    assert all(name.startswith("hop") for name in writer.threads)


def test_more_than_the_limit_is_refused_and_nothing_stays(tmp_path: Path, threads: Threads) -> None:
    objects = FolderObjects(tmp_path)
    writer = Watched(objects.writer("data/u/0", "image/png"))
    with pytest.raises(TooLarge):
        asyncio.run(pour(pieces(b"x" * 1_500_000, b"x"), writer, threads, limit=1_500_000))
    assert writer.done[-1] == "abort"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_fails_ends_it_and_the_writer_is_aborted(tmp_path: Path, threads: Threads) -> None:
    writer = Watched(FolderObjects(tmp_path).writer("data/u/0", "image/png"), fails=True)
    with pytest.raises(StoreUnavailable):
        asyncio.run(pour(pieces(*[b"x" * 1_500_000] * 3), writer, threads, limit=10**9))
    assert writer.done == ["flush", "abort"]


def test_a_cancelled_request_lets_the_flush_end_before_it_aborts(tmp_path: Path, threads: Threads) -> None:
    writer = Watched(FolderObjects(tmp_path).writer("data/u/0", "image/png"))
    writer.go_on.clear()

    async def cancelled_in_a_flush() -> None:
        task = asyncio.create_task(pour(pieces(*[b"x" * 1_500_000] * 3), writer, threads, limit=10**9))
        await asyncio.to_thread(writer.at_flush.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        writer.go_on.set()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled_in_a_flush())
    assert writer.done == ["flush", "flushed", "abort"]


def test_a_slow_client_is_known_to_be_alive(tmp_path: Path, threads: Threads) -> None:
    beats: list[str] = []
    writer = FolderObjects(tmp_path).writer("data/u/0", "image/png")

    def beat() -> None:
        beats.append(threading.current_thread().name)

    asyncio.run(pour(pieces(b"a", b"b", b"c"), writer, threads, limit=10, heartbeat=beat, every=0))
    assert len(beats) == 3
    assert all(name.startswith("hop") for name in beats)
    asyncio.run(pour(pieces(b"a", b"b", b"c"), writer, threads, limit=10, heartbeat=beat, every=3600))
    assert len(beats) == 3
