"""Versions whose own TTLs are due, and that no enforcing policy is about: archived and condemned as their dates say.

What a policy is about is left to its run, on its schedule and under its guard. Runs in the background, ``sweep_own`` at a time by
whoever has the lease; it finds what is due along indexes, so a round that finds nothing costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, or_, select

from holdfast.database.tables import versions, workspaces
from holdfast.errors import Conflict
from holdfast.failpoints import hit
from holdfast.lifecycle import facts, runs
from holdfast.lifecycle.batch import Done, Order
from holdfast.lifecycle.lease import Held, of_sweep
from holdfast.lifecycle.pace import Pace
from holdfast.lifecycle.sweeping import BATCH, act
from holdfast.policies.due import FROM, TTL
from holdfast.policies.inforce import Known
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.services import Services

_v = versions.c
_WHEN = {Action.ARCHIVE: (_v.archive_date, _v.archive_ttl), Action.DESTROY: (_v.destroy_date, _v.destroy_ttl)}


def sweep_own(services: Services) -> Done:
    """One round: what is due is archived, and what was archived and is due is condemned. Raises Unavailable."""
    total = Done()
    for action in Action:
        try:
            with Held(services.database, of_sweep(None, action)) as lease:
                total.add(_Round(services, lease, action).run())
        except Conflict:
            continue  # another process is at it
    return total


class _Round:
    """One action in all workspaces. A round that finds nothing leaves no row."""

    def __init__(self, services: Services, lease: Held, action: Action) -> None:
        self._services, self._lease, self._policies, self._pace = services, lease, Known(), Pace(BATCH)
        self._order = Order(0, action, services.clock(), None, (), services.settings.undo_days)

    def run(self) -> Done:
        try:
            total = self._batches()
        except Exception as error:
            if self._order.run:
                runs.fail(self._lease, self._order.run, error, self._services.clock())
            raise
        if self._order.run:
            hit("sweep.end.before")
            self._lease.write(lambda connection: runs.end(connection, self._order.run, "done", self._services.clock()))
            hit("sweep.end.after")
        return total

    def _batches(self) -> Done:
        total = Done()
        due = select(_v.id).where(_v.workspace_id == workspaces.c.id, self._ripe()).exists()
        wanted = select(workspaces.c.id, workspaces.c.name).where(workspaces.c.state == "active", due)
        with self._services.database.read() as connection:
            there = connection.execute(wanted).all()
        for workspace in there:
            for ids in self._due(workspace.id, workspace.name):
                if not self._order.run:
                    self._begin()
                act(self._services, self._lease, self._order, workspace.id, workspace.name, ids, self._pace, total)
        return total

    def _begin(self) -> None:
        action, now = self._order.action, self._order.as_of
        hit("sweep.begin.before")
        run = self._lease.write(lambda connection: runs.begin(connection, None, action, now, runs.Cause(TTL), now))
        hit("sweep.begin.after")
        self._order = replace(self._order, run=run)

    def _ripe(self) -> ColumnElement[bool]:
        """Whether a version's date has come. Not whether it goes: a policy may be about it."""
        date, ttl = _WHEN[self._order.action]
        return and_(_v.status == FROM[self._order.action], date <= self._order.as_of, ttl.is_not(None))

    def _due(self, workspace_id: int, workspace: str) -> Iterator[list[int]]:
        """Batches of row ids of what is due by the policies as they are then; each version once, whatever becomes of it."""
        order = self._order
        date, _ = _WHEN[order.action]
        ripe = and_(_v.workspace_id == workspace_id, self._ripe())
        after: Any = None
        while True:
            found = select(_v.id, _v.asset_id, date.label("date")).where(ripe).order_by(date, _v.id).limit(self._pace.size)
            if after is not None:
                found = found.where(or_(date > after.date, and_(date == after.date, _v.id > after.id)))
            with self._services.database.read() as connection:
                rows = connection.execute(found).all()
                if not rows:
                    return
                here = {row.id for row in rows}
                self._order = order = replace(self._order, rivals=self._policies.look(connection))
                live = list(facts.of_assets(connection, workspace, {row.asset_id for row in rows}))
            after = rows[-1]
            if due := [v.id for v in live if v.id in here and v.status == FROM[order.action] and order.judge(v)[1] is None]:
                yield due
