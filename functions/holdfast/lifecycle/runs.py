"""The rows of ``runs``: what each run planned and did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from holdfast.database.tables import policies, run_workspaces
from holdfast.database.tables import runs as t
from holdfast.errors import Unavailable
from holdfast.lifecycle.batch import Done
from holdfast.lifecycle.lease import Held, TakenOver
from holdfast.lifecycle.planning import Plan
from holdfast.policies.words import Action

UNFINISHED = ("planning", "running")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was started: ``trigger`` is schedule, manual, approval or ttl; ``slot`` the time of the schedule that it serves."""

    trigger: str = "manual"
    slot: datetime | None = None


MANUAL = Cause()
APPROVED = "approval"
"""The trigger of a run that carries out a plan that its guard had stopped."""


def begin(connection: Connection, policy: str | None, action: Action, as_of: datetime, cause: Cause, now: datetime) -> int:
    """A new run's id. To be called under the lease, as all that follows."""
    give_up(connection, policy, action, now)
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


def give_up(connection: Connection, policy: str | None, action: str, now: datetime) -> None:
    """Whatever run of the policy's action has not come to its end is stopped: its process is gone, or has lost the lease, since the
    caller has it."""
    gone = (t.c.policy == policy, t.c.action == str(action), t.c.state.in_(UNFINISHED))
    connection.execute(update(t).where(*gone).values(state="stopped", error="Its process ended.", finished_at=now))


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


@dataclass(frozen=True, slots=True)
class Approval:
    """A run that its guard stopped, and that may go on. ``left``: how many versions it may still be done to, where a run that
    carried it out has been interrupted; None where nothing of it is done."""

    run: int
    as_of: datetime
    digest: str
    basis: str
    left: int | None

    def covers(self, made: Plan) -> bool:
        """Whether ``made``, planned for the same instant, is what was approved: the very plan; or, once a part of it is done, no
        more than the rest by the same spec. Each version is looked at once more in its own act, as ever."""
        if self.left is None:
            return made.digest == self.digest
        return made.basis == self.basis and made.due_items <= self.left


def approved(connection: Connection, policy: str, action: Action, digests: Sequence[str]) -> Approval | None:
    """For the newest run of the policy that its guard stopped and whose plan is among ``digests``."""
    if not digests:
        return None
    ours = (t.c.policy == policy, t.c.action == str(action))
    found = select(t).where(*ours, t.c.state == "guarded", t.c.digest.in_(digests)).order_by(t.c.id.desc()).limit(1)
    row = connection.execute(found).first()
    if row is None:
        return None
    begun = (t.c.trigger == APPROVED, t.c.as_of == row.as_of, t.c.id > row.id)
    done = int(connection.scalar(select(func.sum(t.c.item_count)).where(*ours, *begun)) or 0)
    return Approval(row.id, row.as_of, row.digest, row.plan["basis"], row.plan["due"]["items"] - done if done else None)


def waits(connection: Connection, policy: str, digest: str) -> bool:
    """Whether a plan of the policy that its guard stopped has that digest, and was not carried out since."""
    return any(approved(connection, policy, action, [digest]) is not None for action in Action)


def use_up(connection: Connection, run: int, state: str) -> None:
    """A guarded run's approval counts until what it approved is done: the run becomes ``approved`` then, or ``changed`` where the
    plan was another by then."""
    connection.execute(update(t).where(t.c.id == run, t.c.state == "guarded").values(state=state))


def fail(lease: Held, run: int, error: Exception, now: datetime, approval: Approval | None = None) -> None:
    """Says that an error ended it, if that can be said: whoever has the lease after us finds the run unfinished. An error that
    would come again ends the approval, too."""
    message = f"{type(error).__name__}: {error}"

    def act(connection: Connection) -> None:
        end(connection, run, "failed", now, message)
        if approval is not None and not isinstance(error, Unavailable):
            use_up(connection, approval.run, "approved")

    with suppress(TakenOver, Unavailable):
        lease.write(act)


def latest(connection: Connection, policy: str, action: Action, *, ended: bool = False) -> Row[Any] | None:
    """The policy's newest run of an action; with ``ended``, of those that have."""
    which = (t.c.finished_at.is_not(None),) if ended else ()
    found = select(t).where(t.c.policy == policy, t.c.action == str(action), *which).order_by(t.c.id.desc()).limit(1)
    return connection.execute(found).first()


def latest_of(connection: Connection, keys: Collection[str]) -> Sequence[Row[Any]]:
    """The newest run of each action of the policies with these keys."""
    if not keys:
        return ()
    newest = select(func.max(t.c.id)).where(t.c.policy.in_(keys)).group_by(t.c.policy, t.c.action)
    return connection.execute(select(t).where(t.c.id.in_(newest)).order_by(t.c.id)).all()
