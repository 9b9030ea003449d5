"""Uploads that were begun and not finished: a small file for each, by which the same command goes on where the server is.

They are below ``XDG_STATE_HOME``, which is ``~/.local/state`` unless set (XDG Base Directory Specification). What is lost with one
is that the upload begins anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from holdfast.cli.failures import CONFLICT, Failure


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload: what the server calls it, how long its chunks are, and what the file was like (its size in bytes, and when it was
    last modified, in nanoseconds)."""

    upload_id: str
    chunk_size: int
    size: int
    modified: int


class Memory:
    """What is known of one file's upload to one workspace. For one process at a time."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def recall(self) -> Begun | None:
        self._file.seek(0)
        try:
            return Begun(**json.load(self._file))
        except (ValueError, TypeError):
            return None

    def keep(self, begun: Begun) -> None:
        self.forget()
        json.dump(asdict(begun), self._file)
        self._file.flush()

    def forget(self) -> None:
        self._file.seek(0)
        self._file.truncate()


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    base = environment.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(base) / "holdfast" / "uploads"


@contextmanager
def remembered(*whose: str, path: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Memory]:
    """The memory of the file at ``path``; ``whose``: server, user, workspace. Raises Failure when another process uploads it."""
    name = hashlib.sha256(json.dumps([*whose, str(path.resolve())]).encode()).hexdigest()
    place = folder(environment) / f"{name}.json"
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with place.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Another process is uploading {path}.", CONFLICT) from None
        memory = Memory(file)
        try:
            yield memory
        finally:
            if memory.recall() is None:
                place.unlink(missing_ok=True)
