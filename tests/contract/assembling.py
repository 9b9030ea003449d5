"""What the tests of assemblies do with them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.contract.object_stores import KEY, TYPE, some_bytes

from holdfast.storage.objects import Assembled, Objects, Part, PartWriter
from holdfast.storage.objects.parts import MIN_PART

FIRST, SECOND, LAST = some_bytes(MIN_PART, 1), some_bytes(MIN_PART + 7, 2), some_bytes(100, 3)
WHOLE = FIRST + SECOND + LAST


def assembled(content: bytes, sha256: str | None) -> Assembled:
    """What completing to ``content`` says; ``sha256`` is what it did say, of which a store may say None."""
    return Assembled(len(content), zlib.crc32(content), sha256 and hashlib.sha256(content).hexdigest())


@dataclass
class Assembly:
    """One assembly; what is done with it goes through ``objects``."""

    objects: Objects
    id: str
    key: str = KEY

    def writer(self, content: bytes, number: int, offset: int) -> PartWriter:
        writer = self.objects.part(self.key, self.id, number, offset, max(len(content), 1))
        assert writer.feed(content) == len(content)
        return writer

    def put(self, content: bytes, number: int, offset: int) -> Part:
        return self.writer(content, number, offset).finish()

    def complete(self, parts: Sequence[Part]) -> Assembled:
        return self.objects.complete(self.key, self.id, parts)


def begun(objects: Objects, key: str = KEY) -> Assembly:
    return Assembly(objects, objects.assemble(key, TYPE), key)


def filled(objects: Objects, key: str = KEY, contents: Sequence[bytes] = (FIRST, SECOND, LAST)) -> tuple[Assembly, list[Part]]:
    """An assembly with all its parts: completing it gives ``WHOLE``."""
    assembly, parts, offset = begun(objects, key), list[Part](), 0
    for number, content in enumerate(contents, 1):
        parts.append(assembly.put(content, number, offset))
        offset += len(content)
    return assembly, parts
