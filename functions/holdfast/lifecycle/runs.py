"""The rows of ``runs``: what each run planned and did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from holdfast.database.tables import policies, run_workspaces
from holdfast.database.tables import runs as t
from holdfast.lifecycle.batch import Done
from holdfast.lifecycle.planning import Plan
from holdfast.policies.report import Action

UNFINISHED = ("planning", "running")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was started: ``trigger`` is schedule, manual, approval or ttl; ``slot`` the time of the schedule that it serves."""

    trigger: str = "manual"
    slot: datetime | None = None


MANUAL = Cause()


def begin(connection: Connection, policy: str | None, action: Action, as_of: datetime, cause: Cause, now: datetime) -> int:
    """A new run's id. Whatever run of the same policy and action has not come to its end is given up: its process is gone, since
    the caller has the lease."""
    gone = (t.c.policy == policy, t.c.action == str(action), t.c.state.in_(UNFINISHED))
    connection.execute(update(t).where(*gone).values(state="stopped", error="Its process ended.", finished_at=now))
    generation = None
    if policy is not None:
        namespace, _, name = policy.partition("/")
        known = select(policies.c.generation).where(policies.c.namespace == namespace, policies.c.name == name)
        generation = connection.scalar(known)
    row: dict[str, Any] = {
        "policy": policy,
        "generation": generation or 0,
        "action": str(action),
        "trigger": cause.trigger,
        "slot": cause.slot,
        "state": "planning",
        "as_of": as_of,
        "skipped": {},
        "started_at": now,
    }
    key = connection.execute(insert(t).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def note_plan(connection: Connection, run: int, made: Plan, guard: Mapping[str, Any] | None, state: str, now: datetime) -> None:
    """Keeps the plan. ``state`` is running, or an end: guarded or changed."""
    finished = None if state in UNFINISHED else now
    plan = {"plan": made.summary(), "digest": made.digest, "guard": None if guard is None else dict(guard)}
    connection.execute(update(t).where(t.c.id == run).values(**plan, state=state, finished_at=finished))


def note_batch(connection: Connection, run: int, workspace_id: int, batch: Done, total: Done) -> None:
    """Counts a batch in the transaction that does it. ``total``: of the whole run, with this batch."""
    counted = {"item_count": t.c.item_count + batch.items, "byte_count": t.c.byte_count + batch.bytes}
    connection.execute(update(t).where(t.c.id == run).values(**counted, skipped=dict(total.skipped)))
    w = run_workspaces.c
    added = {"item_count": w.item_count + batch.items, "byte_count": w.byte_count + batch.bytes}
    here = (w.run == run, w.workspace_id == workspace_id)
    if batch.items and not connection.execute(update(run_workspaces).where(*here).values(added)).rowcount:
        row = {"run": run, "workspace_id": workspace_id, "item_count": batch.items, "byte_count": batch.bytes}
        connection.execute(insert(run_workspaces).values(row))


def end(connection: Connection, run: int, state: str, now: datetime, error: str | None = None) -> None:
    """Says how it ended: done, stopped or failed."""
    connection.execute(update(t).where(t.c.id == run).values(state=state, finished_at=now, error=error))


def approved(connection: Connection, policy: str, action: Action, digests: Sequence[str]) -> Row[Any] | None:
    """The newest run of the policy that its guard stopped and whose plan is among ``digests``."""
    found = select(t).where(t.c.policy == policy, t.c.action == str(action), t.c.state == "guarded", t.c.digest.in_(digests))
    return connection.execute(found.order_by(t.c.id.desc()).limit(1)).first() if digests else None


def use_up(connection: Connection, run: int, state: str) -> None:
    """A guarded run's approval counts once: it becomes ``approved``, or ``changed`` where the plan was another by then."""
    connection.execute(update(t).where(t.c.id == run, t.c.state == "guarded").values(state=state))


def latest(connection: Connection, policy: str, action: Action) -> Row[Any] | None:
    """The policy's newest run of an action."""
    found = select(t).where(t.c.policy == policy, t.c.action == str(action)).order_by(t.c.id.desc()).limit(1)
    return connection.execute(found).first()
