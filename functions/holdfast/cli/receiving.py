"""``get``: a file from the server, whole and verified, or not there at all.

What has come so far is kept as ``NAME.<beginning of its sha256>.part``, so that a part is only ever continued with the bytes it is
a part of. It takes its final name when its sha256 is what the server says. Of a file that the server has not hashed yet only the
size can be compared, which is said.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import CONFLICT, UNAVAILABLE, Failure
from holdfast.cli.output import Format, Output, answer
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.cli.api import Api
    from holdfast.cli.progress import Meter

app = typer.Typer()

CHUNK = 1 << 20
PLAIN = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Content:
    """One file of one version, as its headers describe it. ``size`` in bytes; ``sha256`` in hex, None where the server has not
    computed it yet."""

    url: str
    params: Mapping[str, str | None]
    filename: str
    size: int
    sha256: str | None
    etag: str

    @property
    def part(self) -> str:
        """What an unfinished file of it is called by."""
        return (self.sha256 or hashlib.sha256(self.etag.encode()).hexdigest())[:12]


@app.command()
def get(
    *,
    asset_path: Annotated[str, typer.Argument(help="The asset, as `ls` shows it.")],
    version: Annotated[str | None, typer.Option(help="The version; the newest active one unless given.")] = None,
    file: Annotated[str | None, typer.Option(metavar="NAME", help="An associated file instead of the primary one.")] = None,
    into: Annotated[str, typer.Option("-O", metavar="FOLDER|-", help="Where to; `-` is standard output.")] = ".",
    retry_for: Annotated[int, typer.Option(min=0, help="Seconds for which a download that is cut off is continued.")] = 120,
    output: Output = Format.table,
) -> None:
    """Download a file and verify its hash. The same command continues a download that was interrupted."""
    from holdfast.cli.api import path
    from holdfast.cli.progress import Meter

    with logged_in() as api:
        content = describe(api, path("content", asset_path), {"version_id": version, "file": file})
        with Meter(content.filename, content.size) as meter:
            if content.sha256 is None:
                meter.note(f"The server has not hashed {content.filename} yet: only its size is verified.")
            if into == "-":
                _pour(api, content, meter)
                return
            place = Path(into) / content.filename
            _fetch(api, content, place, meter, retry_for)
    answer({"file": str(place), "size": content.size, "sha256": content.sha256}, output)


def describe(api: Api, url: str, params: Mapping[str, str | None]) -> Content:
    """What is to come. Raises Failure when the server does not say enough to verify it."""
    headers = api.head(url, params)
    etag = headers.get("ETag", "")
    if not etag.startswith('"') or "Content-Length" not in headers:
        raise Failure("The server does not say what the file is to be verified by.")
    sha256 = found[1] if (found := re.fullmatch('"([0-9a-f]{64})"', etag)) else None
    return Content(url, params, _filename(headers.get("Content-Disposition", "")), int(headers["Content-Length"]), sha256, etag)


def _filename(disposition: str) -> str:
    """The name that the server gives the file: only ever a name, never a path. Raises Failure where there is none."""
    header = Message()
    header["Content-Disposition"] = disposition
    name = Path(header.get_filename() or "").name
    if name in {"", ".", ".."} or "\0" in name:
        raise Failure("The server does not say what the file is called.")
    return name


def _fetch(api: Api, content: Content, place: Path, meter: Meter, patience: float) -> None:
    if place.is_file() and place.stat().st_size == content.size and _hash(place).hexdigest() == content.sha256:
        return
    part = place.with_name(f"{place.name}.{content.part}.part")
    deadline = time.monotonic() + patience
    with _alone(part) as file:
        for attempt in itertools.count(1):
            try:
                sha256 = _continue(api, content, file, meter)
                break
            except Failure as failure:
                wait = min(30.0, 2.0**attempt)
                if failure.code != UNAVAILABLE or time.monotonic() + wait > deadline:
                    raise
                meter.note(f"{failure.message} Continuing in {wait:.0f} s.")
            time.sleep(wait)
        if wrong := _wrong(content, sha256, part.stat().st_size):
            part.unlink()
            raise Failure(f"{place.name} came damaged ({wrong}); nothing was kept.")
        part.replace(place)


def _continue(api: Api, content: Content, file: IO[bytes], meter: Meter) -> str:
    """Adds to ``file`` what it lacks, and returns the sha256 of the whole."""
    file.seek(0)
    sha256 = hashlib.sha256()
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
    have = file.tell()
    if have == content.size:
        return sha256.hexdigest()
    headers = PLAIN | ({"Range": f"bytes={have}-", "If-Range": content.etag} if have else {})
    with api.open(content.url, content.params, headers) as response:
        if response.status_code != 206:
            have, sha256 = 0, hashlib.sha256()
            file.seek(0)
            file.truncate()
        meter.restart(have)
        for chunk in response.iter_raw():
            file.write(chunk)
            sha256.update(chunk)
            meter.advance(len(chunk))
    file.flush()
    return sha256.hexdigest()


def _pour(api: Api, content: Content, meter: Meter) -> None:
    sha256, size = hashlib.sha256(), 0
    with api.open(content.url, content.params, PLAIN) as response:
        for chunk in response.iter_raw():
            sys.stdout.buffer.write(chunk)
            sha256.update(chunk)
            size += len(chunk)
            meter.advance(len(chunk))
    sys.stdout.buffer.flush()
    if wrong := _wrong(content, sha256.hexdigest(), size):
        raise Failure(f"{content.filename} came damaged ({wrong}).")


def _wrong(content: Content, sha256: str, size: int) -> str:
    """What is wrong with what came; "" for nothing."""
    if content.sha256 is None:
        return "" if size == content.size else f"{size} bytes, not {content.size}"
    return "" if sha256 == content.sha256 else f"sha256 {sha256}, not {content.sha256}"


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """The partial file, for this process alone. Raises Failure when another has it."""
    with part.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Another process is downloading {part.name}.", CONFLICT) from None
        yield file


def _hash(path: Path) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
