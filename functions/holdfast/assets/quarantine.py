"""Uploads whose bytes are not let in: kept under their keys, where nobody reads them, and released or deleted by a platform admin.

    stored ──► quarantined     in the transaction that would have stored it: no committer ever sees it (``take``)
    quarantined ──► stored     released: the committer publishes it as if it had just come
    quarantined ──► failed     deleted: its bytes are erased as those of any upload that brings nothing (``erasing``)

Scanned is between the last byte and the transaction that stores the intent. The committer would be too late: from ``stored`` on an
upload is going to be published, whoever dies. And he would be the wrong one: a whole workspace waits for him, whose lease is short.
Here a client who waits is told at once. What was never a version is covered by no hold.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from holdfast import failpoints
from holdfast.assets import intents
from holdfast.assets.intents import Storing
from holdfast.audit import trail
from holdfast.clock import isoformat
from holdfast.database import tables as t
from holdfast.database.types import db_now
from holdfast.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from holdfast.identity.access import Claims, authorise
from holdfast.scanning.port import Result, Verdict

if TYPE_CHECKING:
    from holdfast.services import Services

_SCAN = ("scan.before", "scan.after")
_DECIDE = ("quarantine.decide.before", "quarantine.decide.after")
failpoints.declare(*_SCAN, *_DECIDE)

STATES = ("kept", "released", "deleted")

q = t.quarantine.c


class Unscanned(Exception):
    """Somebody would have stored an upload without asking the scanner. A fault of ours."""


@dataclass(frozen=True, slots=True)
class By:
    """Who decides. None: whoever has the installation's command line."""

    username: str | None = None
    issuer: str = ""


def scan(services: Services, upload: Storing, each: Callable[[], None] = lambda: None) -> Verdict:
    """Whether the files of ``upload``, which are in the store, may become a version: the first verdict that does not pass, or that
    of the last. ``each`` is called every few seconds. Blocks. Raises ScannerUnavailable and StoreUnavailable (nothing is known
    then, and it is to be asked again), ObjectMissing."""
    verdict = Verdict(Result.NOT_SCANNED)
    if services.settings.scan == "off":
        return verdict
    for file in upload.files:
        key = intents.key(upload.upload_id, file.position)
        failpoints.hit(_SCAN[0])
        with ExitStack() as reading:
            opened = lambda: reading.enter_context(closing(services.objects.read(key)))  # noqa: B023, E731  called at once
            found = services.scanner.scan(file.size, opened, each)
        failpoints.hit(_SCAN[1])
        verdict = Verdict(found.result, found.signature, found.detail, file.filename)
        if not verdict.passes:
            break
    return verdict


def problem(verdict: Verdict) -> Problem:
    """What the client is told of a verdict that does not pass."""
    if verdict.result is Result.INFECTED:
        said = f"{verdict.filename} holds malware: {verdict.signature}."
        return Invalid(said, slug="infected", filename=verdict.filename, signature=verdict.signature)
    if verdict.result is Result.TOO_LARGE:
        said = f"{verdict.filename} is too large to be scanned for malware, and nothing goes in unscanned."
        return Invalid(said, slug="not-scannable", filename=verdict.filename)
    said = f"{verdict.filename} cannot be scanned for malware, and nothing goes in unscanned."
    return Invalid(said, slug="not-scannable", filename=verdict.filename)


def take(services: Services, connection: Connection, upload_id: str, verdict: Verdict | None) -> Problem | None:
    """What a verdict means for the intent, which this transaction of the caller's has made ``stored``. If it passes, nothing: None.
    Else it is quarantined, or, where the settings say so, has failed and is erased. Either is on record and on the trail, and what
    the client is told is returned. Raises Unscanned."""
    scanned = verdict is not None and verdict.result is not Result.NOT_SCANNED
    if services.settings.scan != "off" and not scanned:
        raise Unscanned(upload_id)
    if verdict is None or verdict.passes:
        return None
    i, now, told = t.intents.c, services.clock(), problem(verdict)
    intent = connection.execute(
        select(t.intents, t.users.c.username, t.users.c.issuer, t.workspaces.c.name.label("workspace"))
        .join(t.users, t.users.c.id == i.user_id)
        .join(t.workspaces, t.workspaces.c.id == i.workspace_id)
        .where(i.upload_id == upload_id)
    ).one()
    away = {"state": "quarantined", "problem": intents.as_json(told), "idempotency_key": None}
    if connection.execute(update(t.intents).where(i.upload_id == upload_id, i.state == "stored").values(away)).rowcount != 1:
        raise AssertionError(f"{upload_id} is {intent.state}, and cannot be quarantined")
    kept = services.settings.scan_quarantine and not (services.settings.scan_delete and verdict.result is Result.INFECTED)
    found = {"filename": verdict.filename, "result": verdict.result.value, "signature": verdict.signature[:255]}
    connection.execute(
        insert(t.quarantine).values(
            upload_id=upload_id,
            workspace_id=intent.workspace_id,
            uploaded_by=intent.username,
            kind=intent.kind,
            asset_path=intent.asset_path,
            total_bytes=intent.total_bytes,
            **found,
            detail=verdict.detail,
            state="kept" if kept else "deleted",
            taken_at=now,
            decided_at=None if kept else now,
        )
    )
    if not kept:
        _erase(services, connection, upload_id, told)
    row = trail.entry(
        "quarantine",
        now,
        workspace=intent.workspace,
        username=intent.username,
        issuer=intent.issuer,
        asset_path=intent.asset_path,
        success=False,
        upload_id=upload_id,
        kept=kept,
        **found,
    )
    trail.record(connection, row)
    return told


def page(
    services: Services, claims: Claims | None, state: str | None, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """What was not let in, the latest first, and what to hand in as ``before`` for the next page; None on the last. ``claims``:
    None for the command line. Blocks. Raises Unauthenticated, Forbidden."""
    wanted = _rows()
    if state is not None:
        wanted = wanted.where(q.state == state)
    if before is not None:
        wanted = wanted.where(q.id < before)
    with services.database.read() as connection:
        _admitted(connection, claims)
        rows = connection.execute(wanted.order_by(q.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    return [_described(row) for row in shown], shown[-1].id if len(rows) > limit else None


def release(services: Services, claims: Claims | None, upload_id: str) -> dict[str, Any]:
    """It was a false alarm, or somebody answers for it: the upload goes on, and is published soon if it still can be. Returns how
    it stands. Blocks. Raises Unauthenticated, Forbidden, NotFound, Conflict (it is not kept any more)."""

    def let_in(connection: Connection, _row: Row[Any]) -> None:
        mine = (t.intents.c.upload_id == upload_id, t.intents.c.state == "quarantined")
        values = {"state": "stored", "problem": None, "heartbeat_at": db_now()}
        if connection.execute(update(t.intents).where(*mine).values(values)).rowcount != 1:
            raise AssertionError(f"{upload_id} is kept, and not quarantined")

    decided, workspace_id = _decide(services, claims, upload_id, "released", let_in)
    services.committer.nudge(workspace_id)
    return decided


def delete(services: Services, claims: Claims | None, upload_id: str) -> dict[str, Any]:
    """Its bytes are erased, soon; that it was there stays on record. Returns how it stands. Blocks. Raises as ``release``."""

    def throw_away(connection: Connection, row: Row[Any]) -> None:
        verdict = Verdict(Result(row.result), row.signature, row.detail, row.filename)
        _erase(services, connection, upload_id, problem(verdict))

    return _decide(services, claims, upload_id, "deleted", throw_away)[0]


def follow(services: Services) -> None:
    """What is kept of workspaces that were deleted is deleted, too. Raises DatabaseUnavailable."""
    gone = t.workspaces.c.state == "deleted"
    with services.database.read() as connection:
        found = connection.scalars(select(q.upload_id).join(t.workspaces).where(q.state == "kept", gone)).all()
    for upload_id in found:
        with suppress(Conflict):  # somebody decided meanwhile
            delete(services, None, upload_id)


def _erase(services: Services, connection: Connection, upload_id: str, told: Problem) -> None:
    again_after = services.settings.intent_timeout_seconds
    if not intents.fail_all(connection, [upload_id], "quarantined", told, again_after):
        raise AssertionError(f"{upload_id} is kept, and not quarantined")


def _decide(
    services: Services, claims: Claims | None, upload_id: str, state: str, act: Callable[[Connection, Row[Any]], None]
) -> tuple[dict[str, Any], int]:
    def change(connection: Connection) -> tuple[dict[str, Any], int]:
        by, now = _admitted(connection, claims), services.clock()
        row = _find(connection, upload_id)
        decision = {"state": state, "decided_at": now, "decided_by": by.username}
        still = update(t.quarantine).where(q.id == row.id, q.state == "kept").values(decision)
        if connection.execute(still).rowcount != 1:
            raise Conflict(f"It was {_find(connection, upload_id).state} already.", slug="already-decided")
        act(connection, row)
        trail.record(connection, _decided(row, state, by, now))
        return _described(_find(connection, upload_id)), row.workspace_id

    failpoints.hit(_DECIDE[0])
    decided = services.database.write(change)
    failpoints.hit(_DECIDE[1])
    return decided


def _decided(row: Row[Any], state: str, by: By, now: datetime) -> dict[str, Any]:
    operation = {"released": "quarantine-release", "deleted": "quarantine-delete"}[state]
    about = {"filename": row.filename, "result": row.result, "signature": row.signature}
    who = {"workspace": row.workspace, "username": by.username, "issuer": by.issuer}
    return trail.entry(operation, now, **who, asset_path=row.asset_path, upload_id=row.upload_id, **about)


def _admitted(connection: Connection, claims: Claims | None) -> By:
    """Raises Unauthenticated, Forbidden."""
    if claims is None:
        return By()
    actor = authorise(connection, claims)
    if not actor.platform_admin:
        raise Forbidden("Only a platform admin may look into the quarantine.", permission="admin")
    return By(actor.username, actor.issuer)


def _find(connection: Connection, upload_id: str) -> Row[Any]:
    row = connection.execute(_rows().where(q.upload_id == upload_id)).first() if upload_id.isascii() else None
    if row is None:
        raise NotFound("There is nothing of that upload in the quarantine.")
    return row


def _rows() -> Select[Any]:
    return select(t.quarantine, t.workspaces.c.name.label("workspace")).join(t.workspaces, t.workspaces.c.id == q.workspace_id)


def _described(row: Row[Any]) -> dict[str, Any]:
    return {
        "upload_id": row.upload_id,
        "workspace": row.workspace,
        "asset_path": row.asset_path,
        "filename": row.filename,
        "size": row.total_bytes,
        "result": row.result,
        "signature": row.signature,
        "detail": row.detail,
        "state": row.state,
        "uploaded_by": row.uploaded_by,
        "taken_at": isoformat(row.taken_at),
        "decided_at": isoformat(row.decided_at),
        "decided_by": row.decided_by,
    }
