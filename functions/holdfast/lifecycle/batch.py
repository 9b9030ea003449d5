"""One transaction of a sweep: some versions of one workspace are archived or condemned, each looked at once more, with the audit
rows that say so. A handful of statements, however many versions they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal, select, update

from holdfast.assets import transitions
from holdfast.assets.newest import refresh_many
from holdfast.audit import trail
from holdfast.clock import isoformat
from holdfast.database.tables import assets, run_items, versions
from holdfast.database.types import along, among
from holdfast.lifecycle import facts
from holdfast.lifecycle.planning import why_not
from holdfast.policies.due import FROM, TTL, Decision, Facts, Rule, decide
from holdfast.policies.words import Action
from holdfast.usage import counters

STATE_CHANGED, NOT_DUE = "stateChanged", "notDueAnyMore"
"""Why a version that was planned is passed over: it has another status by now; what counts for it has changed."""

_LOCKED = along(select(func.count()).select_from(assets).with_for_update(), assets, "PRIMARY")
"""In the order of their ids, as whoever locks many assets does, without being told each."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run does to each version. ``rule`` is None where it is the versions' own TTLs that are carried out."""

    run: int
    action: Action
    as_of: datetime
    rule: Rule | None
    rivals: Sequence[Rule]
    undo_days: int

    @property
    def by(self) -> str:
        return TTL if self.rule is None else self.rule.key

    def judge(self, version: Facts) -> tuple[Decision | None, str | None]:
        """What counts for a version that is ripe, and why it is passed over all the same; None if it is not."""
        rules = self.rivals if self.rule is None else (self.rule, *self.rivals)
        decision = decide(version, self.action, rules)
        if decision is None or (self.rule is not None and not self.rule.matches(version)):
            return None, NOT_DUE
        if self.rule is None:
            held = self.action is Action.DESTROY and version.held > 0
            due = decision.at <= self.as_of and not any(r.acts(self.action) and r.matches(version) for r in rules)
            return decision, (("held" if held else None) if due else NOT_DUE)
        reason = why_not(self.rule, version, self.action, decision, self.as_of)
        return decision, NOT_DUE if reason == "" else reason


@dataclass
class Done:
    """What came of one batch, or of many. Bytes are of all files of a version."""

    items: int = 0
    bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, other: Done) -> None:
        self.items += other.items
        self.bytes += other.bytes
        self.skipped += other.skipped


def assets_of(connection: Connection, ids: Collection[int]) -> list[int]:
    """The row ids of the assets that have the versions with these row ids: a version stays its asset's, so this may be asked
    before the assets are locked."""
    return sorted(set(connection.scalars(select(versions.c.asset_id).where(among(versions.c.id, ids)))))


def carry_out(
    connection: Connection,
    order: Order,
    workspace_id: int,
    workspace: str,
    ids: Collection[int],
    asset_ids: Collection[int],
    now: datetime,
    refused: Mapping[int, str],
) -> Done:
    """Does it to the versions with these row ids, which are of one workspace. ``asset_ids``: what ``assets_of`` says of them.
    ``refused``: ids that may not be condemned, and the reason. To be called in a transaction that holds the run's lease."""
    connection.execute(_LOCKED.where(among(assets.c.id, asset_ids)))
    live = [*facts.of_assets(connection, workspace, asset_ids)]
    done, groups, planned = Done(), defaultdict[tuple[tuple[str, Any], ...], list[Facts]](list), frozenset(ids)
    ripe = [v for v in live if v.id in planned and v.status == FROM[order.action]]
    done.skipped.update({STATE_CHANGED: len(ids) - len(ripe)} if len(ids) > len(ripe) else {})
    for version in ripe:
        decision, reason = order.judge(version)
        if reason is None:
            reason = refused.get(version.id)
        if reason is not None or decision is None:
            done.skipped[reason or NOT_DUE] += 1
            continue
        changes = _changes(version, decision, order, now)
        groups[(("by", decision.by), *sorted(changes.items()))].append(version)
    before = counters.current(connection, asset_ids if groups and order.action is Action.DESTROY else ())
    for (by, *changed), members in groups.items():
        _apply(connection, order, workspace_id, workspace, members, str(by[1]), dict(changed), now)
        done.items += len(members)
        done.bytes += sum(v.bytes for v in members)
    if groups:
        moved = [v for members in groups.values() for v in members]
        touched = {v.asset_id for v in moved}
        if order.action is Action.ARCHIVE:  # an asset's only live version is the newest of whatever status it has
            touched &= {v.asset_id for v in live if v.rank > 1}
        if touched:
            refresh_many(connection, touched, _statuses(order.action))
        _count(connection, order.action, workspace_id, moved, before)
    return done


def _count(connection: Connection, action: Action, workspace_id: int, moved: Sequence[Facts], before: Sequence[Row[Any]]) -> None:
    """``before``: what ``counters.current`` said of the assets before any of it."""
    into = counters.ARCHIVED if action is Action.ARCHIVE else counters.CONDEMNED
    counted = [counters.Version(workspace_id, v.content_type, v.bytes) for v in moved]
    changes = counters.moved(counted, FROM[action], into)
    if action is Action.DESTROY:
        after = counters.current(connection, {row.asset_id for row in before})
        changes += counters.moved(before, counters.CURRENT, None) + counters.moved(after, None, counters.CURRENT)
    counters.apply(connection, changes)


def _statuses(action: Action) -> tuple[str, str]:
    return ("active", "archived") if action is Action.ARCHIVE else ("archived", "destroyed")


def _changes(version: Facts, decision: Decision, order: Order, now: datetime) -> dict[str, Any]:
    if order.action is Action.ARCHIVE:
        over = version.destroy_date is not None and version.destroy_date <= now  # and would be readable again by a new date
        own = decision.by == TTL or over
        return transitions.step(_State(version), transitions.Archive(by_own_date=own), now, order.undo_days)
    return transitions.step(_State(version), transitions.Destroy(), now, order.undo_days)


class _State:
    """A version's facts as ``transitions`` asks for them."""

    phase = None

    def __init__(self, version: Facts) -> None:
        self.status, self.held = version.status, version.held
        self.archive_ttl, self.destroy_ttl = version.archive_ttl, version.destroy_ttl
        self.active_since, self.archive_date = version.active_since, version.archive_date


def _apply(
    connection: Connection,
    order: Order,
    workspace_id: int,
    workspace: str,
    members: Sequence[Facts],
    by: str,
    changes: dict[str, Any],
    now: datetime,
) -> None:
    """The same changes to all ``members``, whose assets are locked."""
    ids = [v.id for v in members]
    ours = among(versions.c.id, ids)
    changed = connection.execute(
        update(versions).where(ours, versions.c.status == FROM[order.action]).values(**changes, revision=versions.c.revision + 1)
    )
    if changed.rowcount != len(ids):
        raise AssertionError("a version changed under its asset's lock")
    details: dict[str, Any] = {
        **{name: value if isinstance(value, (int, str)) else isoformat(value) for name, value in changes.items()},
        "run": order.run,
        "by": by,
        "policy": None if order.rule is None else order.rule.key,
    }
    row = trail.entry(str(order.action), now, workspace=workspace, username=None, **details)
    trail.record_versions(connection, row, ours)
    connection.execute(
        insert(run_items).from_select(
            ["run", "workspace_id", "version", "revision"],
            select(literal(order.run), literal(workspace_id), versions.c.id, versions.c.revision).where(ours),
        )
    )
