"""A sweep: a policy's plan, its guard, and its acts batch by batch. What a CronJob runs, ``holdfast sweep``, and the scheduler of
``holdfast serve``.

Two runs of one policy's action never overlap (a lease in SQL, held through every batch), and no version is acted on twice: each is
looked at once more under its asset's lock. A run that is stopped, or whose process dies, has done whole batches. The next one plans
anew, or goes on with the plan that was approved. The policies are looked at again before each batch: what is suspended, deleted or
changed stops there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from holdfast.database.tables import workspaces
from holdfast.errors import Invalid, NotFound
from holdfast.failpoints import hit
from holdfast.lifecycle import looking, points, runs, slots
from holdfast.lifecycle.batch import Done, Order, assets_of, carry_out
from holdfast.lifecycle.lease import Held, of_sweep
from holdfast.lifecycle.pace import Pace
from holdfast.lifecycle.planning import Plan, plan, tripped
from holdfast.lifecycle.runs import Approval, Cause
from holdfast.lifecycle.verifying import NOT_HASHED, unfit
from holdfast.policies import folder, telling
from holdfast.policies.due import Rule
from holdfast.policies.floors import Floors, below
from holdfast.policies.folder import Folder
from holdfast.policies.model import APPROVE_PLAN, AssetPolicy
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

assert points

BATCH = 900
"""Most versions of one transaction: of 1,000 ids MariaDB would make a table to join with (in_predicate_conversion_threshold), and
read all versions there are for it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a sweep. ``as_of``: the instant that it plans for (default: now); one to come is for previews.
    ``digest``: nothing happens unless this is the plan's. ``approve``: digests beside those that the policy's annotation names.
    ``preview``: nothing happens at all but the plan. ``stop`` is asked before each batch, ``progress`` told after each: versions
    looked at, and how many there are."""

    as_of: datetime | None = None
    digest: str | None = None
    approve: Sequence[str] = ()
    preview: bool = False
    cause: Cause = runs.MANUAL
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda _done, _all: None


@dataclass
class Outcome:
    """How a sweep ended. ``state``: done, guarded, changed, stopped; preview or suspended, where the policy does not enforce.
    ``missing``: workspaces that the policy names and that are not there."""

    state: str
    run: int | None = None
    plan: Plan | None = None
    guard: dict[str, Any] | None = None
    done: Done = field(default_factory=Done)
    seconds: float = 0.0
    missing: Sequence[str] = ()


def sweep(services: Services, source: Path, key: str, action: Action, asked: Request = Request()) -> Outcome:
    """Runs one action of the policy ``key`` (namespace/name) of the folder ``source``, to its end. Raises NotFound, Invalid (a
    policy of the folder cannot be read, or this one has no such action), Conflict (another run is under way, or has taken over),
    Unavailable."""
    began = time.monotonic()
    stamp, known = _told(services, source)
    policy = _find(known, key)
    rule = Rule(policy)
    if not rule.acts(action):
        raise Invalid(f"{key} has no {action}.")
    if (said := below_floors(services, policy)) is not None:
        raise Invalid(f"{key} is not carried out: {said}.", slug="below-floor")
    if policy.spec.suspend:
        return Outcome("suspended")
    missing = looking.missing(services, [policy])
    if asked.preview or not policy.enforcing:
        made = looking.planned(services, rule, rivals_of(known, key), action, asked.as_of or services.clock())
        outcome = Outcome("preview", plan=made, guard=tripped(policy.spec.guard, made))
    else:
        with Held(services.database, of_sweep(key, action)) as lease:
            outcome = _Sweep(services, source, stamp, known, rule, action, asked, lease).run()
    outcome.seconds, outcome.missing = time.monotonic() - began, missing
    return outcome


def rivals_of(known: Folder, key: str) -> list[Rule]:
    """The other policies that enforce, as rules."""
    return [Rule(policy) for policy in known.policies.values() if policy.enforcing and policy.key != key]


def _told(services: Services, source: Path) -> tuple[object, Folder]:
    """What is in the folder, with its stamp; SQL knows it, too. Another process may have told SQL of an older folder, or of a newer
    one than ours, at the same time: so it is told until nothing has changed since before it was read."""
    while True:
        stamp = _stamp(source)
        known = folder.read(source)
        known.check()
        telling.remember(services.database, known.policies.values(), services.clock())
        if _stamp(source) == stamp:
            return stamp, known


def below_floors(services: Services, policy: AssetPolicy) -> str | None:
    """What the installation asks of every policy and this one does not keep, in a sentence."""
    settings = services.settings
    return below(policy.spec, Floors(settings.policy_min_undo_days, settings.policy_max_percent, settings.policy_min_after_days))


def _find(known: Folder, key: str) -> AssetPolicy:
    policy = known.policies.get(key)
    if policy is None:
        raise NotFound(f"There is no policy {key}.")
    return policy


class _Sweep:
    def __init__(
        self,
        services: Services,
        source: Path,
        stamp: object,
        known: Folder,
        rule: Rule,
        action: Action,
        asked: Request,
        lease: Held,
    ) -> None:
        self._services, self._source, self._asked, self._lease = services, source, asked, lease
        self._stamp, self._known, self._rule, self._action = stamp, known, rule, action

    def run(self) -> Outcome:
        policy, clock = self._rule.policy, self._services.clock
        digests = [*self._asked.approve, *annotated(policy)]
        with self._services.database.read() as connection:
            approval = runs.approved(connection, policy.key, self._action, digests)
        if approval is not None and self._asked.as_of not in {None, approval.as_of}:
            approval = None
        if approval is None and self._asked.as_of is not None and self._asked.as_of > clock():
            raise Invalid("What is not due yet can be previewed only: the instant to plan for has not come.")
        as_of = self._asked.as_of or (approval.as_of if approval is not None else clock())
        cause = self._asked.cause if approval is None else replace(self._asked.cause, trigger=runs.APPROVED)
        hit("sweep.begin.before")

        def begin(connection: Connection) -> int:
            if cause.slot is not None:
                slots.check(connection, policy.key, self._action, cause.slot, clock())
            return runs.begin(connection, policy.key, self._action, as_of, cause, clock())

        run = self._lease.write(begin)
        hit("sweep.begin.after")
        try:
            return self._carry_on(run, as_of, approval)
        except Exception as error:
            runs.fail(self._lease, run, error, clock(), approval)
            raise

    def _carry_on(self, run: int, as_of: datetime, approval: Approval | None) -> Outcome:
        clock, guard = self._services.clock, self._rule.policy.spec.guard
        rivals = rivals_of(self._known, self._rule.key)
        versions = looking.versions(self._services, self._rule)
        made = plan(self._rule, rivals, self._action, as_of, self._lease.prolonged(versions))
        asked_for = approval.covers(made) if approval is not None else self._asked.digest in {None, made.digest}
        broken = None if approval is not None else tripped(guard, made)
        state = "changed" if not asked_for else "running" if broken is None else "guarded"
        hit("sweep.plan.before")

        def note(connection: Connection) -> None:
            runs.note_plan(connection, run, made, broken, state, clock())
            if approval is not None and state == "changed":
                runs.use_up(connection, approval.run, "changed")

        self._lease.write(note)
        hit("sweep.plan.after")
        if state != "running":
            return Outcome(state, run, made, broken)
        order = Order(run, self._action, as_of, self._rule, rivals, self._rule.policy.spec.undo_days)
        state, done = self._batches(order, made)
        hit("sweep.end.before")

        def conclude(connection: Connection) -> None:
            runs.end(connection, run, state, clock())
            if approval is not None and state == "done":
                runs.use_up(connection, approval.run, "approved")

        self._lease.write(conclude)
        hit("sweep.end.after")
        return Outcome(state, run, made, None, done)

    def _batches(self, order: Order, made: Plan) -> tuple[str, Done]:
        total, looked_at, pace = Done(), 0, Pace(BATCH)
        with self._services.database.read() as connection:
            ids = {row.name: row.id for row in connection.execute(select(workspaces.c.id, workspaces.c.name))}
        for workspace, batch in _batched(made, pace):
            if self._asked.stop():
                return "stopped", total
            now_in_force = self._in_force(order)
            if now_in_force is None:
                return "stopped", total
            order = now_in_force
            act(self._services, self._lease, order, ids[workspace], workspace, batch, pace, total)
            looked_at += len(batch)
            self._asked.progress(looked_at, made.due_items)
        return "done", total

    def _in_force(self, order: Order) -> Order | None:
        """The order under the policies as they are now; None when this one is not in force any more as it was planned."""
        stamp = _stamp(self._source)
        if stamp == self._stamp:
            return order
        known = folder.read(self._source)
        policy = known.policies.get(self._rule.key)
        if known.wrong or policy is None or policy.spec != self._rule.policy.spec:
            return None
        self._stamp = stamp
        return replace(order, rivals=rivals_of(known, policy.key))


def act(
    services: Services,
    lease: Held,
    order: Order,
    workspace_id: int,
    workspace: str,
    ids: Sequence[int],
    pace: Pace,
    total: Done,
) -> None:
    """One batch of a run, in one transaction under ``lease``; ``pace`` times it, and ``total`` counts it. What is to be condemned
    is hashed before. Raises Unavailable, TakenOver."""
    refused = unfit(services, ids, lease.keep) if order.action is Action.DESTROY else {}
    for version, why in refused.items():
        log.log(
            logging.INFO if why.reason == NOT_HASHED else logging.ERROR, "version %d is not condemned: %s", version, why.problem
        )
    reasons = {version: why.reason for version, why in refused.items()}
    now = services.clock()
    with services.database.read() as connection:  # not in the transaction, whose locks others wait for
        asset_ids = assets_of(connection, ids)

    def change(connection: Connection) -> Done:
        batch = carry_out(connection, order, workspace_id, workspace, ids, asset_ids, now, reasons)
        so_far = Done(total.items, total.bytes, total.skipped.copy())
        so_far.add(batch)
        runs.note_batch(connection, order.run, workspace_id, batch, so_far)
        hit("sweep.batch.commit.before")
        return batch

    hit("sweep.batch.before")
    with pace.kept(len(ids)):
        total.add(lease.write(change))
    hit("sweep.batch.after")


def _batched(made: Plan, pace: Pace) -> Iterator[tuple[str, Sequence[int]]]:
    ends = [*(begin for _, begin in made.sections[1:]), len(made.ids)]
    for (workspace, begin), end in zip(made.sections, ends, strict=False):
        at = begin
        while at < end:
            batch = made.ids[at : min(at + pace.size, end)]
            yield workspace, batch
            at += len(batch)


def annotated(policy: AssetPolicy) -> list[str]:
    """The digests that the policy's annotation approves."""
    said = policy.metadata.annotations.get(APPROVE_PLAN, "")
    return [digest.strip() for digest in said.split(",") if digest.strip()]


def _stamp(source: Path) -> object:
    """Another one whenever the folder's files have changed. To be taken before they are read."""
    found = []
    for path in folder.paths(source):
        with suppress(FileNotFoundError):  # removed since it was listed
            stat = path.stat()
            found.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return sorted(found)
