"""The objects port: immutable bytes by key.

Keys are ours (``data/<upload_id>/<n>``; ``keys.check_key`` has the grammar, and raises ValueError), never a client's. An object
appears whole or not at all, is never overwritten, and reads back exactly as written. Calls block: handlers make them in their one
thread hop. Nothing holds more than one part (``Writer``, ``PartWriter``) or one chunk (``read``) in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.errors import BytesMissing, Unavailable
from holdfast.storage.objects.assembly import Assembled, Held, Part, PartWriter, SignedPart

CHUNK = 1 << 20
"""Bytes that ``read`` yields at a time; the last chunk may be shorter."""


class StoreUnavailable(Unavailable):
    """The store does not answer, answers too late, or answers with a fault of its own. What was asked may or may not be done."""

    slug = "store-unavailable"

    def __init__(self, detail: str = "The store does not answer at the moment.", *, retry_after: int = 5) -> None:
        super().__init__(detail, retry_after=retry_after)


class ObjectMissing(BytesMissing):
    """There is no object under the key, which is told to the log and to no client."""

    def __init__(self, key: str) -> None:
        super().__init__("The store has no bytes of this file. `holdfast verify` names all such files to who runs Holdfast.")
        self.add_note(key)


class ObjectExists(Exception):
    """Another object is already under the key. What is there was not touched."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What ``Writer.finish`` says: bytes and the sha256 (hex) of what was written, computed on the way."""

    size: int
    sha256: str


class Writer(Protocol):
    """One object on its way in. Used by one task at a time.

    ``feed`` only copies into the writer's buffer, so it may run on the event loop; the others block. A writer that is dropped
    without ``finish`` or ``abort`` leaves at most what ``Objects.delete`` of its key removes.
    """

    @property
    def full(self) -> bool:
        """Whether the buffer is full, so that ``flush`` must come before the next ``feed``."""

    def feed(self, data: bytes | memoryview) -> int:
        """Takes as many bytes of ``data`` as fit, and returns how many that were."""

    def flush(self) -> None:
        """Sends the buffer on if it is full. Raises StoreUnavailable, after which only ``abort`` is allowed."""

    def finish(self) -> Stored:
        """Sends the rest and makes the object visible, durably where the store can. Raises ObjectExists when another object is
        under the key (the same bytes, left there by a retry whose reply was lost, count as ours), StoreUnavailable; after either
        only ``abort`` is allowed."""

    def abort(self) -> None:
        """Gives up: nothing becomes visible. Never raises; what could not be removed is removed by ``Objects.delete``."""


class Objects(Protocol):
    """Where bytes live."""

    def writer(self, key: str, content_type: str) -> Writer:
        """A writer for a new object. Does nothing yet in the store. ``content_type`` is printable ASCII."""

    def assemble(self, key: str, content_type: str) -> str:
        """Begins an object whose parts come one by one, from whatever process, and says what the assembly is called: at most 255
        printable ASCII characters. Nothing is visible before ``complete``. Raises StoreUnavailable."""

    def part(self, key: str, assembly: str, number: int, offset: int, capacity: int) -> PartWriter:
        """A writer for part ``number`` (1 to 10,000) of at most ``capacity`` bytes (1 at least), with ``offset`` bytes of the
        object before it. Does nothing yet in the store. A part that has the number already is replaced by ``finish``; on a folder,
        so is whatever else was written at these offsets."""

    def parts(self, key: str, assembly: str) -> list[Held]:
        """What the store has, by number, of several with one number the latest; nothing on a store without ``part_link``, where
        only who wrote a part knows. Raises AssemblyMissing, StoreUnavailable."""

    def complete(self, key: str, assembly: str, parts: Sequence[Part]) -> Assembled:
        """Makes the object visible, durably where the store can, of exactly these parts (``assembly.check_parts`` says which can
        be). Says the same when it is asked again, by whomever. Raises PartsDiffer; ObjectExists when another object is under the
        key; AssemblyMissing; StoreUnavailable, after which it should be asked again.

        SeaweedFS never frees the bytes of a part whose number is not named, but frees those of one that was replaced: whoever
        writes in another's place should use the other's number."""

    def abandon(self, key: str, assembly: str) -> None:
        """Removes the assembly and all its parts; not what it was completed to. Not to be called while anybody may be completing
        it. Nothing there is no error. Raises StoreUnavailable."""

    def part_link(self, key: str, assembly: str, number: int, *, size: int, sha256: str, expires: datetime) -> SignedPart | None:
        """What lets a client PUT part ``number`` straight to the store until ``expires`` (at most 7 days ahead): bytes of that size
        and sha256 (hex) and no others. It is good for nothing once the assembly is complete or abandoned. None when the store has
        no address of its own. No call to the store."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> Generator[bytes, None, None]:
        """The bytes from ``start`` on, ``length`` of them (default: to the end; there may be fewer, and none), in chunks of at
        most ``CHUNK``. The call itself raises ObjectMissing and StoreUnavailable, the chunks StoreUnavailable. ``close`` what is
        not read to its end: that frees the file or connection."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is none. Raises StoreUnavailable."""

    def delete(self, key: str) -> None:
        """Removes the object and all parts of unfinished ones under the key, assemblies too. No object is no error. Raises
        StoreUnavailable."""

    def tidy(self, key: str) -> None:
        """Removes all that is unfinished under the key, as ``delete`` does, and leaves the object. For when nobody writes to the
        key any more. Raises StoreUnavailable."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with ``prefix``, in constant memory, sorted: by their bytes, unless a segment is the beginning of
        another one that goes on with ``-`` or ``.`` (ids of one length never are); SeaweedFS and folders sort those by segment.
        Raises StoreUnavailable."""

    def link(self, key: str, *, expires: datetime, content_type: str, disposition: str) -> str | None:
        """A URL at the store's public address that gives the object without a token until ``expires`` (at most 7 days ahead) with
        that Content-Type and Content-Disposition; None when the store has no address of its own. No call to the store."""

    def check(self) -> None:
        """Raises StoreUnavailable unless the store can take an object now, and lose one (readiness): writes, reads and deletes a
        small one. A store that keeps what is deleted is refused."""

    def check_reading(self) -> None:
        """As ``check`` for who may only read: writes and deletes nothing, and asks for an object that is not there."""
