"""Archive, restore, destroy, new TTLs, new labels: one transaction each, with its audit row, or none of it.

Whatever changes a version first locks its asset's row, the committer included, so two acts on one asset come one after the other
and the second decides about what the first has left. The UPDATE still names the revision that was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast import failpoints
from holdfast.assets import dates, metadata, transitions
from holdfast.assets.newest import refresh_newest
from holdfast.assets.reading import find, impossible
from holdfast.assets.transitions import Action
from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database.tables import assets, versions
from holdfast.errors import Conflict, Held, Problem
from holdfast.holds import covering
from holdfast.identity.access import Actor, Claims, authorise, demand
from holdfast.usage import counters
from holdfast.usage.counters import Change

if TYPE_CHECKING:
    from holdfast.services import Services

_BEFORE, _COMMITTING, _AFTER = "assets.transition.before", "assets.transition.commit.before", "assets.transition.after"
failpoints.declare(_BEFORE, _COMMITTING, _AFTER)


def act(services: Services, claims: Claims, asset_path: str, version_id: str, action: Action) -> dict[str, Any]:
    """Takes the step and returns the version's new metadata. Blocks. A refusal of somebody who is known goes on the trail, too.
    Raises Unauthenticated, Forbidden, NotFound, Gone (an active version whose destroy date has passed cannot be archived, which
    would give it a new one), Conflict, Held."""
    known: list[Actor] = []

    def change(connection: Connection) -> dict[str, Any]:
        actor = authorise(connection, claims)
        known[:] = [actor]
        demand(actor, transitions.needs(action))
        _lock(connection, actor, asset_path)
        version = find(connection, actor, asset_path, version_id)
        demand(actor, transitions.needs(action, version))
        _change(services, connection, actor, version, action)
        failpoints.hit(_COMMITTING)
        return metadata.load(connection, actor.workspace, [version.id])[version.id]

    failpoints.hit(_BEFORE)
    try:
        changed = services.database.write(change)
    except Problem as problem:
        if known and 400 < problem.status < 500:
            _record_refusal(services, known[0], asset_path, version_id, action, problem)
        raise
    failpoints.hit(_AFTER)
    return changed


def _lock(connection: Connection, actor: Actor, asset_path: str) -> None:
    here = (assets.c.workspace_id == actor.workspace_id, assets.c.asset_path == asset_path)
    connection.execute(select(assets.c.id).where(*here).with_for_update())


def _change(services: Services, connection: Connection, actor: Actor, version: Row[Any], action: Action) -> None:
    now = services.clock()
    if isinstance(action, transitions.Archive) and version.status == "active":
        dates.check_readable(version, now)
    try:
        changes = transitions.step(version, action, now, services.settings.undo_days)
    except Held:
        raise covering.refusal("the version", covering.ids_of(connection, version.id)) from None
    was_or_is_gone = "destroyed" in {version.status, changes.get("status")}  # else the asset's current version stays the same
    before = counters.current(connection, [version.asset_id] if was_or_is_gone else [])
    changed = connection.execute(
        update(versions)
        .where(versions.c.id == version.id, versions.c.revision == version.revision)
        .values(**changes, revision=version.revision + 1)
    )
    if not changed.rowcount:
        raise Conflict("The version was changed at the same moment. Look at it again.", slug="changed-meanwhile")
    if "status" in changes:
        refresh_newest(connection, version.asset_id, (version.status, changes["status"]))
    after = counters.current(connection, [version.asset_id] if was_or_is_gone else [])
    counted = (
        _counted(version, changes) + counters.moved(before, counters.CURRENT, None) + counters.moved(after, None, counters.CURRENT)
    )
    if "labels" in changes:
        counted += covering.cover(connection, version.workspace_id, [version.id])
    counters.apply(connection, counted)
    details = {name: value if isinstance(value, (dict, int, str)) else isoformat(value) for name, value in changes.items()}
    record(connection, _entry(services, actor, version.asset_path, version.version_id, action, True, details))


def _counted(version: Row[Any], changes: dict[str, Any]) -> list[Change]:
    if "status" not in changes:
        return []
    old = counters.bucket_of(version.status, version.phase)
    return counters.moved([version], old, counters.bucket_of(changes["status"], changes.get("phase")))


def _record_refusal(services: Services, actor: Actor, asset_path: str, version_id: str, action: Action, problem: Problem) -> None:
    if impossible(asset_path, version_id):
        return  # about nothing that could be there, and too long for the trail perhaps
    details = {"status": problem.status, "problem": problem.slug}
    row = _entry(services, actor, asset_path, version_id, action, False, details)
    services.database.write(lambda connection: record(connection, row))


def _entry(
    services: Services, actor: Actor, asset_path: str, version_id: str, action: Action, success: bool, details: dict[str, Any]
) -> dict[str, Any]:
    return entry(
        action.operation,
        services.clock(),
        workspace=actor.workspace,
        username=actor.username,
        issuer=actor.issuer,
        asset_path=asset_path,
        version_id=version_id,
        success=success,
        **details,
    )
