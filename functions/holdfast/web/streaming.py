"""A body out of the store: one thread hop per chunk, nothing read for a client that is gone, and no clean end to a broken one."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.web.hop import Threads

if TYPE_CHECKING:
    from holdfast.storage.objects.port import Objects


class CutShort(Exception):
    """The store gave fewer bytes than the registry says. The connection is broken off, so that nobody takes them for the whole."""


class Body:
    """``length`` bytes of an object, whose first chunk is already there: until then an error still gets its own reply."""

    def __init__(self, chunks: Iterator[bytes], first: bytes, length: int, threads: Threads) -> None:
        self._chunks = chunks
        self._next = first
        self._left = length
        self._threads = threads

    @classmethod
    async def open(cls, objects: Objects, key: str, start: int, length: int, threads: Threads) -> Body:
        """Raises what ``objects.read`` raises."""

        def first() -> tuple[Iterator[bytes], bytes]:
            chunks = objects.read(key, start, length)
            return chunks, _take(chunks, length)

        return cls(*await threads.run(first), length, threads)

    async def chunk(self) -> bytes:
        """The next one, not empty. Raises CutShort, and what the store raises."""
        chunk = self._next or await self._threads.run_through(_take, self._chunks, self._left)
        self._next = b""
        if not 0 < len(chunk) <= self._left:
            raise CutShort(f"{self._left} bytes were still to come, {len(chunk)} came")
        self._left -= len(chunk)
        return chunk

    @property
    def ended(self) -> bool:
        return self._left == 0

    async def close(self) -> None:
        """Gives the store's connection back, unless the body was read to its end."""
        if not self.ended:
            await self._threads.run_through(_close, self._chunks)


def _take(chunks: Iterator[bytes], left: int) -> bytes:
    """The next chunk; with the last one the store's stream is closed, in the same hop."""
    chunk = next(chunks, b"")
    if len(chunk) >= left:
        _close(chunks)
    return chunk


def _close(chunks: Iterator[bytes]) -> None:
    if isinstance(chunks, Generator):
        chunks.close()


class Source(Protocol):
    """What a reply streams: a ``Body``, or what is made of several."""

    @property
    def ended(self) -> bool:
        """Whether no chunk is to come."""

    async def chunk(self) -> bytes:
        """The next one."""

    async def close(self) -> None:
        """Gives back what it holds."""


class ContentResponse(Response):
    """``headers`` hold the Content-Length, by which the server breaks the connection when fewer bytes were sent."""

    def __init__(self, body: Source, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while not gone.done():
                chunk = await self._body.chunk()
                await send({"type": "http.response.body", "body": chunk, "more_body": not self._body.ended})
                if self._body.ended:
                    break
        finally:
            gone.cancel()
            await self._body.close()
        if self.background is not None:
            await self.background()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
