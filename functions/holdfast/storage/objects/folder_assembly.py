"""An assembly in a folder: one temporary file, which gets each part at its place and becomes the object by a hard link.

A part is written when all of it is here, so that one that breaks off leaves what was there before. Whoever writes a part shares a
lock on the file, whoever completes it has it alone: what arrives later finds that the file is not an assembly any more, and never
reaches an object that can be seen.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.storage.objects.assembly import (
    Assembled,
    AssemblyMissing,
    Part,
    PartsDiffer,
    check_parts,
    crc32_of,
    size_of,
)
from holdfast.storage.objects.buffered_part import BufferedPart
from holdfast.storage.objects.files import MISSING, faults, publish
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import CHUNK, ObjectExists

ASSEMBLY = re.compile(r"[0-9a-f]{32}")


class FolderPart(BufferedPart):
    def __init__(self, file: Path, number: int, offset: int, capacity: int) -> None:
        super().__init__(number, offset, capacity)
        self._file = file

    def _send(self, part: Part, content: memoryview) -> str:
        with faults(), step("part"), _locked(self._file, fcntl.LOCK_SH) as fd:
            written = 0
            while written < part.size:
                written += os.pwrite(fd, content[written:], part.offset + written)
            os.fdatasync(fd)
        return ""


def complete(file: Path, path: Path, parts: Sequence[Part]) -> Assembled:
    """``Objects.complete``: of the temporary file, to what is seen. The bytes are read once, and compared with each part's
    CRC32."""
    check_parts(parts)
    with faults(), step("complete"):
        try:
            with _locked(file, fcntl.LOCK_EX) as fd:
                sha256 = _compare(fd, parts)
                os.ftruncate(fd, size_of(parts))  # of parts that nobody names
                os.fsync(fd)
                publish(file, path, lambda: _is(path, parts))
                file.unlink(missing_ok=True)
        except AssemblyMissing:
            sha256 = _completed(path, parts)
            file.unlink(missing_ok=True)
    return Assembled(size_of(parts), crc32_of(parts), sha256)


@contextmanager
def _locked(file: Path, kind: int) -> Iterator[int]:
    """The assembly's file, open and locked. Raises AssemblyMissing if it is none, or none any more once the lock is there."""
    try:
        fd = os.open(file, os.O_RDWR)
    except MISSING as error:
        raise AssemblyMissing(file.name) from error
    try:
        fcntl.flock(fd, kind)
        # A second name is the object's: somebody died before he took the first one away.
        if not file.exists() or os.fstat(fd).st_nlink != 1:
            raise AssemblyMissing(file.name)
        yield fd
    finally:
        os.close(fd)


def _completed(path: Path, parts: Sequence[Part]) -> str:
    """The sha256 of the object that was made of these parts before. Raises AssemblyMissing when there is none, ObjectExists when
    there is another one."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except MISSING as error:
        raise AssemblyMissing(path.name) from error
    try:
        if os.fstat(fd).st_size == size_of(parts):
            return _compare(fd, parts)
    except PartsDiffer:
        pass
    finally:
        os.close(fd)
    raise ObjectExists(path.name)


def _is(path: Path, parts: Sequence[Part]) -> bool:
    try:
        _completed(path, parts)
    except ObjectExists:
        return False
    return True


def _compare(fd: int, parts: Sequence[Part]) -> str:
    """The sha256 of all bytes of the parts. Raises PartsDiffer."""
    digest, differ = hashlib.sha256(), []
    for part in parts:
        crc, left = 0, part.size
        while left and (chunk := os.pread(fd, min(CHUNK, left), part.offset + part.size - left)):
            crc = zlib.crc32(chunk, crc)
            digest.update(chunk)
            left -= len(chunk)
        if left or crc != part.crc32:
            differ.append(part.number)
    if differ:
        raise PartsDiffer(differ)
    return digest.hexdigest()
