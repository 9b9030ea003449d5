"""Objects as files in a folder.

    <root>/finished/<key>              what is visible; a key's segments are folders
    <root>/temporary/<key>~<random>    what is on its way in ("/" of the key written as ",")

A writer streams into its temporary file, syncs it, and makes it visible by a hard link, which never replaces what is there. An
assembly is such a file too (``folder_assembly``). A crash leaves at most a temporary file, or a second name for a finished object:
nobody reads those, and ``delete`` of the key removes them.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import secrets
import stat
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from holdfast.storage.objects.assembly import Assembled, AssemblyMissing, Held, Part, SignedPart
from holdfast.storage.objects.buffer import Buffer, Buffered
from holdfast.storage.objects.files import MISSING, create, faults, publish, sync
from holdfast.storage.objects.folder_assembly import ASSEMBLY, FolderPart, complete
from holdfast.storage.objects.keys import check_key
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import CHUNK, ObjectMissing, Stored
from holdfast.storage.objects.probe import probe, probe_reading

BUFFER = 1 << 20
NAMES_AT_ONCE = 50_000
"""How many names of one folder ``keys`` holds at a time, about 5 MB; a larger folder is read several times over."""


class FolderObjects:
    """The objects port on a local or network folder with hard links; ``root`` is made when the first object comes."""

    def __init__(self, root: Path, names_at_once: int = NAMES_AT_ONCE) -> None:
        self._names_at_once = names_at_once
        self._finished = root / "finished"
        self._temporary = root / "temporary"

    def writer(self, key: str, content_type: str) -> FolderWriter:
        return FolderWriter(self._finished / check_key(key), self._temporary / f"{_flat(key)}~{secrets.token_hex(8)}")

    def assemble(self, key: str, content_type: str) -> str:
        assembly = secrets.token_hex(16)
        file = self._assembly(key, assembly)
        with faults(), step("assemble"):
            os.close(create(file))
            sync(file.parent)
        return assembly

    def part(self, key: str, assembly: str, number: int, offset: int, capacity: int) -> FolderPart:
        return FolderPart(self._assembly(key, assembly), number, offset, capacity)

    def parts(self, key: str, assembly: str) -> list[Held]:
        with faults():
            if not self._assembly(key, assembly).exists():
                raise AssemblyMissing(key)
        return []

    def complete(self, key: str, assembly: str, parts: Sequence[Part]) -> Assembled:
        return complete(self._assembly(key, assembly), self._finished / check_key(key), parts)

    def abandon(self, key: str, assembly: str) -> None:
        with faults(), step("abandon"):
            self._assembly(key, assembly).unlink(missing_ok=True)

    def part_link(self, key: str, assembly: str, number: int, *, size: int, sha256: str, expires: datetime) -> SignedPart | None:
        return None

    def _assembly(self, key: str, assembly: str) -> Path:
        if not ASSEMBLY.fullmatch(assembly):
            raise ValueError(f"not an assembly: {assembly!r}")
        return self._temporary / f"{_flat(check_key(key))}~{assembly}"

    def read(self, key: str, start: int = 0, length: int | None = None) -> Generator[bytes, None, None]:
        with faults():
            fd = self._open(key)
        chunks = _chunks(fd, start, length)
        next(chunks)
        return chunks

    def _open(self, key: str) -> int:
        try:
            fd = os.open(self._finished / check_key(key), os.O_RDONLY)
        except MISSING as error:
            raise ObjectMissing(key) from error
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise ObjectMissing(key)

    def size(self, key: str) -> int | None:
        with faults():
            try:
                found = (self._finished / check_key(key)).stat()
            except MISSING:
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def delete(self, key: str) -> None:
        path = self._finished / check_key(key)
        with faults(), step("delete"):
            self._tidy(key)
            with suppress(*MISSING):
                path.unlink()
                sync(path.parent)
            for folder in path.parents:
                if folder == self._finished or not _removed(folder):
                    break

    def tidy(self, key: str) -> None:
        check_key(key)
        with faults(), step("delete"):
            self._tidy(key)

    def _tidy(self, key: str) -> None:
        for entry in _entries(self._temporary):
            if entry.name.startswith(f"{_flat(key)}~"):
                Path(entry.path).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        base = prefix.rpartition("/")[0]
        folder = self._finished / check_key(base) if base else self._finished
        return _walk(folder, f"{base}/" if base else "", prefix, self._names_at_once)

    def link(self, key: str, *, expires: datetime, content_type: str, disposition: str) -> str | None:
        return None

    def check(self) -> None:
        probe(self, self.delete)

    def check_reading(self) -> None:
        probe_reading(self)


class FolderWriter(Buffered):
    """A temporary file on its way to ``path``."""

    def __init__(self, path: Path, temporary: Path) -> None:
        super().__init__(Buffer(BUFFER))
        self._path = path
        self._temporary = temporary
        self._hash = hashlib.sha256()
        self._size = 0
        self._fd: int | None = None
        self._close: weakref.finalize[[int], FolderWriter] | None = None

    def _pass_on(self) -> None:
        content = self._buffer.content()
        with faults(), step("part"):
            if self._fd is None:
                self._fd = create(self._temporary)
                self._close = weakref.finalize(self, os.close, self._fd)  # a writer that is dropped keeps no file open
            rest = content
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        self._hash.update(content)
        self._size += len(content)
        self._buffer.clear()

    def finish(self) -> Stored:
        if self._fd is None or self._buffer.used:
            self._pass_on()
        assert self._fd is not None
        with faults():
            os.fsync(self._fd)
            with step("put" if self._size <= BUFFER else "complete"):
                publish(self._temporary, self._path, self._is_ours)
        self.abort()
        return Stored(self._size, self._hash.hexdigest())

    def _is_ours(self) -> bool:
        """Whether the file that is there already holds the bytes that we bring."""
        with self._path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").digest() == self._hash.digest()

    def abort(self) -> None:
        self._buffer.release()
        with suppress(OSError):
            if self._close is not None:
                self._close()
            self._temporary.unlink(missing_ok=True)


def _flat(key: str) -> str:
    return key.replace("/", ",")


def _chunks(fd: int, start: int, length: int | None) -> Generator[bytes, None, None]:
    """The first item is not content: taking it enters the ``with``, so that ``close`` closes the file from then on."""
    with open(fd, "rb", buffering=0) as file:
        yield b""
        with faults():
            file.seek(start)
            left = length
            while left is None or left > 0:
                chunk = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk


def _walk(folder: Path, base: str, prefix: str, at_once: int) -> Iterator[str]:
    last = ""
    while True:
        with faults():
            later = ((entry.name, entry.is_dir()) for entry in _entries(folder) if entry.name > last)
            batch = heapq.nsmallest(at_once, later)
        for name, is_folder in batch:
            key = base + name
            if not (key + "/" if is_folder else key).startswith(prefix):
                continue
            if is_folder:
                yield from _walk(folder / name, key + "/", prefix, at_once)
            else:
                yield key
        if len(batch) < at_once:
            return
        last = batch[-1][0]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(*MISSING), os.scandir(folder) as entries:
        yield from entries


def _removed(folder: Path) -> bool:
    """Whether the folder is gone now. One that still holds something stays; rmdir decides that atomically: no writer is hurt."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True
