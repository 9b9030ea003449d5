"""How an installation stands, read from its database by a dozen statements. Each of them finds its rows by an index, and none reads
more than ``MOST`` of them: what is asked every few seconds must not cost more where more is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Connection, case, func, select

from holdfast.database import tables as t
from holdfast.database.types import among, db_now
from holdfast.lifecycle.purging import LEASE

if TYPE_CHECKING:
    from holdfast.services import Services

MOST = 100_000
"""Rows that are counted: a count that says so many means at least so many."""

JOBS = ("pending", "running", "dead")
INTENTS = ("open", "stored", "grouped", "quarantined", "failed")
ERASURES = ("pending", "gone")
"""The states in which something waits for somebody."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many, and for how many seconds the oldest of them."""

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a policy's action. ``policy`` is its namespace/name, empty for the assets' own TTLs. ``at``: when it ended,
    or began where it has not ended; ``succeeded``: when one was last done to its end."""

    policy: str
    action: str
    state: str
    at: datetime
    succeeded: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """``jobs`` by kind and state; ``due`` by kind, the pending jobs whose time has come; ``intents`` and ``erasures`` by state;
    ``groups``: commit groups that are not settled; ``overdue``: versions whose undo window is over, that no hold covers, and whose
    purge has not begun; ``purge_ended``: when the last purge ended, of whichever process and however; the rest is of all
    workspaces that are there."""

    jobs: Mapping[tuple[str, str], int]
    due: Mapping[str, Waiting]
    intents: Mapping[str, Waiting]
    groups: Waiting
    overdue: Waiting
    erasures: Mapping[str, Waiting]
    purge_ended: datetime | None
    runs: Sequence[LastRun]
    workspaces: int
    stored_bytes: int
    stored_versions: int


def read(services: Services) -> Standing:
    """Raises DatabaseUnavailable."""
    with services.database.read() as connection:
        now = connection.execute(select(db_now())).scalar_one()
        jobs, due = _jobs(connection, now)
        i, e, g, v, w = t.intents.c, t.erasures.c, t.commit_groups.c, t.versions.c, t.workspaces.c
        # By the services' clock, as the purge itself: the others are by the database's.
        overdue = (v.phase == "condemned", v.held == 0, v.purge_after <= services.clock())
        stored = select(func.count(), func.sum(w.used_bytes), func.sum(w.used_versions)).where(w.state == "active")
        workspaces, stored_bytes, stored_versions = connection.execute(stored).one()
        return Standing(
            jobs=jobs,
            due=due,
            intents={s: _waiting(connection, now, i.heartbeat_at, i.heartbeat_at, i.state == s) for s in INTENTS},
            groups=_waiting(connection, now, g.created_at, g.created_at, g.state == "open"),
            overdue=_waiting(connection, services.clock(), v.purge_after, v.purge_after, *overdue),
            erasures={s: _waiting(connection, services.clock(), e.requested_at, e.id, e.state == s) for s in ERASURES},
            purge_ended=_ended(connection, now),
            runs=_runs(connection),
            workspaces=workspaces,
            stored_bytes=int(stored_bytes or 0),
            stored_versions=int(stored_versions or 0),
        )


def _waiting(connection: Connection, now: datetime, since: Column[Any], order: Column[Any], *where: ColumnElement[bool]) -> Waiting:
    """``order`` is what the index that serves ``where`` goes on with, and rises as ``since`` does."""
    oldest = connection.scalar(select(since).where(*where).order_by(order).limit(1))
    if oldest is None:
        return Waiting()
    some = select(order).where(*where).limit(MOST).subquery()
    return Waiting(connection.scalar(select(func.count()).select_from(some)) or 0, _age(now, oldest))


def _age(now: datetime, since: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


def _jobs(connection: Connection, now: datetime) -> tuple[dict[tuple[str, str], int], dict[str, Waiting]]:
    j = t.jobs.c
    counts: dict[tuple[str, str], int] = {}
    due: dict[str, Waiting] = {}
    for state in JOBS:
        some = select(j.kind, j.run_after).where(j.state == state).limit(MOST).subquery()
        is_due = some.c.run_after <= now
        query = select(some.c.kind, func.count(), func.count(case((is_due, 1))), func.min(some.c.run_after)).group_by(some.c.kind)
        for kind, count, ready, first in connection.execute(query):
            counts[kind, state] = count
            if state == "pending":
                due[kind] = Waiting(ready, _age(now, first))
    return counts, due


def _ended(connection: Connection, now: datetime) -> datetime | None:
    """A lease that is given back ends then; one whose holder died runs out."""
    until = connection.scalar(select(t.leases.c.expires_at).where(t.leases.c.name == LEASE))
    return until if until is not None and until <= now else None


def _runs(connection: Connection) -> list[LastRun]:
    r, p = t.runs.c, t.policies.c
    known = {f"{namespace}/{name}" for namespace, name in connection.execute(select(p.namespace, p.name))}
    newest = select(r.policy, r.action, func.max(r.id)).group_by(r.policy, r.action)
    ids = [run for policy, _, run in connection.execute(newest) if policy is None or policy in known]
    columns = (r.policy, r.action, r.state, r.started_at, r.finished_at)
    found = []
    for row in connection.execute(select(*columns).where(among(r.id, ids)).order_by(r.policy, r.action)):
        succeeded = row.finished_at
        if row.state != "done":
            done = (r.policy == row.policy, r.action == row.action, r.state == "done")
            succeeded = connection.scalar(select(r.finished_at).where(*done).order_by(r.id.desc()).limit(1))
        found.append(LastRun(row.policy or "", row.action, row.state, row.finished_at or row.started_at, succeeded))
    return found
