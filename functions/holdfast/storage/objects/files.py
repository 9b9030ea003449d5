"""What the folder adapter does with files: making them, making them visible, and naming what a disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.storage.objects.port import ObjectExists, StoreUnavailable

LINK_ATTEMPTS = 100
"""Deletes may take the folder away under a writer, again and again, but hardly that often."""
MISSING = (FileNotFoundError, NotADirectoryError)

_DETAILS = {
    errno.ENOSPC: "The disk of the object folder is full.",
    errno.EDQUOT: "The quota of the object folder is used up.",
    errno.EROFS: "The object folder is read-only.",
    errno.EACCES: "The object folder cannot be written with the rights at hand.",
    errno.EPERM: "The object folder's file system refuses what is needed: hard links, and the right to write.",
    errno.ENOLCK: "The object folder's file system refuses what is needed: locks.",
    errno.EIO: "The disk of the object folder is faulty.",
}


@contextmanager
def faults() -> Iterator[None]:
    """What the disk raises becomes StoreUnavailable."""
    try:
        yield
    except OSError as error:
        detail = _DETAILS.get(error.errno or 0, "The object folder does not work at the moment.")
        raise StoreUnavailable(detail) from error


def create(path: Path) -> int:
    """A new file, and its folder if there is none: open for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o640)


def publish(temporary: Path, path: Path, is_ours: Callable[[], bool]) -> None:
    """Gives a file of ``<root>/temporary`` its lasting name below ``<root>``, durably. ``is_ours`` is asked about a file that has
    it already. Raises ObjectExists when that is another's, and StoreUnavailable."""
    for _ in range(LINK_ATTEMPTS):
        # A delete may take the folder away between any two of these steps; within mkdir that shows as FileExistsError.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(temporary, path)
            except FileExistsError:
                if not is_ours():
                    raise ObjectExists(path.name) from None
            break
    else:
        raise StoreUnavailable("The object's folder or temporary file is being removed while it is written.")
    # The folders on the way too: another writer may have made them and not have synced them yet.
    root = temporary.parent.parent
    for folder in path.parents:
        sync(folder)
        if folder == root:
            break


def sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
