"""A large file in chunks, several at a time, to a server that says which ones it lacks: whoever goes on, in this run or another,
need not know how far anybody came.

By the chunk API, because it takes chunks in any order on every installation, at the one address that the command has. By tus
several parts at a time would have to be copied together in the end; and clients cannot reach every store.
"""

from __future__ import annotations

import mimetypes
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli import credentials
from holdfast.cli.failures import UNAVAILABLE, Failure, Refusal
from holdfast.cli.remembering import Begun, Memory, remembered

if TYPE_CHECKING:
    from holdfast.cli.api import Api
    from holdfast.cli.progress import Meter

LARGE = 16 << 20
"""Files of more bytes go so. A smaller one is sent again as a whole about as quickly as one learns what of it came."""
ASK_AGAIN = 1.0
"""Seconds between two questions whether the server has finished an upload."""


class Changed(Exception):
    """The file is not what it was when its upload began."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What the uploads of one command share. ``patience``: seconds for which what fails is tried again."""

    api: Api
    chunks: ThreadPoolExecutor
    patience: float

    def ask(self, meter: Meter, step: str, form: Mapping[str, str], chunk: bytes | None = None) -> dict[str, Any]:
        """The data of one step of the chunk API. Raises Failure."""
        files = None if chunk is None else {"file": ("chunk", chunk)}

        def attempt() -> dict[str, Any]:
            data: dict[str, Any] = self.api.call("POST", f"/api/v1/file/upload/{step}/", form=form, files=files)["data"]
            return data

        return self.api.insist(attempt, patience=self.patience, meter=meter, reached=step != "init")


def upload(sender: Sender, path: Path, said: Mapping[str, str], meter: Meter, *, if_none_match: bool) -> dict[str, Any]:
    """The metadata of the version that the file at ``path`` becomes. ``said``: its dates and labels, as texts. Raises Failure."""
    kind = mimetypes.guess_type(path.name)[0]
    fields = {"filename": path.name, "listed": "false", **({"content_type": kind} if kind else {}), **said}
    if if_none_match:
        fields["if_none_match"] = "*"
    kept = credentials.load()
    with remembered(kept.url, kept.username, kept.branch, path=path) as memory, path.open("rb") as file:
        while True:
            begun, known = _begin(sender, memory, path, file.fileno(), meter)
            try:
                asset = _send(sender, file.fileno(), begun, fields, meter)
            except Changed:
                continue
            except Refusal as refusal:
                if refusal.code != UNAVAILABLE and refusal.status not in (401, 403):
                    memory.forget()
                if known and refusal.status in (404, 410):
                    meter.note(f"What was sent of {path} before has expired: it is sent anew.")
                    continue
                raise
            memory.forget()
            return asset


def _begin(sender: Sender, memory: Memory, path: Path, fd: int, meter: Meter) -> tuple[Begun, bool]:
    """The upload to go on with, and whether it was begun before."""
    status = os.fstat(fd)
    facts = (status.st_size, status.st_mtime_ns)
    begun = memory.recall()
    if begun is not None:
        if (begun.size, begun.modified) == facts:
            return begun, True
        meter.note(f"{path} has changed since its upload began: it is sent anew.")
    opened = sender.ask(meter, "init", {})
    begun = Begun(opened["upload_id"], opened["chunk_size"], *facts)
    memory.keep(begun)
    return begun, False


def _send(sender: Sender, fd: int, begun: Begun, fields: Mapping[str, str], meter: Meter) -> dict[str, Any]:
    """Sends what the server lacks, until it lacks nothing and has made a version of it. Raises Changed, Failure."""
    count = -(-begun.size // begun.chunk_size)
    whole = {"upload_id": begun.upload_id, "total_chunks": str(count), "total_size": str(begun.size), **fields}
    deadline = time.monotonic() + sender.patience
    while True:
        try:
            data = sender.ask(meter, "complete", whole)
        except Refusal as refusal:
            missing = refusal.problem.get("missing")
            if not isinstance(missing, list) or not missing:
                raise
            meter.restart(missing[0] * begun.chunk_size)
            list(sender.chunks.map(_sending(sender, fd, begun, meter), missing))
            deadline = time.monotonic() + sender.patience
            continue
        meter.restart(begun.size)
        if data["asset"] is not None:
            asset: dict[str, Any] = data["asset"]
            return asset
        if time.monotonic() > deadline:
            raise Failure("All of it is on the server, which has not made a version of it yet.", UNAVAILABLE)
        sender.api.sleep(ASK_AGAIN)


def _sending(sender: Sender, fd: int, begun: Begun, meter: Meter) -> Callable[[int], None]:
    def send(index: int) -> None:
        chunk = os.pread(fd, begun.chunk_size, index * begun.chunk_size)
        status = os.fstat(fd)
        if (status.st_size, status.st_mtime_ns) != (begun.size, begun.modified):
            raise Changed
        form = {"upload_id": begun.upload_id, "chunk_index": str(index), "chunk_sha256": sha256(chunk).hexdigest()}
        sender.ask(meter, "chunk", form, chunk)
        meter.advance(len(chunk))

    return send
