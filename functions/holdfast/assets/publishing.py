"""Publishing a group: what its commit holds becomes visible, in one transaction, with the audit rows that say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, false, insert, select, true, update

from holdfast.assets import dates, hashing, intents
from holdfast.assets.turn import Turn
from holdfast.audit import trail
from holdfast.database import tables as t
from holdfast.database.upserting import upsert
from holdfast.errors import Conflict, Problem, Unavailable
from holdfast.holds import covering
from holdfast.storage.versions import CommitResult, Committed
from holdfast.usage import counters
from holdfast.usage.counters import Change

ATTEMPTS = 5
"""Groups that an intent may be in without being committed, before it is given up."""


def publish(turn: Turn, operation: str, result: CommitResult, *, only: frozenset[str] | None = None) -> list[str]:
    """Publishes the open group; returns the upload_ids that are settled by it. To be called under ``leases.fence``.

    ``only`` leaves the group's other intents and the group itself as they are (how one that cannot be published is told apart).
    """
    connection, workspace = turn.connection, turn.workspace
    group = connection.execute(
        select(t.commit_groups).where(t.commit_groups.c.operation == operation, t.commit_groups.c.state == "open")
    ).first()
    if group is None:
        return []
    members = [
        i
        for i in connection.execute(select(t.intents).where(t.intents.c.group_id == operation).order_by(t.intents.c.id))
        if i.state == "grouped" and (only is None or i.upload_id in only)
    ]
    files = _files(connection, [i.upload_id for i in members])
    whole = [i for i in members if all(f.path in result.entries for f in files[i.upload_id])]
    users = {u.id: u for u in connection.execute(select(t.users).where(t.users.c.id.in_({i.user_id for i in members})))}
    refused: list[str] = []

    done = _uploads(turn, [i for i in whole if i.kind == intents.UPLOAD], files, result.entries, users)
    for intent in (i for i in whole if i.kind == intents.ADD_FILES):
        row = _addition(turn, intent, files[intent.upload_id], result.entries, users[intent.user_id])
        if row is None:
            gone = Conflict("The version was archived or destroyed meanwhile.", slug="not-active")
            intents.fail_all(connection, [intent.upload_id], "grouped", gone, turn.erase_again_after)
            refused.append(intent.upload_id)
            row = turn.audit(intent, users[intent.user_id], success=False, problem=gone.slug)
        done.append(row)
    trail.record(connection, *done)
    hashing.request(connection, [f for i in whole if i.upload_id not in refused for f in files[i.upload_id]])
    missing = [i for i in members if i not in whole]
    given_up = _put_back(turn, missing)
    if only is None:
        _settle(connection, workspace.id, operation, [entry["path"] for entry in group.puts] + list(group.deletes))
    remember(connection, workspace.id, result.strays)
    forgo(turn, operation, given_up + refused)
    return [i.upload_id for i in whole] + given_up


def eject(turn: Turn, operation: str, path: str, problem: Problem) -> list[str]:
    """Fails the intent of the group that brings ``path``: it alone cannot be published. Returns its upload_id."""
    here = and_(t.files.c.path == path, t.intents.c.group_id == operation, t.files.c.version.is_(None))
    found = turn.connection.scalars(
        select(t.intents.c.upload_id).join(t.files, t.files.c.upload_id == t.intents.c.upload_id).where(here)
    ).all()
    intents.fail_all(turn.connection, found, "grouped", problem, turn.erase_again_after)
    forgo(turn, operation, found)
    return list(found)


def forgo(turn: Turn, operation: str, upload_ids: Sequence[str]) -> None:
    """What the group was to remove from the branch for the sake of these intents stays, now that they bring nothing; and what their
    files' paths may hold by now is put back by the next commit."""
    if not upload_ids:
        return
    group = turn.connection.execute(select(t.commit_groups).where(t.commit_groups.c.operation == operation)).one()
    rows = turn.connection.execute(
        select(t.intents.c.asset_path, t.files.c.path)
        .join(t.files, t.files.c.upload_id == t.intents.c.upload_id)
        .where(t.intents.c.upload_id.in_(upload_ids))
    ).all()
    assets = tuple(row.asset_path + "/" for row in rows)
    theirs = [path for path in group.deletes if path.startswith(assets)]
    kept = [path for path in group.deletes if path not in theirs]
    turn.connection.execute(update(t.commit_groups).where(t.commit_groups.c.operation == operation).values(deletes=kept))
    remember(turn.connection, turn.workspace.id, [*theirs, *(row.path for row in rows)])


def _files(connection: Connection, upload_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = {upload_id: [] for upload_id in upload_ids}
    if upload_ids:
        for f in connection.execute(
            select(t.files).where(t.files.c.upload_id.in_(upload_ids)).order_by(t.files.c.upload_id, t.files.c.position)
        ):
            found[f.upload_id].append(f)
    return found


def _uploads(
    turn: Turn,
    uploads: Sequence[Row[Any]],
    files: Mapping[str, Sequence[Row[Any]]],
    entries: Mapping[str, Committed],
    users: Mapping[int, Row[Any]],
) -> list[dict[str, Any]]:
    """New versions: a handful of statements, however many they are. Returns their audit rows."""
    if not uploads:
        return []
    connection = turn.connection
    assets = _ensure_assets(turn, uploads)
    rows = [
        {
            **_version(i, files[i.upload_id], entries, turn.now),
            "workspace_id": turn.workspace.id,
            "asset_id": assets[i.asset_path].id,
            "number": assets[i.asset_path].last_number + 1,
            "uploaded_by": users[i.user_id].username,
        }
        for i in uploads
    ]
    asset_ids = [row["asset_id"] for row in rows]
    superseded = counters.current(connection, [row["asset_id"] for row in rows if row["number"] > 1])
    if known := [row["asset_id"] for row in rows if row["number"] > 1]:
        connection.execute(
            update(t.versions)
            .where(t.versions.c.asset_id.in_(known), t.versions.c.status == "active", t.versions.c.newest == true())
            .values(newest=false())
        )
    connection.execute(insert(t.versions), rows)
    connection.execute(update(t.assets).where(t.assets.c.id.in_(asset_ids)).values(last_number=t.assets.c.last_number + 1))
    ids = [row["upload_id"] for row in rows]
    made = {
        v.upload_id: v.id
        for v in connection.execute(select(t.versions.c.upload_id, t.versions.c.id).where(t.versions.c.upload_id.in_(ids)))
    }
    own = t.files.c.upload_id.in_(ids)
    paths = [f.path for upload_id in ids for f in files[upload_id]]
    _join(connection, own, case(made, value=t.files.c.upload_id), paths, entries)
    connection.execute(
        update(t.intents)
        .where(t.intents.c.upload_id.in_(ids))
        .values(state="published", version=case(made, value=t.intents.c.upload_id))
    )
    _count(turn, sum(row["total_bytes"] for row in rows), len(rows))
    turn.changes.extend(counters.moved(superseded, counters.CURRENT, None))
    turn.changes.extend(_counted(turn, rows, counters.ACTIVE) + _counted(turn, rows, counters.CURRENT))
    turn.changes.extend(covering.cover(connection, turn.workspace.id, list(made.values())))
    return [turn.audit(i, users[i.user_id], version_id=row["version_id"]) for i, row in zip(uploads, rows, strict=True)]


def _counted(turn: Turn, rows: Iterable[Mapping[str, Any]], bucket: str) -> list[Change]:
    """Rows of ``versions`` that are being made."""
    kinds = ((counters.media_type_of(row["content_type"]), row["total_bytes"]) for row in rows)
    return [Change(turn.workspace.id, media_type, bucket, 1, total) for media_type, total in kinds]


def _ensure_assets(turn: Turn, uploads: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    """The assets' rows by path, made where they are missing, and locked."""
    connection, workspace_id = turn.connection, turn.workspace.id
    paths = [i.asset_path for i in uploads]
    there = select(t.assets).where(t.assets.c.workspace_id == workspace_id, t.assets.c.asset_path.in_(paths)).with_for_update()
    found = {a.asset_path: a for a in connection.execute(there)}
    new = [
        {
            "workspace_id": workspace_id,
            "asset_path": i.asset_path,
            "primary_filename": i.primary_filename,
            "last_number": 0,
            "created_at": turn.now,
        }
        for i in uploads
        if i.asset_path not in found
    ]
    if new:
        connection.execute(insert(t.assets), new)
        found = {a.asset_path: a for a in connection.execute(there)}
    return found


def _version(intent: Row[Any], files: Sequence[Row[Any]], entries: Mapping[str, Committed], now: datetime) -> dict[str, Any]:
    primary = next(f for f in files if f.primary)
    archive_date, destroy_date = dates.of_active(now, intent.archive_ttl, intent.destroy_ttl)
    return {
        "asset_path": intent.asset_path,
        "version_id": entries[primary.path].commit_id,
        "upload_id": intent.upload_id,
        "primary_filename": primary.filename,
        "content_type": primary.content_type,
        "size": primary.size,
        "sha256": primary.sha256,
        "scan_result": primary.scan_result,
        "object_key": primary.object_key,
        "file_count": len(files),
        "total_bytes": intent.total_bytes,
        "status": "active",
        "newest": True,
        "archive_ttl": intent.archive_ttl,
        "destroy_ttl": intent.destroy_ttl,
        "upload_date": now,
        "active_since": now,
        "archive_date": archive_date,
        "destroy_date": destroy_date,
        "labels": intent.labels or {},
    }


def _addition(
    turn: Turn, intent: Row[Any], files: Sequence[Row[Any]], entries: Mapping[str, Committed], user: Row[Any]
) -> dict[str, Any] | None:
    """Files join their version, if it is still active; None when it is not. Returns the audit row."""
    connection, now = turn.connection, turn.now
    asset = connection.execute(
        select(t.assets.c.id)
        .where(t.assets.c.workspace_id == turn.workspace.id, t.assets.c.asset_path == intent.asset_path)
        .with_for_update()
    ).one()
    version = connection.execute(
        select(t.versions).where(
            t.versions.c.asset_id == asset.id,
            t.versions.c.status == "active",
            t.versions.c.version_id == intent.target_version,
        )
    ).first()
    if version is None or not dates.readable(version, now):
        return None
    own = t.files.c.upload_id == intent.upload_id
    connection.execute(  # by name: what it replaces may lie elsewhere, if the version was the newest when that came
        update(t.files)
        .where(
            t.files.c.version == version.id, t.files.c.filename.in_([f.filename for f in files]), t.files.c.replaced_at.is_(None)
        )
        .values(replaced_at=now)
    )
    _join(connection, own, version.id, [f.path for f in files], entries)
    current = connection.execute(select(t.files.c.id).where(t.files.c.version == version.id, t.files.c.replaced_at.is_(None))).all()
    connection.execute(
        update(t.versions)
        .where(t.versions.c.id == version.id)
        .values(file_count=len(current), total_bytes=version.total_bytes + intent.total_bytes, revision=version.revision + 1)
    )
    connection.execute(
        update(t.intents).where(t.intents.c.upload_id == intent.upload_id).values(state="published", version=version.id)
    )
    _count(turn, intent.total_bytes, 0)
    is_current = any(row.id == version.id for row in counters.current(connection, [asset.id]))
    buckets = [counters.ACTIVE, *([counters.HELD] if version.held else []), *([counters.CURRENT] if is_current else [])]
    turn.changes.extend([counters.grown(version, bucket, intent.total_bytes) for bucket in buckets])
    return turn.audit(intent, user, version_id=version.version_id, files=[f.filename for f in files])


def _join(
    connection: Connection,
    those: ColumnElement[bool],
    version: ColumnElement[int] | int,
    paths: Iterable[str],
    entries: Mapping[str, Committed],
) -> None:
    """``those`` files, which have these ``paths``, become their ``version``'s, and have the commit that brought each: one, unless
    somebody else's commit took some that were staged already."""
    brought = defaultdict(list)
    for path in paths:
        brought[entries[path].commit_id].append(path)
    for commit_id, taken in brought.items():
        which = those if len(brought) == 1 else and_(those, t.files.c.path.in_(taken))
        connection.execute(update(t.files).where(which).values(version=version, commit_id=commit_id))


def _put_back(turn: Turn, missing: Sequence[Row[Any]]) -> list[str]:
    """What the commit does not hold is tried again in the next group, and given up at last. Returns those given up."""
    given_up = []
    for intent in missing:
        if intent.attempts + 1 >= ATTEMPTS:
            problem = Unavailable("The upload could not be committed. Send it again.", slug="commit-failed", retry_after=5)
            intents.fail_all(turn.connection, [intent.upload_id], "grouped", problem, turn.erase_again_after)
            given_up.append(intent.upload_id)
        else:
            turn.connection.execute(
                update(t.intents)
                .where(t.intents.c.upload_id == intent.upload_id)
                .values(state="stored", group_id=None, attempts=intent.attempts + 1)
            )
    return given_up


def remember(connection: Connection, workspace_id: int, paths: Sequence[str]) -> None:
    """Strays: the next group puts these paths back to what the registry says."""
    rows = [{"workspace_id": workspace_id, "path": path} for path in dict.fromkeys(paths)]
    if rows:  # a committer that has lost its lease and its successor may note the same one at once
        upsert(connection, t.strays, rows, lambda new: {"path": new.path})


def _settle(connection: Connection, workspace_id: int, operation: str, restored: Sequence[str]) -> None:
    if restored:
        connection.execute(delete(t.strays).where(t.strays.c.workspace_id == workspace_id, t.strays.c.path.in_(restored)))
    connection.execute(update(t.commit_groups).where(t.commit_groups.c.operation == operation).values(state="settled"))


def _count(turn: Turn, added_bytes: int, added_versions: int) -> None:
    """Changes the workspace's row, for which whoever places a hold waits: nobody may look for holds before."""
    w = t.workspaces.c
    turn.connection.execute(
        update(t.workspaces)
        .where(w.id == turn.workspace.id)
        .values(used_bytes=w.used_bytes + added_bytes, used_versions=w.used_versions + added_versions)
    )
