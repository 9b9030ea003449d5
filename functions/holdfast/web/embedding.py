"""A JSON reply with files in it, as base64, without holding one: text and bodies in turn."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.web.hop import Threads
from holdfast.web.streaming import Body

if TYPE_CHECKING:
    from holdfast.storage.objects.port import Objects

Piece = bytes | tuple[str, int]
"""Text as it is, or an object's key and size in bytes, which becomes its base64 (RFC 4648, section 4)."""


def length(pieces: Sequence[Piece]) -> int:
    """Bytes of the whole."""
    return sum(len(piece) if isinstance(piece, bytes) else 4 * -(-piece[1] // 3) for piece in pieces)


class Embedded:
    """A source for ``streaming.ContentResponse``. One object is open at a time."""

    def __init__(self, objects: Objects, threads: Threads, pieces: Sequence[Piece]) -> None:
        self._objects, self._threads = objects, threads
        self._pieces = list(reversed(pieces))
        self._text = b""
        self._body: Body | None = None
        self._rest = b""

    @classmethod
    async def open(cls, objects: Objects, threads: Threads, pieces: Sequence[Piece]) -> Embedded:
        """The first object is opened already, so that an error with it still gets its own reply. Raises what the store raises."""
        made = cls(objects, threads, pieces)
        await made._advance()
        return made

    @property
    def ended(self) -> bool:
        return self._body is None and not self._text

    async def chunk(self) -> bytes:
        """The next one. Raises what the store raises, and CutShort."""
        if self._text or self._body is None:
            text, self._text = self._text, b""
            return text
        data = self._rest + await self._body.chunk()
        # Three bytes are four characters: what is left over waits for the next chunk.
        whole = len(data) if self._body.ended else len(data) - len(data) % 3
        self._rest = data[whole:]
        if self._body.ended:
            self._body = None
            await self._advance()
        return b64encode(data[:whole])

    async def close(self) -> None:
        if self._body is not None:
            await self._body.close()

    async def _advance(self) -> None:
        """Takes the text up to the next object that is not empty, and opens that."""
        while self._pieces and self._body is None:
            piece = self._pieces.pop()
            if isinstance(piece, bytes):
                self._text += piece
            elif piece[1] > 0:
                self._body = await Body.open(self._objects, piece[0], 0, piece[1], self._threads)
