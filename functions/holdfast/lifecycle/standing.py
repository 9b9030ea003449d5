"""How a policy of the embedded default stands: the status that the operator writes in a cluster, made from the registry's rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from holdfast.database.tables import policies
from holdfast.lifecycle import looking, runs
from holdfast.lifecycle.planning import breach
from holdfast.lifecycle.sweeping import below_floors
from holdfast.policies import inforce
from holdfast.policies.conditions import Since, conditions, conflicting, enforcing, guard, ready
from holdfast.policies.model import AssetPolicy
from holdfast.policies.report import Amount, State, reasons
from holdfast.policies.schedule import BadSchedule, next_run, resolve
from holdfast.policies.status import ActionStatus, ConditionType, Conflict, Run, Status, WaitingPlan
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.services import Services

_ENDED = {"done": State.DONE, "approved": State.GUARDED, "guarded": State.GUARDED, "stopped": State.STOPPED}
_MOST_CONFLICTS = 10


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry has of a policy: its own row, if it was told of it yet, the newest run of each action, and the newest that
    has ended. ``others``: the conflicts with it that the newest plans of other enforcing policies found. ``enforcing``: the keys
    of those policies. ``missing``: workspaces that the policy names and that are not there."""

    row: Row[Any] | None
    latest: dict[Action, Row[Any]]
    ended: dict[Action, Row[Any]]
    others: Sequence[Conflict] = ()
    enforcing: Collection[str] = ()
    missing: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy with its status."""

    policy: AssetPolicy
    whole: Status

    def status(self) -> dict[str, Any]:
        """As in YAML, with the zeros that an API server fills in."""
        said: dict[str, Any] = _without_empty(self.whole.model_dump(mode="json", by_alias=True, exclude_none=True))
        return said

    def row(self) -> dict[str, Any]:
        """As a list shows it."""
        last, matched = self.whole.last_run, self.whole.matched
        [ready_] = [one.status for one in self.whole.conditions if one.type is ConditionType.READY]
        return {
            "namespace": self.policy.metadata.namespace,
            "name": self.policy.metadata.name,
            "ready": ready_,
            "mode": "Suspended" if self.policy.spec.suspend else str(self.policy.spec.mode),
            "matched": None if matched is None else matched.items,
            "last_run": None if last is None else f"{last.action} {last.state} {last.time:%Y-%m-%d %H:%M:%S}",
            "next_run": None if self.whole.next_run is None else f"{self.whole.next_run:%Y-%m-%d %H:%M:%S}",
        }


def standing(services: Services, policy: AssetPolicy, wrong: Mapping[str, str] = {}) -> Standing:
    """Reads what there is of it. ``wrong``: what of the policies' folder cannot be read, by file name. Raises
    DatabaseUnavailable."""
    with services.database.read() as connection:
        p = policies.c
        row = connection.execute(
            select(policies).where(p.namespace == policy.metadata.namespace, p.name == policy.metadata.name)
        ).first()
        newest = {action: run for action in Action if (run := runs.latest(connection, policy.key, action)) is not None}
        ended = {action: run for action, latest in newest.items() if (run := _ended(connection, latest)) is not None}
        rivals = {rule.key for rule in inforce.enforcing(connection)} - {policy.key}
        others = _conflicts_with(connection, policy.key, rivals)
    known = Known(row, newest, ended, others, rivals, looking.missing(services, [policy]))
    return Standing(policy, status_of(policy, known, _problem(services, policy, wrong), services.clock()))


def _problem(services: Services, policy: AssetPolicy, wrong: Mapping[str, str]) -> tuple[str, str] | None:
    """Why the policy is not run, whatever its schedule is: as reason and message."""
    if (below := below_floors(services, policy)) is not None:
        return "BelowFloor", below
    for name, message in wrong.items():
        return "UnreadableFile", f"no policy is run while {name} cannot be read as one: {message}"
    return None


def status_of(policy: AssetPolicy, known: Known, problem: tuple[str, str] | None, now: datetime) -> Status:
    """The status; ``problem``: why the policy is not run, as reason and message. Pure."""
    changed = now if known.row is None else known.row.changed_at
    generation = 1 if known.row is None else known.row.generation
    last = max(known.ended.values(), key=lambda run: run.id, default=None)
    waiting = [
        _waiting(action, run)
        for action, run in known.latest.items()
        if run.state == "guarded" and run.generation == generation and policy.enforcing
    ]
    actions: dict[Action, ActionStatus] = {}
    for action, part in ((Action.ARCHIVE, policy.spec.archive), (Action.DESTROY, policy.spec.destroy)):
        if part is None:
            continue
        try:
            expression = resolve(policy.key, policy.spec.schedule, policy.spec.time_zone, action)
            at = next_run(expression, policy.spec.time_zone, now) if policy.enforcing and problem is None else None
        except BadSchedule as error:
            problem = ("InvalidSchedule", str(error))
            continue
        ran = _run(known.ended[action]) if action in known.ended else None
        actions[action] = ActionStatus(cron_job="", schedule=expression, next_run=at, last_run=ran, **_planned(known, action))
    newest = {action: plan for action in Action if (plan := _newest_plan(known, action)) is not None}
    own = [
        Conflict(policy=key, action=action, items=count)
        for action, plan in newest.items()
        for key, count in plan.summary.get("conflicts", {}).items()
        if key in known.enforcing
    ]
    others = sorted(known.others, key=lambda one: (-one.items, one.policy, one.action))[:_MOST_CONFLICTS]
    conflicts = [*own, *others] if policy.enforcing else []
    planned = max(newest.values(), key=lambda plan: plan.time, default=None)
    matched = None if planned is None else Amount(**planned.summary["matched"])
    coming = [one.next_run for one in actions.values() if one.next_run is not None]
    archived, destroyed = known.latest.get(Action.ARCHIVE), known.latest.get(Action.DESTROY)
    status = Status(
        observed_generation=generation,
        archive=actions.get(Action.ARCHIVE),
        destroy=actions.get(Action.DESTROY),
        matched=matched,
        last_run=None if last is None else _run(last),
        next_run=min(coming, default=None),
        archived=None if archived is None else archived.item_count,
        destroyed=None if destroyed is None else destroyed.item_count,
        waiting=waiting,
        conflicts=conflicts,
        reasons=reasons([] if last is None else _reasons(last), known.missing),
    )
    approve = f"holdfast policy approve {policy.key} {' '.join(one.digest for one in waiting)}"
    aspects = [
        ready(policy, problem, status),
        enforcing(policy, policy.enforcing and problem is None, status),
        guard(waiting, policy.spec.guard, approve),
        conflicting(conflicts),
    ]
    return status.model_copy(update={"conditions": conditions(aspects, generation, _since(known, changed))})


def _since(known: Known, changed: datetime) -> Since:
    """What holds by what a run found holds since that run; the rest since the policy is as it is."""
    newest = max((run.finished_at or run.started_at for run in known.latest.values()), default=changed)
    found_by_runs = (ConditionType.GUARD_TRIPPED, ConditionType.CONFLICTING)
    return lambda kind, holds: newest if holds and kind in found_by_runs else changed


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan's summary, with the generation and the time that it is of."""

    summary: Mapping[str, Any]
    generation: int
    time: datetime


def _newest_plan(known: Known, action: Action) -> _Plan | None:
    """Be it a run's or a preview's."""
    return _newer(known.latest.get(action), known.row.preview if known.row is not None else None, action)


def _newer(run: Row[Any] | None, previews: Mapping[str, Any] | None, action: Action) -> _Plan | None:
    found = [] if run is None or run.plan is None else [_Plan(run.plan, run.generation, run.started_at)]
    summary = (previews or {}).get("plans", {}).get(str(action))
    if previews and summary is not None:
        found.append(_Plan(summary, previews["generation"], datetime.fromisoformat(previews["at"])))
    return max(found, key=lambda plan: plan.time, default=None)


def _planned(known: Known, action: Action) -> dict[str, Any]:
    plan = _newest_plan(known, action)
    if plan is None:
        return {}
    return {"planned": Amount(**plan.summary["due"]), "planned_generation": plan.generation, "planned_time": plan.time}


def _conflicts_with(connection: Connection, key: str, rivals: Collection[str]) -> list[Conflict]:
    """With the policy of that key, as the newest plans of its rivals found them."""
    if not rivals:
        return []
    p = policies.c
    previews = {f"{row.namespace}/{row.name}": row.preview for row in connection.execute(select(p.namespace, p.name, p.preview))}
    ran = {(run.policy, Action(run.action)): run for run in runs.latest_of(connection, rivals)}
    return [
        Conflict(policy=rival, action=action, items=items, reported_by="other")
        for rival in rivals
        for action in Action
        if (plan := _newer(ran.get((rival, action)), previews.get(rival), action)) is not None
        and (items := plan.summary.get("conflicts", {}).get(key, 0))
    ]


def _reasons(run: Row[Any]) -> list[str]:
    if run.state == "guarded" and run.guard:
        return [breach(run.guard)]
    return [str(run.error)[:256]] if run.error else []


def _waiting(action: Action, run: Row[Any]) -> WaitingPlan:
    return WaitingPlan(action=action, digest=run.digest, as_of=run.as_of, planned=Amount(**run.plan["due"]))


def _run(row: Row[Any]) -> Run:
    action = Action(row.action)
    excluded = (row.plan or {}).get("excluded", {})
    skipped = {name: row.skipped.get(name, 0) + excluded.get(name, 0) for name in {*row.skipped, *excluded}}
    return Run(
        id=str(row.id),
        action=action,
        state=_ENDED.get(row.state, State.FAILED),
        time=row.finished_at,
        archived=row.item_count if action is Action.ARCHIVE else 0,
        condemned=row.item_count if action is Action.DESTROY else 0,
        held=skipped.get("held", 0),
        skipped=skipped,
        seconds=round((row.finished_at - row.started_at).total_seconds(), 3),
        digest=row.digest,
    )


def _without_empty(said: Any) -> Any:
    """Without lists and maps that have nothing in them, which an API server does not keep."""
    if isinstance(said, list):
        return [_without_empty(one) for one in said]
    if isinstance(said, dict):
        return {name: _without_empty(value) for name, value in said.items() if value not in ([], {})}
    return said


def _ended(connection: Connection, latest: Row[Any]) -> Row[Any] | None:
    """The newest run that has ended, of the policy and the action of the newest."""
    return latest if latest.finished_at is not None else runs.latest(connection, latest.policy, Action(latest.action), ended=True)
