"""Releasing a hold: by whoever may, or by itself when its ``until`` has passed. Its row stays, with who did it and when.

The first transaction decides; from then on the hold covers nothing more. What it covers is let go batch by batch, and the job
``release-hold`` goes on after whoever dies.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, func, select, update

from holdfast import failpoints
from holdfast.audit.trail import entry, record
from holdfast.database.tables import hold_versions, holds, versions
from holdfast.errors import Forbidden, Unavailable
from holdfast.holds import access
from holdfast.holds.covering import COLUMNS, OPEN, lock, uncover_by
from holdfast.holds.reading import summary
from holdfast.identity.access import Actor, Claims, authorise
from holdfast.jobs import queue

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "release-hold"
"""The job that goes on with a hold whose release took too long, or whose process died."""
WAIT = 20
"""Seconds for which a request goes on by itself before it leaves the rest to the job."""
BATCH = 500
"""Versions that one transaction lets go."""

_BEFORE, _DECIDED, _FREEING, _FREED = "hold.release.before", "hold.release.after", "hold.free.before", "hold.free.after"
failpoints.declare(_BEFORE, _DECIDED, _FREEING, _FREED)

_log = logging.getLogger(__name__)


def release(services: Services, claims: Claims, hold_id: str, *, wait: float = WAIT, batch: int = BATCH) -> dict[str, Any]:
    """Releases the hold, and returns it: ``released``, or ``releasing`` when that takes longer than ``wait`` seconds. One that is
    released already stays as it is. Blocks. Raises Unauthenticated, Forbidden, NotFound."""

    def decide(connection: Connection) -> int:
        actor = authorise(connection, claims)
        hold = access.find(connection, actor, hold_id)
        if hold.platform and not actor.platform_admin:
            raise Forbidden("A platform admin placed this hold, and only one can release it.")
        _decide(services, connection, hold, actor)
        return int(hold.id)

    failpoints.hit(_BEFORE)
    hold = services.database.write(decide)
    failpoints.hit(_DECIDED)
    try:
        go_on(services, hold, deadline=time.monotonic() + wait, batch=batch)
    except Unavailable:
        _log.warning("the hold %s is left to the queue", hold, exc_info=True)
    with services.database.read() as connection:
        return summary(connection, connection.execute(access.rows().where(holds.c.id == hold)).one())


def release_due(services: Services) -> int:
    """Releases the holds whose ``until`` has passed. How many that were. Raises DatabaseUnavailable."""
    due = (holds.c.state.in_(OPEN), holds.c.until <= services.clock())
    with services.database.read() as connection:
        ids = connection.scalars(select(holds.c.id).where(*due).order_by(holds.c.id)).all()

    def decide(connection: Connection, hold: int) -> None:
        _decide(services, connection, connection.execute(access.rows().where(holds.c.id == hold)).one(), None)

    for hold in ids:
        services.database.write(lambda connection: decide(connection, hold))  # noqa: B023  called at once
        go_on(services, hold)
    return len(ids)


def go_on(services: Services, hold: int, *, deadline: float | None = None, batch: int = BATCH) -> bool:
    """Lets go what is still covered; whether it came to the end before ``deadline``, of ``time.monotonic``. The job. Any number of
    processes may do so at once. Raises DatabaseUnavailable."""
    while deadline is None or time.monotonic() < deadline:
        failpoints.hit(_FREEING)
        done = services.database.write(lambda connection: _free_some(connection, hold, batch))
        failpoints.hit(_FREED)
        if done:
            return True
    return False


def _decide(services: Services, connection: Connection, hold: Row[Any], actor: Actor | None) -> None:
    """Nobody is the actor of what ``until`` releases."""
    now = services.clock()
    username = None if actor is None else actor.username
    changed = connection.execute(
        update(holds)
        .where(holds.c.id == hold.id, holds.c.state.in_(OPEN))
        .values(state="releasing", released_at=now, released_by=username)
    )
    if not changed.rowcount:
        return
    covered = connection.scalar(select(func.count()).where(hold_versions.c.hold == hold.id)) or 0
    connection.execute(update(holds).where(holds.c.id == hold.id).values(covered=covered))
    queue.enqueue(connection, KIND, {"hold": hold.id}, workspace_id=hold.workspace_id, delay=WAIT)
    who = {"workspace": hold.workspace, "username": username, "issuer": "" if actor is None else actor.issuer}
    record(connection, entry("release-hold", now, **who, hold=hold.hold_id, matter=hold.matter, covered=covered))


def _free_some(connection: Connection, hold: int, batch: int) -> bool:
    """Whether there is nothing more to do."""
    covered: Select[Any] = (
        select(*COLUMNS)
        .join(hold_versions, hold_versions.c.version == versions.c.id)
        .where(hold_versions.c.hold == hold)
        .order_by(hold_versions.c.version)
        .limit(batch)
    )
    page = connection.execute(covered).all()
    if page:
        uncover_by(connection, hold, lock(connection, page))
        return False
    connection.execute(update(holds).where(holds.c.id == hold, holds.c.state == "releasing").values(state="released"))
    return True
