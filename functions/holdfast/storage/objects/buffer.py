"""The buffer of a writer, and how it is filled."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod


class Buffer:
    """Room for ``capacity`` bytes, filled from the front.

    Anonymous memory of its own rather than a bytearray: a page costs nothing before it is written, so a small object in a large
    buffer costs what it is long, and all of it goes back to the system at once, whatever the allocator thinks.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._view = memoryview(mmap.mmap(-1, capacity, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    @property
    def full(self) -> bool:
        return self.used == self.capacity

    def feed(self, data: bytes | memoryview) -> int:
        """Copies what fits, and returns how many bytes that were."""
        taken = min(len(data), self.capacity - self.used)
        self._view[self.used : self.used + taken] = memoryview(data)[:taken]
        self.used += taken
        return taken

    def content(self) -> memoryview:
        """What has been fed, not copied: good until the next ``clear`` and ``feed``."""
        return self._view[: self.used]

    def clear(self) -> None:
        """Forgets the content and keeps the room."""
        self.used = 0

    def release(self) -> None:
        """Gives the memory back. From now on nothing fits."""
        self.capacity = self.used = 0
        self._view = memoryview(b"")


class Buffered(ABC):
    """The half of ``port.Writer`` that is about the buffer; an adapter says where a full one goes."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer

    @property
    def full(self) -> bool:
        return self._buffer.full

    def feed(self, data: bytes | memoryview) -> int:
        return self._buffer.feed(data)

    def flush(self) -> None:
        if self._buffer.full:
            self._pass_on()

    @abstractmethod
    def _pass_on(self) -> None:
        """Sends the buffer's content on, and makes room."""
