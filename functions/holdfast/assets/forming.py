"""Forming a group: reads what the rules need, has them decided, and writes down what the group is before anything is staged.

One transaction under the workspace's lease. What is refused or unchanged is settled in it; what is to be published becomes a group
of at most one intent for each asset path.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, true, update

from holdfast.assets import dates, erasing, intents
from holdfast.assets.deciding import AssetState, FileState, IntentState, Publish, Refuse, Unchanged, Verdict, VersionState, decide
from holdfast.assets.turn import Turn
from holdfast.audit import trail
from holdfast.database import tables as t
from holdfast.database.types import db_now
from holdfast.holds import covering
from holdfast.storage.versions import Entry
from holdfast.usage.counters import Change

MOST = 64
"""Intents in one group: enough that a commit's cost is shared, and few enough that nobody waits long."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one commit on ``branch`` is to change, under its operation id."""

    operation: str
    branch: str
    puts: Sequence[Entry]
    deletes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Formed:
    """The next group, None when nothing is to be committed; the upload_ids that were settled without one; and whether more is
    stored than was taken."""

    group: Group | None
    settled: Sequence[str]
    more: bool


def form(turn: Turn) -> Formed:
    """To be called under ``leases.fence``."""
    connection, workspace, now = turn.connection, turn.workspace, turn.now
    waiting, more = _waiting(connection, workspace.id)
    if not waiting:
        return Formed(None, [], more)
    sent = _files(connection, t.files.c.upload_id, [i.upload_id for i in waiting])
    assets = _assets(connection, workspace.id, waiting)
    users = {u.id: u for u in connection.execute(select(t.users).where(t.users.c.id.in_({i.user_id for i in waiting})))}
    room = None if workspace.quota_bytes is None else workspace.quota_bytes - workspace.used_bytes
    settled, chosen = [], []
    puts: list[Entry] = []
    deletes: list[str] = []
    rows = []
    for intent in waiting:
        user = users[intent.user_id]
        state = _intent_state(intent, sent[intent.upload_id], permitted=_may_upload(user, workspace))
        verdict = decide(state, assets[intent.asset_path], room, now)
        if isinstance(verdict, Publish):
            chosen.append(intent)
            deletes += verdict.deletes
            puts += [entry_of(file, path) for file, path in zip(sent[intent.upload_id], verdict.paths, strict=True)]
            _place(connection, intent.upload_id, state.files, verdict)
            room = None if room is None else room - intent.total_bytes
            continue
        settled.append(intent.upload_id)
        rows.append(_settle(turn, intent, verdict, user))
    trail.record(connection, *rows)
    return Formed(_write(turn, chosen, puts, deletes) if chosen else None, settled, more)


def load(connection: Connection, operation: str) -> Group:
    """An open group as it is now."""
    group = connection.execute(
        select(t.commit_groups, t.workspaces.c.name)
        .join(t.workspaces, t.workspaces.c.id == t.commit_groups.c.workspace_id)
        .where(t.commit_groups.c.operation == operation)
    ).one()
    members = select(t.intents.c.upload_id).where(t.intents.c.group_id == operation, t.intents.c.state == "grouped")
    sent = connection.execute(select(t.files).where(t.files.c.upload_id.in_(members))).all()
    return Group(operation, group.name, [Entry(**entry) for entry in group.puts] + [entry_of(f) for f in sent], group.deletes)


def truth(connection: Connection, workspace_id: int, paths: Iterable[str]) -> tuple[list[Entry], list[str]]:
    """What the registry says of ``paths`` on the branch: entries that belong there, and paths where nothing does."""
    wanted = list(paths)
    if not wanted:
        return [], []
    found: dict[str, Entry] = {}
    rows = connection.execute(
        select(t.files, t.versions.c.number, t.assets.c.last_number, t.versions.c.asset_path)
        .join(t.versions, t.versions.c.id == t.files.c.version)
        .join(t.assets, t.assets.c.id == t.versions.c.asset_id)
        .where(t.files.c.workspace_id == workspace_id, t.files.c.path.in_(wanted), t.files.c.replaced_at.is_(None))
    )
    for row in rows:
        if row.number == row.last_number or not row.path.startswith(row.asset_path + "/"):
            found[row.path] = entry_of(row)
    return list(found.values()), [path for path in wanted if path not in found]


def entry_of(file: Row[Any], path: str | None = None) -> Entry:
    """A row of ``files`` as the versions port takes it; at ``path``, unless that is the row's own."""
    return Entry(path or file.path, file.object_key, file.size, file.sha256, file.content_type, file.upload_id)


def _waiting(connection: Connection, workspace_id: int) -> tuple[list[Row[Any]], bool]:
    """The oldest stored intent of each asset path, and whether more is stored."""
    oldest = connection.execute(
        select(t.intents)
        .where(t.intents.c.workspace_id == workspace_id, t.intents.c.state == "stored")
        .order_by(t.intents.c.id)
        .limit(MOST)
    ).all()
    first: dict[str, Row[Any]] = {}
    for intent in oldest:
        first.setdefault(intent.asset_path, intent)
    return list(first.values()), len(oldest) == MOST or len(oldest) > len(first)


def _may_upload(user: Row[Any], workspace: Row[Any]) -> bool:
    granted = set(user.permissions.split(","))
    alive = user.deleted_at is None and user.workspace_id == workspace.id and workspace.state == "active"
    return alive and not granted.isdisjoint({"upload", "admin"})


def _files(connection: Connection, column: Any, ids: Sequence[Any]) -> dict[Any, list[Row[Any]]]:
    found: dict[Any, list[Row[Any]]] = defaultdict(list)
    if ids:
        current = select(t.files).where(column.in_(ids), t.files.c.replaced_at.is_(None))
        for file in connection.execute(current.order_by(t.files.c.upload_id, t.files.c.position)):
            found[getattr(file, column.name)].append(file)
    return found


def _assets(connection: Connection, workspace_id: int, waiting: Sequence[Row[Any]]) -> dict[str, AssetState]:
    """By path. Locks the assets' rows, so that no archive or destroy slips in between this and the decision."""
    paths = [i.asset_path for i in waiting]
    rows = connection.execute(
        select(t.assets).where(t.assets.c.workspace_id == workspace_id, t.assets.c.asset_path.in_(paths)).with_for_update()
    ).all()
    named = {i.target_version for i in waiting if i.target_version}
    found: dict[str, AssetState] = defaultdict(AssetState)
    if not rows:
        return found
    v = t.versions.c
    versions = connection.execute(
        select(t.versions, t.assets.c.last_number)
        .join(t.assets, t.assets.c.id == v.asset_id)
        .where(v.asset_id.in_([a.id for a in rows]))
        .where(or_(v.newest == true(), v.number == t.assets.c.last_number, v.version_id.in_(named)))
    ).all()
    held_files = _files(connection, t.files.c.version, [row.id for row in versions])
    wanted = {i.asset_path: i.target_version for i in waiting}
    for asset in rows:
        own = [(row, _version_state(row, held_files[row.id])) for row in versions if row.asset_id == asset.id]
        found[asset.asset_path] = AssetState(
            primary_filename=asset.primary_filename,
            head=next((state for row, state in own if row.number == row.last_number), None),
            newest_active=next((state for row, state in own if row.newest and row.status == "active"), None),
            target=next((state for _, state in own if state.version_id == wanted[asset.asset_path]), None),
            any_kept=any(state.status != "destroyed" for _, state in own),
        )
    return found


def _version_state(row: Row[Any], files: Sequence[Row[Any]]) -> VersionState:
    held = tuple(_file_state(f) for f in files)
    return VersionState(row.id, row.version_id, row.number, row.status, held, row.destroy_date, row.held)


def _file_state(file: Row[Any]) -> FileState:
    return FileState(file.filename, file.path, file.sha256, file.primary, file.size)


def _intent_state(intent: Row[Any], files: Sequence[Row[Any]], *, permitted: bool) -> IntentState:
    return IntentState(
        upload_id=intent.upload_id,
        adds=intent.kind == intents.ADD_FILES,
        asset_path=intent.asset_path,
        primary_filename=intent.primary_filename,
        target_version=intent.target_version,
        must_be_new=intent.must_be_new,
        files=tuple(_file_state(f) for f in files),
        permitted=permitted,
    )


def _place(connection: Connection, upload_id: str, files: Sequence[FileState], verdict: Publish) -> None:
    """Writes down where the files go, and which version they join: what was newest now may not be when they are published."""
    for file, path in zip(files, verdict.paths, strict=True):
        if file.path != path:
            here = and_(t.files.c.upload_id == upload_id, t.files.c.path == file.path)
            connection.execute(update(t.files).where(here).values(path=path))
    if verdict.target is not None:
        intent = update(t.intents).where(t.intents.c.upload_id == upload_id)
        connection.execute(intent.values(target_version=verdict.target.version_id))


def _settle(turn: Turn, intent: Row[Any], verdict: Verdict, user: Row[Any]) -> dict[str, Any]:
    """What needs no commit: refused, or unchanged. Returns the audit row."""
    if isinstance(verdict, Refuse):
        intents.fail_all(turn.connection, [intent.upload_id], "stored", verdict.problem, turn.erase_again_after)
        return turn.audit(intent, user, success=False, problem=verdict.problem.slug)
    assert isinstance(verdict, Unchanged)
    turn.changes.extend(_apply_wishes(turn.connection, verdict.version.id, intent))
    turn.connection.execute(
        update(t.intents)
        .where(t.intents.c.upload_id == intent.upload_id)
        .values(state="published", unchanged=true(), version=verdict.version.id)
    )
    erasing.request(turn.connection, intent.upload_id, turn.erase_again_after)
    return turn.audit(intent, user, version_id=verdict.version.version_id, unchanged=True)


def _apply_wishes(connection: Connection, version: int, intent: Row[Any]) -> list[Change]:
    """TTLs and labels that came along with equal bytes are taken over. What was not sent stays. Returns what the usage counters are
    to be told: a hold may cover it now."""
    if intent.archive_ttl is None and intent.destroy_ttl is None and intent.labels is None:
        return []
    row = connection.execute(select(t.versions).where(t.versions.c.id == version).with_for_update()).one()
    archive_ttl = row.archive_ttl if intent.archive_ttl is None else intent.archive_ttl
    destroy_ttl = row.destroy_ttl if intent.destroy_ttl is None else intent.destroy_ttl
    archive_date, destroy_date = dates.of_active(row.active_since, archive_ttl, destroy_ttl)
    connection.execute(
        update(t.versions)
        .where(t.versions.c.id == version)
        .values(
            archive_ttl=archive_ttl,
            destroy_ttl=destroy_ttl,
            archive_date=archive_date,
            destroy_date=destroy_date,
            labels=row.labels if intent.labels is None else intent.labels,
            revision=row.revision + 1,
        )
    )
    return [] if intent.labels is None else covering.cover(connection, row.workspace_id, [version])


def _write(turn: Turn, chosen: Sequence[Row[Any]], puts: Sequence[Entry], deletes: Sequence[str]) -> Group:
    """The group's row, with what has to be put back besides, and its intents' state."""
    connection, workspace_id = turn.connection, turn.workspace.id
    operation = secrets.token_hex(16)
    ids = [i.upload_id for i in chosen]
    own = {entry.path for entry in puts}
    strays = connection.scalars(select(t.strays.c.path).where(t.strays.c.workspace_id == workspace_id).limit(MOST)).all()
    restored, gone = truth(connection, workspace_id, [p for p in strays if p not in own and p not in deletes])
    connection.execute(
        insert(t.commit_groups).values(
            operation=operation,
            workspace_id=workspace_id,
            epoch=turn.epoch,
            state="open",
            puts=[asdict(entry) for entry in restored],
            deletes=[*deletes, *gone],
            created_at=turn.now,
        )
    )
    connection.execute(
        update(t.intents).where(t.intents.c.upload_id.in_(ids)).values(state="grouped", group_id=operation, heartbeat_at=db_now())
    )
    return Group(operation, turn.workspace.name, [*restored, *puts], [*deletes, *gone])
