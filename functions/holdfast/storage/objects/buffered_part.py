"""The half of ``assembly.PartWriter`` that is about memory and hashes; an adapter says how a part is sent."""

from __future__ import annotations

import hashlib
import zlib
from abc import ABC, abstractmethod
from dataclasses import replace

from holdfast.storage.objects.assembly import Part
from holdfast.storage.objects.buffer import Buffer


class BufferedPart(ABC):
    def __init__(self, number: int, offset: int, capacity: int) -> None:
        self._number = number
        self._offset = offset
        self._buffer = Buffer(capacity)

    @property
    def room(self) -> int:
        return self._buffer.capacity - self._buffer.used

    def feed(self, data: bytes | memoryview) -> int:
        return self._buffer.feed(data)

    def content(self) -> memoryview:
        return self._buffer.content()

    def finish(self) -> Part:
        content = self.content()
        sha256 = hashlib.sha256(content).hexdigest()
        part = Part(self._number, self._offset, len(content), sha256, zlib.crc32(content))
        tag = self._send(part, content)
        self.abort()
        return replace(part, tag=tag)

    def abort(self) -> None:
        self._buffer.release()

    @abstractmethod
    def _send(self, part: Part, content: memoryview) -> str:
        """Sends it, and returns its tag. Raises AssemblyMissing, StoreUnavailable."""
