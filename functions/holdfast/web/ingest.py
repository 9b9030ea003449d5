"""From a request's body into the store, in constant memory: one thread hop per filled buffer, and none for a small file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import file_too_large
from holdfast.web.hop import Threads

if TYPE_CHECKING:
    from holdfast.storage.objects.port import Writer

HEAD = 4096
"""How many of the first bytes are kept, to tell a file's type from."""
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Poured:
    """``size`` in bytes; ``head`` are the first ``HEAD`` of them."""

    size: int
    head: bytes


async def pour(
    chunks: AsyncIterable[bytes | memoryview],
    writer: Writer,
    threads: Threads,
    *,
    limit: int,
    heartbeat: Callable[[], None] | None = None,
    every: float = HEARTBEAT_SECONDS,
) -> Poured:
    """Feeds ``chunks`` (a form's part, or a request's stream) to ``writer``, which then still has to be finished: the caller does
    that together with its SQL in one hop, or aborts.

    ``heartbeat`` blocks; it is called in a thread, at most ``every`` so many seconds, while bytes come. Raises TooLarge as soon
    as more than ``limit`` bytes came, and whatever the chunks, the writer or the heartbeat raise; the writer is aborted then.
    """
    clock = asyncio.get_running_loop().time
    size, head, beaten = 0, b"", clock()
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise file_too_large(limit)
            if len(head) < HEAD:
                head += bytes(chunk[: HEAD - len(head)])
            beat = heartbeat if heartbeat is not None and clock() - beaten >= every else None
            if beat is not None:
                beaten = clock()
            taken = 0 if writer.full else writer.feed(chunk)
            if taken < len(chunk) or beat is not None:
                await threads.run_through(_pass_on, writer, memoryview(chunk)[taken:], beat)
    except BaseException:
        await asyncio.shield(threads.run_through(writer.abort))
        raise
    return Poured(size, head)


def _pass_on(writer: Writer, rest: memoryview, beat: Callable[[], None] | None) -> None:
    """In a thread: makes room for the rest of a chunk, until all of it is taken."""
    while rest:
        writer.flush()
        rest = rest[writer.feed(rest) :]
    if beat is not None:
        beat()
