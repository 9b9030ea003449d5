"""Objects as files in a folder.

    <root>/finished/<key>              what is visible; a key's segments are folders
    <root>/temporary/<key>~<random>    what is on its way in ("/" of the key written as ",")

A writer streams into its temporary file, syncs it, and makes it visible by a hard link, which never replaces what is there. A
crash leaves at most a temporary file, or a second name for a finished object: nobody reads those, and ``delete`` of the key
removes them.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import secrets
import stat
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from holdfast.storage.objects.buffer import Buffer, Buffered
from holdfast.storage.objects.keys import check_key
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import CHUNK, ObjectExists, ObjectMissing, Stored, StoreUnavailable
from holdfast.storage.objects.probe import probe, probe_reading

BUFFER = 1 << 20
NAMES_AT_ONCE = 50_000
"""How many names of one folder ``keys`` holds at a time, about 5 MB; a larger folder is read several times over."""
LINK_ATTEMPTS = 100
"""Deletes may take the folder away under a writer, again and again, but hardly that often."""

_DETAILS = {
    errno.ENOSPC: "The disk of the object folder is full.",
    errno.EDQUOT: "The quota of the object folder is used up.",
    errno.EROFS: "The object folder is read-only.",
    errno.EACCES: "The object folder cannot be written with the rights at hand.",
    errno.EPERM: "The object folder's file system refuses what is needed: hard links, and the right to write.",
    errno.EIO: "The disk of the object folder is faulty.",
}
_MISSING = (FileNotFoundError, NotADirectoryError)


class FolderObjects:
    """The objects port on a local or network folder with hard links; ``root`` is made when the first object comes."""

    def __init__(self, root: Path, names_at_once: int = NAMES_AT_ONCE) -> None:
        self._names_at_once = names_at_once
        self._finished = root / "finished"
        self._temporary = root / "temporary"

    def writer(self, key: str, content_type: str) -> FolderWriter:
        return FolderWriter(self._finished / check_key(key), self._temporary / f"{_flat(key)}~{secrets.token_hex(8)}")

    def read(self, key: str, start: int = 0, length: int | None = None) -> Generator[bytes, None, None]:
        with _faults():
            fd = self._open(key)
        chunks = _chunks(fd, start, length)
        next(chunks)
        return chunks

    def _open(self, key: str) -> int:
        try:
            fd = os.open(self._finished / check_key(key), os.O_RDONLY)
        except _MISSING as error:
            raise ObjectMissing(key) from error
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise ObjectMissing(key)

    def size(self, key: str) -> int | None:
        with _faults():
            try:
                found = (self._finished / check_key(key)).stat()
            except _MISSING:
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def delete(self, key: str) -> None:
        path = self._finished / check_key(key)
        with _faults(), step("delete"):
            for entry in _entries(self._temporary):
                if entry.name.startswith(f"{_flat(key)}~"):
                    Path(entry.path).unlink(missing_ok=True)
            with suppress(*_MISSING):
                path.unlink()
                _sync(path.parent)
            for folder in path.parents:
                if folder == self._finished or not _removed(folder):
                    break

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
        with _faults(), step("part"):
            if self._fd is None:
                self._fd = _create(self._temporary)
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
        with _faults():
            os.fsync(self._fd)
            with step("put" if self._size <= BUFFER else "complete"):
                self._publish()
        self.abort()
        return Stored(self._size, self._hash.hexdigest())

    def _publish(self) -> None:
        for _ in range(LINK_ATTEMPTS):
            # A delete may take the folder away between any two of these steps; within mkdir that shows as FileExistsError.
            with suppress(FileNotFoundError, FileExistsError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(self._temporary, self._path)
                except FileExistsError:
                    if not self._is_ours():
                        raise ObjectExists(self._path.name) from None
                break
        else:
            raise StoreUnavailable("The object's folder or temporary file is being removed while it is written.")
        # The folders on the way too: another writer may have made them and not have synced them yet.
        for folder in self._path.parents:
            _sync(folder)
            if folder == self._temporary.parent:
                break

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


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o640)


def _chunks(fd: int, start: int, length: int | None) -> Generator[bytes, None, None]:
    """The first item is not content: taking it enters the ``with``, so that ``close`` closes the file from then on."""
    with open(fd, "rb", buffering=0) as file:
        yield b""
        with _faults():
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
        with _faults():
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
    with suppress(*_MISSING), os.scandir(folder) as entries:
        yield from entries


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        detail = _DETAILS.get(error.errno or 0, "The object folder does not work at the moment.")
        raise StoreUnavailable(detail) from error
