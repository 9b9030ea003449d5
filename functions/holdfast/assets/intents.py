"""Intents: what an upload is about to do, in SQL before its first byte is written.

    open ──► stored ──► grouped ──► published
      │         │          │
      ├─────────┴──────────┴──────► failed ──► erased
      └──► quarantined ──► stored | failed

``open``      bytes flow into the keys ``data/<upload_id>/0 … reserved-1``, and the intent's heartbeat beats.
``stored``    all bytes are in the store: from here the upload survives the death of any process.
``grouped``   a committer has taken it into a group (``holdfast.assets.committer``).
``quarantined`` its bytes are kept and not let in, until a platform admin decides (``quarantine``).
``published`` it brought a version, or files of one, or nothing new (``unchanged``).
``failed``    it brings nothing; its bytes are being erased.  ``erased``: they are.

Each step is a compare-and-set on the state, so that a process which was given up meanwhile changes nothing when it comes back.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.assets import erasing, names
from holdfast.assets import points as _points  # noqa: F401  declares them
from holdfast.audit import trail
from holdfast.database.engine import Database
from holdfast.database.tables import files, intents
from holdfast.database.types import db_now
from holdfast.errors import Conflict, Problem
from holdfast.failpoints import hit
from holdfast.identity.access import Actor
from holdfast.scanning.port import Verdict

UPLOAD, ADD_FILES = "upload", "add-files"


class GivenUp(Conflict):
    """Nothing was heard of the upload for so long that it was given up: its bytes are gone or going."""

    slug = "upload-given-up"

    def __init__(self) -> None:
        super().__init__("Nothing was heard of this upload for too long, so it was given up. Send it again.")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file whose bytes are in the store. ``size`` in bytes, ``sha256`` in hex. Where that is None, they are hashed once it
    is published (``hashing``), and then compared with ``crc32``, what the store said when it had all of them."""

    position: int
    primary: bool
    filename: str
    content_type: str
    size: int
    sha256: str | None
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What came along with the files. None: not sent. TTLs in days."""

    archive_ttl: int | None = None
    destroy_ttl: int | None = None
    labels: dict[str, str] | None = None


class Owner(Protocol):
    """Whose an intent is: an ``Actor``, or a row that says so."""

    @property
    def workspace_id(self) -> int: ...
    @property
    def user_id(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """An intent to be opened. ``kind`` is ``UPLOAD`` or ``ADD_FILES``; ``asset_path`` the one that files are added to."""

    actor: Actor
    kind: str
    asset_path: str = ""
    must_be_new: bool = False
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Storing:
    """An intent whose bytes are all in the store. ``target_version`` is the version_id that files are added to; None: the newest
    active one. ``verdict``: what scanning them said (``quarantine.scan``); None: nothing did."""

    upload_id: str
    actor: Owner
    asset_path: str
    files: Sequence[StoredFile]
    wishes: Wishes = Wishes()
    target_version: str | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """An intent that this request opened, or (``replay``) the earlier one of the same Idempotency-Key."""

    upload_id: str
    replay: bool


def key(upload_id: str, position: int) -> str:
    """The object key of an upload's file."""
    return f"data/{upload_id}/{position}"


def begin_all(connection: Connection, openings: Sequence[Opening], now: datetime) -> list[Begun]:
    """Opens an intent with one reserved key for each, in the caller's transaction and in two statements for all that have no
    Idempotency-Key. An upload's asset path is known with its first bytes, so it comes with ``store_all``."""
    beat = connection.scalar(select(db_now()))  # as a value: the driver joins rows into one INSERT only if all are placeholders
    begun, rows = [], []
    for opening in openings:
        of = opening
        row = _opened(of.actor, of.kind, of.asset_path, of.must_be_new, of.idempotency_key, now, beat)
        if opening.idempotency_key is None:
            rows.append(row)
            begun.append(Begun(row["upload_id"], replay=False))
        else:
            begun.append(_begin_once(connection, opening, row))
    if rows:
        connection.execute(insert(intents), rows)
    return begun


def arrive(connection: Connection, storing: Storing, *, must_be_new: bool, now: datetime) -> None:
    """An upload whose bytes came another way and are all in the store: its intent is stored from the beginning."""
    opened = _opened(storing.actor, UPLOAD, "", must_be_new, None, now, db_now())
    marked = _marked(storing)
    upload_id = marked.pop("of_upload")
    connection.execute(insert(intents).values({**opened, **marked, "upload_id": upload_id, "state": "stored"}))
    connection.execute(insert(files), _registered(storing, now))


def _opened(
    owner: Owner, kind: str, asset_path: str, must_be_new: bool, idempotency_key: str | None, now: datetime, beat: Any
) -> dict[str, Any]:
    return {
        "upload_id": secrets.token_hex(16),
        "workspace_id": owner.workspace_id,
        "user_id": owner.user_id,
        "kind": kind,
        "state": "open",
        "asset_path": asset_path,
        "primary_filename": "",
        "must_be_new": must_be_new,
        "idempotency_key": idempotency_key,
        "reserved": 1,
        "heartbeat_at": beat,
        "created_at": now,
    }


def _begin_once(connection: Connection, opening: Opening, row: dict[str, Any]) -> Begun:
    """The intent of the Idempotency-Key, opened now or earlier."""
    if (known := earlier(connection, opening)) is not None:
        return Begun(known, replay=True)
    try:
        with connection.begin_nested():
            connection.execute(insert(intents).values(row))
    except IntegrityError:  # two requests with the key at once: the other was first
        known = earlier(connection, opening)
        if known is None:
            raise
        return Begun(known, replay=True)
    return Begun(row["upload_id"], replay=False)


def earlier(connection: Connection, opening: Opening) -> str | None:
    """The ``upload_id`` of the intent that was opened with the same Idempotency-Key."""
    if opening.idempotency_key is None:
        return None
    return connection.scalar(
        select(intents.c.upload_id).where(
            intents.c.workspace_id == opening.actor.workspace_id,
            intents.c.user_id == opening.actor.user_id,
            intents.c.idempotency_key == opening.idempotency_key,
        )
    )


def reserve(database: Database, upload_id: str, count: int) -> None:
    """Registers the keys up to ``count``, before the first byte goes to one of them. Raises GivenUp."""
    _touch(database, upload_id, reserved=count)


def heartbeat(database: Database, upload_id: str) -> None:
    """Says that bytes still flow. Raises GivenUp, after which nothing more may be written."""
    _touch(database, upload_id)


def _touch(database: Database, upload_id: str, **values: Any) -> None:
    def act(connection: Connection) -> int:
        return connection.execute(
            update(intents)
            .where(intents.c.upload_id == upload_id, intents.c.state == "open")
            .values(heartbeat_at=db_now(), **values)
        ).rowcount

    if not database.write(act):
        raise GivenUp


def store_all(connection: Connection, storings: Sequence[Storing], now: datetime) -> list[bool]:
    """All bytes are in the store: registers the files and marks the intents stored, in the caller's transaction and in three
    statements. Says which were still open; the others were given up."""
    ids = [storing.upload_id for storing in storings]
    there = select(intents.c.upload_id).where(intents.c.upload_id.in_(ids), intents.c.state == "open").with_for_update()
    still_open = set(connection.scalars(there))
    alive = [storing for storing in storings if storing.upload_id in still_open]
    if alive:
        connection.execute(_MARK_STORED, [_marked(storing) for storing in alive])
        connection.execute(insert(files), [row for storing in alive for row in _registered(storing, now)])
    return [storing.upload_id in still_open for storing in storings]


_MARK_STORED = (
    update(intents)
    .where(intents.c.upload_id == bindparam("of_upload"))
    .values(
        state="stored",
        heartbeat_at=db_now(),
        **{
            name: bindparam(name)
            for name in (
                "asset_path",
                "primary_filename",
                "target_version",
                "archive_ttl",
                "destroy_ttl",
                "labels",
                "total_bytes",
            )
        },
    )
)


def _marked(storing: Storing) -> dict[str, Any]:
    return {
        "of_upload": storing.upload_id,
        "asset_path": storing.asset_path,
        "primary_filename": next((file.filename for file in storing.files if file.primary), ""),
        "target_version": storing.target_version,
        "archive_ttl": storing.wishes.archive_ttl,
        "destroy_ttl": storing.wishes.destroy_ttl,
        "labels": storing.wishes.labels,
        "total_bytes": sum(file.size for file in storing.files),
    }


def _registered(storing: Storing, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "workspace_id": storing.actor.workspace_id,
            "upload_id": storing.upload_id,
            "position": file.position,
            "object_key": key(storing.upload_id, file.position),
            "primary": file.primary,
            "filename": file.filename,
            "path": names.path_on_branch(storing.asset_path, file.filename),
            "content_type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
            "crc32": file.crc32,
            "scan_result": storing.verdict and storing.verdict.result.value,
            "stored_at": now,
        }
        for file in storing.files
    ]


def fail(database: Database, upload_id: str, problem: Problem, erase_again_after: int, row: dict[str, Any] | None) -> None:
    """Gives an open intent up, and its bytes with it, and puts ``row`` on the trail. Nothing happens to one that is further on."""

    def act(connection: Connection) -> None:
        if fail_all(connection, [upload_id], "open", problem, erase_again_after):
            trail.record(connection, row)

    hit("intent.fail.before")
    database.write(act)
    hit("intent.fail.after")


def fail_all(connection: Connection, upload_ids: Iterable[str], state: str, problem: Problem, erase_again_after: int) -> int:
    """Marks those of the intents that are in ``state`` failed, with ``problem`` for whoever asks, and has their bytes erased: now,
    and again after ``erase_again_after`` seconds, when no request of theirs can still be writing. How many they
    were."""
    count = 0
    for upload_id in upload_ids:
        failed = connection.execute(
            update(intents)
            .where(intents.c.upload_id == upload_id, intents.c.state == state)
            .values(state="failed", problem=as_json(problem), idempotency_key=None, group_id=None)
        )
        if failed.rowcount:
            erasing.request(connection, upload_id, erase_again_after)
            count += 1
    return count


def as_json(problem: Problem) -> dict[str, Any]:
    """What ``errors.by_slug`` makes a problem of again."""
    return {"status": problem.status, "slug": problem.slug, "detail": problem.detail, "extra": problem.extra}
