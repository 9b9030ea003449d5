"""Versions whose own TTLs are due, and that no enforcing policy is about: archived and condemned as their dates say.

What a policy is about is left to its run, on its schedule and under its guard. Runs in the background, ``sweep_own`` at a time by
whoever has the lease; it finds what is due along indexes, so a round that finds nothing costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, or_, select

from holdfast.database.tables import versions, workspaces
from holdfast.errors import Conflict
from holdfast.lifecycle import facts, runs
from holdfast.lifecycle.batch import Done, Order
from holdfast.lifecycle.lease import Held
from holdfast.lifecycle.sweeping import BATCH, act
from holdfast.policies import inforce
from holdfast.policies.due import FROM, TTL
from holdfast.policies.report import Action

if TYPE_CHECKING:
    from holdfast.services import Services

_v = versions.c
_WHEN = {Action.ARCHIVE: (_v.archive_date, _v.archive_ttl), Action.DESTROY: (_v.destroy_date, _v.destroy_ttl)}


def sweep_own(services: Services) -> Done:
    """One round: what is due is archived, and what was archived and is due is condemned. Raises Unavailable."""
    total = Done()
    for action in Action:
        try:
            with Held(services.database, f"sweep:{TTL}:{action}") as lease:
                total.add(_sweep(services, lease, action))
        except Conflict:
            continue  # another process is at it
    return total


def _sweep(services: Services, lease: Held, action: Action) -> Done:
    now, total = services.clock(), Done()
    with services.database.read() as connection:
        rules = inforce.enforcing(connection)
        there = connection.execute(select(workspaces.c.id, workspaces.c.name).where(workspaces.c.state == "active")).all()
    order = Order(0, action, now, None, rules, services.settings.undo_days)
    for workspace in there:
        for ids in _due(services, workspace.id, workspace.name, order):
            if not order.run:  # a round that finds nothing leaves no row
                order = replace(order, run=lease.write(partial(_begin, action=action, now=now)))
            act(services, lease.write, order, workspace.id, workspace.name, ids, total)
    if order.run:
        lease.write(lambda connection: runs.end(connection, order.run, "done", services.clock()))
    return total


def _begin(connection: Connection, *, action: Action, now: datetime) -> int:
    return runs.begin(connection, None, action, now, runs.Cause("ttl"), now)


def _due(services: Services, workspace_id: int, workspace: str, order: Order) -> Iterator[list[int]]:
    """Batches of row ids of what is due, each version once, whatever becomes of it meanwhile."""
    date, ttl = _WHEN[order.action]
    ripe = and_(_v.workspace_id == workspace_id, _v.status == FROM[order.action], date <= order.as_of, ttl.is_not(None))
    after: Any = None
    while True:
        found = select(_v.id, _v.asset_id, date.label("date")).where(ripe).order_by(date, _v.id).limit(BATCH)
        if after is not None:
            found = found.where(or_(date > after.date, and_(date == after.date, _v.id > after.id)))
        with services.database.read() as connection:
            rows = connection.execute(found).all()
            here = {row.id for row in rows}
            live = list(facts.of_assets(connection, workspace, {row.asset_id for row in rows})) if rows else []
        if not rows:
            return
        after = rows[-1]
        if due := [v.id for v in live if v.id in here and v.status == FROM[order.action] and order.judge(v)[1] is None]:
            yield due
