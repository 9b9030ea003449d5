"""The scheduler of ``holdfast serve``: previews what is new, runs what is due, and goes on with what was approved.

A policy's action is due when the latest time of its schedule has come and no run has served it yet; so a run that was missed while
nothing ran is made up for once, and any number of processes start it once (the sweep's lease, and the slot that its row names).
One that failed, or whose process ended, is tried again (``slots.py``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from holdfast.clock import isoformat
from holdfast.database.tables import policies
from holdfast.errors import Conflict, Problem
from holdfast.lifecycle import slots
from holdfast.lifecycle.looking import planned
from holdfast.lifecycle.runs import Cause, approved
from holdfast.lifecycle.sweeping import Request, annotated, below_floors, rivals_of, sweep
from holdfast.policies import folder, telling
from holdfast.policies.due import Rule
from holdfast.policies.model import AssetPolicy
from holdfast.policies.schedule import BadSchedule, last_run, resolve
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at the folder and the clock."""
PREVIEW_HOURS = 23
"""Age at which a preview is made anew, as the operator does by default."""
MOUNT_SECONDS = 300
"""Longer than a kubelet takes to bring a changed ConfigMap to those who have mounted it."""


@dataclass(frozen=True, slots=True)
class Served:
    """What was done for a policy's action: the latest time of its schedule that a run served, and whether an approved plan waits.
    ``since``: from when on the policy is as it is."""

    since: datetime
    slot: datetime | None
    approved: bool


def due(policy: AssetPolicy, served: Mapping[Action, Served], now: datetime) -> list[tuple[Action, Cause]]:
    """The runs to start now, in their order. Pure. A policy whose schedule is none has no runs."""
    found = []
    for action, one in served.items():
        if one.approved:
            found.append((action, Cause("approval")))
            continue
        try:
            expression = resolve(policy.key, policy.spec.schedule, policy.spec.time_zone, action)
            slot = last_run(expression, policy.spec.time_zone, now)
        except BadSchedule:
            continue
        if slot is not None and slot > max(one.since, one.slot or one.since):
            found.append((action, Cause("schedule", slot)))
    return found


def look(services: Services) -> int:
    """Where others run the policies: forgets those that are no longer in the folder that they are mounted into. How many. Else one
    that was removed after its last job would keep the assets' own TTLs waiting for it. Raises Unavailable."""
    source = services.settings.policies
    if source is None or not source.is_dir():  # nothing was mounted, which says nothing
        return 0
    known = folder.read(source)
    if known.wrong:
        return 0
    return telling.forget(services.database, known.policies.keys(), services.clock() - timedelta(seconds=MOUNT_SECONDS))


def tick(services: Services, stopping: threading.Event, told: dict[str, str] | None = None) -> int:
    """One look: how many runs it started. ``told``: what earlier looks found wrong, and have said. Raises Unavailable."""
    source, clock = services.settings.policies_folder, services.clock
    known = folder.read(source)
    told = {} if told is None else told
    for name in told.keys() - known.wrong.keys():
        del told[name]
    for name, message in known.wrong.items():
        if told.get(name) != message:
            told[name] = message
            log.error("%s is no AssetPolicy that can be read, so no policy is run: %s", name, message)
    if known.wrong:
        return 0  # it may be the one that keeps what the others would destroy
    telling.remember(services.database, known.policies.values(), clock())
    started = 0
    for policy in known.policies.values():
        if stopping.is_set():
            break
        if policy.spec.suspend or below_floors(services, policy) is not None:
            continue
        _keep_previewed(services, policy, known.policies)
        if policy.enforcing:
            for action, cause in due(policy, _served(services, policy), clock()):
                started += _start(services, policy, action, cause, stopping)
    return started


def _start(services: Services, policy: AssetPolicy, action: Action, cause: Cause, stopping: threading.Event) -> bool:
    asked = Request(cause=cause, stop=stopping.is_set)
    try:
        outcome = sweep(services, services.settings.policies_folder, policy.key, action, asked)
    except Conflict:
        return False  # another process is at it
    except Problem as problem:
        log.warning("%s of %s was not run: %s", action, policy.key, problem.detail)
        return False
    log.info("%s of %s: %s, %d versions", action, policy.key, outcome.state, outcome.done.items)
    return True


def _served(services: Services, policy: AssetPolicy) -> dict[Action, Served]:
    found = {}
    with services.database.read() as connection:
        p = policies.c
        mine = (p.namespace == policy.metadata.namespace, p.name == policy.metadata.name)
        since = connection.scalar(select(p.changed_at).where(*mine))
        for action in Action:
            if since is None or not Rule(policy).acts(action):
                continue
            slot = slots.served(connection, policy.key, action, services.clock())
            waits = approved(connection, policy.key, action, annotated(policy)) is not None
            found[action] = Served(since, slot, waits)
    return found


def _keep_previewed(services: Services, policy: AssetPolicy, known: Mapping[str, AssetPolicy]) -> None:
    """A new or changed policy is planned at once, and any once a day, so that what it matches is known."""
    p = policies.c
    with services.database.read() as connection:
        mine = (p.namespace == policy.metadata.namespace, p.name == policy.metadata.name)
        row = connection.execute(select(p.generation, p.preview).where(*mine)).first()
    now = services.clock()
    if row is None or _is_fresh(row.preview or {}, row.generation, now - timedelta(hours=PREVIEW_HOURS)):
        return
    rule = Rule(policy)
    rivals = rivals_of(folder.Folder(known, {}), policy.key)
    plans: dict[str, Any] = {}
    for action in Action:
        if rule.acts(action):
            plans[str(action)] = planned(services, rule, rivals, action, now).summary()
    telling.note_preview(services.database, policy, {"generation": row.generation, "at": isoformat(now), "plans": plans})


def _is_fresh(preview: Mapping[str, Any], generation: int, oldest: datetime) -> bool:
    return preview.get("generation") == generation and datetime.fromisoformat(preview["at"]) > oldest
