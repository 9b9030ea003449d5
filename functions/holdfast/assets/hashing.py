"""The sha256 of files that were published without one: the job ``hash-file``, asked for in the transaction that publishes them.

It reads the object once, compares what it read with the size and the CRC-32 that were vouched for when the bytes were complete, and
writes the sha256 down: of the file, and of the version whose primary file it is. The commit that brought the file keeps what it was
made with: a commit never changes, and the sql adapter's ids are made of its entries.

What differs gets no sha256. That is said once on the trail (``hash-mismatch``), each time that the job is tried, and by ``verify``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast import failpoints
from holdfast.audit import trail
from holdfast.database import tables as t
from holdfast.errors import Unavailable
from holdfast.jobs import queue
from holdfast.storage.objects.hashing import Sums, sums_of

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "hash-file"
MISMATCH = "hash-mismatch"
"""The operation of the audit row."""

_READ = ("hash.read.before", "hash.read.after")
_WRITE = ("hash.write.before", "hash.write.after")
_TELL = ("hash.tell.before", "hash.tell.after")
failpoints.declare(*_READ, *_WRITE, *_TELL)


class BytesDiffer(Exception):
    """What is in the store is not what was vouched for."""


def request(connection: Connection, files: Iterable[Row[Any]]) -> None:
    """Asks for the sha256 of those of the rows of ``files`` that have none, in the caller's transaction."""
    unknown = [file for file in files if file.sha256 is None]
    if unknown:
        queue.enqueue_many(connection, KIND, [{"file": file.id} for file in unknown], workspace_id=unknown[0].workspace_id)


def run(services: Services, payload: dict[str, Any]) -> None:
    """The job. Idempotent; does nothing where the sha256 is known by now, or the bytes are being erased. Raises BytesDiffer;
    StoreUnavailable, and Unavailable when the process is to end: it is tried again then."""
    file = _wanted(services, payload["file"])
    if file is None:
        return
    failpoints.hit(_READ[0])
    sums = sums_of(services.objects, file.object_key, lambda: _go_on(services))
    failpoints.hit(_READ[1])
    problem = difference(file.size, file.crc32, sums)
    if problem is None:
        assert sums is not None
        failpoints.hit(_WRITE[0])
        services.database.write(lambda connection: _note(connection, file, sums.sha256))
        failpoints.hit(_WRITE[1])
    elif _wanted(services, file.id) is not None:  # it was not on its way out when it was read
        failpoints.hit(_TELL[0])
        services.database.write(lambda connection: _tell(services, connection, file, problem))
        failpoints.hit(_TELL[1])
        raise BytesDiffer(f"{file.object_key}: {problem}")


def difference(size: int, crc32: int | None, sums: Sums | None) -> str | None:
    """How the bytes differ from what was vouched for, in words; None when they do not, as far as that is known."""
    if sums is None:
        return "There is no object."
    if sums.size != size:
        return f"{sums.size} bytes, registered are {size}."
    if crc32 not in {None, sums.crc32}:
        return f"CRC-32 {sums.crc32:08x}, registered is {crc32:08x}."
    return None


def mismatches(connection: Connection, file: Row[Any]) -> list[str]:
    """What the trail says of a file whose bytes differed. ``file``: a row of ``files`` with its version's workspace (by name),
    asset_path and version_id."""
    a = t.audit.c
    of_version = (a.workspace == file.workspace, a.asset_path == file.asset_path, a.version_id == file.version_id)
    found = connection.execute(select(a.details).where(*of_version, a.operation == MISMATCH).order_by(a.id)).scalars()
    return [details["problem"] for details in found if details["object_key"] == file.object_key]


def _wanted(services: Services, file: int) -> Row[Any] | None:
    """The file, if its sha256 is still to be computed."""
    v, f = t.versions.c, t.files.c
    wanted = (
        select(t.files, v.asset_path, v.version_id, v.phase, t.workspaces.c.name.label("workspace"))
        .join(t.versions, v.id == f.version)
        .join(t.workspaces, t.workspaces.c.id == f.workspace_id)
        .where(f.id == file, f.sha256.is_(None))
    )
    with services.database.read() as connection:
        found = connection.execute(wanted).first()
    return None if found is None or found.phase in {"purging", "erased"} else found


def _go_on(services: Services) -> None:
    if services.closing.is_set():
        raise Unavailable("The process is about to end.", slug="stopping")


def _note(connection: Connection, file: Row[Any], sha256: str) -> None:
    f, v = t.files.c, t.versions.c
    connection.execute(update(t.files).where(f.id == file.id, f.sha256.is_(None)).values(sha256=sha256))
    # Not a new revision: it is no act, and nothing that is decided under one depends on it.
    primary = (v.id == file.version, v.object_key == file.object_key, v.sha256.is_(None))
    connection.execute(update(t.versions).where(*primary).values(sha256=sha256))


def _tell(services: Services, connection: Connection, file: Row[Any], problem: str) -> None:
    if not mismatches(connection, file):
        subject = {"workspace": file.workspace, "asset_path": file.asset_path, "version_id": file.version_id}
        about = {"file": file.filename, "object_key": file.object_key, "problem": problem}
        trail.record(connection, trail.entry(MISMATCH, services.clock(), username=None, success=False, **subject, **about))
