"""Which holds cover a version: asked, and counted, in the transaction of the act that makes it so.

``versions.held`` counts the rows of ``hold_versions``. A version that comes to match a hold is covered by whoever changes it, under
the lock of its asset's row; those that were there before the hold are covered by its placing (``holdfast.holds.placing``), under
the same lock. Neither forgets one:

* An act that changes labels has the asset's row. It either is done when the placing comes to lock that row, and is seen, or comes
  after it, and sees the hold.
* A new version's asset may be as new, and has no row yet that could be locked. So whoever publishes has changed the workspace's row
  before he looks for holds, and the placing waits for that row once, after its hold can be seen.
* A hold that is found is locked for the rest of the transaction, so that its release (``holdfast.holds.releasing``) comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, update

from holdfast import failpoints
from holdfast.database.tables import assets, hold_versions, holds, versions
from holdfast.errors import Held
from holdfast.holds.scope import Scope
from holdfast.usage import counters
from holdfast.usage.counters import Change

_LOOKED = "hold.look.after"
failpoints.declare(_LOOKED)

OPEN = ("placing", "active")
"""States in which a hold covers what comes to match it."""
MOST_IDS = 100
"""Ids of holds that a refusal names; those in its sentence are ``_IDS_SAID``."""
_IDS_SAID = 3

COLUMNS: Sequence[ColumnElement[Any]] = (
    versions.c.id,
    versions.c.workspace_id,
    versions.c.asset_id,
    versions.c.asset_path,
    versions.c.version_id,
    versions.c.content_type,
    versions.c.labels,
    versions.c.total_bytes,
    versions.c.phase,
    versions.c.held,
)
"""What ``cover`` and ``cover_by`` have to know of a version."""


def cover(connection: Connection, workspace_id: int, ids: Sequence[int]) -> list[Change]:
    """Counts the holds that the versions with these row ids have come to match. To be called under the lock of their assets' rows,
    in the transaction that made or changed them; after the workspace's row was changed, if it made them. Returns what the usage
    counters are to be told."""
    found = connection.execute(select(holds.c.id, holds.c.selector).where(*open_in(workspace_id))).all()
    failpoints.hit(_LOOKED)
    if not found or not ids:
        return []
    rows = connection.execute(select(*COLUMNS).where(versions.c.id.in_(ids))).all()
    matched = {hold.id: [row for row in rows if Scope.model_validate(hold.selector).covers(row)] for hold in found}
    wanted = [hold for hold, those in matched.items() if those]
    if not wanted:
        return []
    still = select(holds.c.id).where(holds.c.id.in_(wanted), holds.c.state.in_(OPEN)).order_by(holds.c.id)
    new: set[int] = set()
    for hold in connection.scalars(still.with_for_update(read=True)).all():
        new |= cover_by(connection, hold, matched[hold])
    return came(row for row in rows if row.id in new)


def cover_by(connection: Connection, hold: int, rows: Sequence[Row[Any]]) -> set[int]:
    """Counts the hold for each of the versions that it does not cover yet, and returns their row ids. To be called as ``cover``."""
    if not rows:
        return set()
    ids = [row.id for row in rows]
    known = select(hold_versions.c.version).where(hold_versions.c.hold == hold, hold_versions.c.version.in_(ids))
    new = set(ids).difference(connection.scalars(known))
    if new:
        connection.execute(insert(hold_versions), [{"hold": hold, "version": version} for version in sorted(new)])
        connection.execute(update(versions).where(versions.c.id.in_(new)).values(held=versions.c.held + 1))
    return new


def uncover_by(connection: Connection, hold: int, rows: Sequence[Row[Any]]) -> None:
    """Takes the hold off those of the versions that it covers. ``rows`` are what ``lock`` returned."""
    here = (hold_versions.c.hold == hold, hold_versions.c.version.in_([row.id for row in rows]))
    known = set(connection.scalars(select(hold_versions.c.version).where(*here).with_for_update()))
    if known:
        connection.execute(delete(hold_versions).where(hold_versions.c.hold == hold, hold_versions.c.version.in_(known)))
        connection.execute(update(versions).where(versions.c.id.in_(known)).values(held=versions.c.held - 1))
    counters.apply(connection, counters.moved((row for row in rows if row.id in known and row.held == 1), counters.HELD, None))


def came(rows: Iterable[Row[Any]]) -> list[Change]:
    """What the usage counters are to be told of versions that a hold covers now; ``rows`` are of before."""
    return counters.moved((row for row in rows if row.held == 0), None, counters.HELD)


def lock(connection: Connection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Locks the rows of the versions' assets, then their own: against acts, and against purges, which ask for a version only.
    Returns the versions as they are now."""
    if not rows:
        return ()
    asset_ids, ids = {row.asset_id for row in rows}, [row.id for row in rows]
    connection.execute(select(assets.c.id).where(assets.c.id.in_(asset_ids)).order_by(assets.c.id).with_for_update())
    return connection.execute(select(*COLUMNS).where(versions.c.id.in_(ids)).order_by(versions.c.id).with_for_update()).all()


def open_in(workspace_id: int) -> tuple[ColumnElement[bool], ...]:
    """The holds that cover what comes to match them in the workspace."""
    return holds.c.state.in_(OPEN), or_(holds.c.workspace_id == workspace_id, holds.c.workspace_id.is_(None))


def refusal(what: str, ids: Sequence[str]) -> Held:
    """What somebody is told who would delete ``what``."""
    more = " …" if len(ids) > _IDS_SAID else ""
    return Held(f"A legal hold covers {what}: {', '.join(ids[:_IDS_SAID])}{more}", holds=list(ids))


def ids_of(connection: Connection, version: int) -> list[str]:
    """The ids of the holds that cover the version: the first ``MOST_IDS``."""
    here = hold_versions.c.version == version
    found = select(holds.c.hold_id).join(hold_versions, hold_versions.c.hold == holds.c.id).where(here)
    return list(connection.scalars(found.order_by(holds.c.id).limit(MOST_IDS)))


def ids_in(connection: Connection, workspace_id: int) -> list[str]:
    """The ids of the holds that cover any version of the workspace, or may be about to: the first ``MOST_IDS``. To be called after
    the workspace's row was changed, so that no hold is placed meanwhile."""
    covering = (
        select(hold_versions.c.hold)
        .join(versions, versions.c.id == hold_versions.c.version)
        .where(versions.c.workspace_id == workspace_id, versions.c.held > 0)
    )
    being_placed = and_(holds.c.state == "placing", *open_in(workspace_id))
    found = select(holds.c.hold_id).where(or_(holds.c.id.in_(covering), being_placed))
    return list(connection.scalars(found.order_by(holds.c.id).limit(MOST_IDS)))
