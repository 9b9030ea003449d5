"""Sweeps, and their undoing, of workspaces in which more is due than one batch holds; and what must be true of them at the end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update
from tests.behaviour.policies import GENEROUS
from tests.crash.aging import expire_claims, expire_leases
from tests.crash.explorer import Stage
from tests.crash.scenarios import Act, Caller, Replies, Reply, Scenario
from tests.stacks import Stack, User

from holdfast.background import HANDLERS
from holdfast.database import tables as t
from holdfast.jobs.worker import Worker
from holdfast.lifecycle import undoing, upkeep
from holdfast.lifecycle.own import sweep_own
from holdfast.lifecycle.runs import UNFINISHED
from holdfast.lifecycle.sweeping import Outcome, Request, sweep
from holdfast.policies import folder, telling
from holdfast.policies.model import AssetPolicy
from holdfast.policies.validating import validated
from holdfast.policies.words import Action
from holdfast.services import Services

BATCH = 2
"""Versions of one transaction, where there are to be several."""

DUE = ("a", "a", "b")
"""The assets of which versions are due, once for each version."""
HELD, LEFT_ALONE = "held", "left"

Trail = dict[tuple[str, int], tuple[str, ...]]
"""What runs did to each version, by the asset's stem and the number."""


def few_at_once(setattr_: Callable[[str, Any], None]) -> None:
    """Makes batches small, by pytest's ``monkeypatch.setattr``."""
    for module in ("sweeping", "own", "undoing"):
        setattr_(f"holdfast.lifecycle.{module}.BATCH", BATCH)


FILES = tuple((stem, b"%d" % number, "no" if stem == LEFT_ALONE else "yes") for number, stem in enumerate((*DUE, HELD, LEFT_ALONE)))
"""What is uploaded to each workspace: stem, content, and the label ``go``."""


def _uploaded(stem: str, content: bytes, go: str) -> Act:
    async def act(by: Caller, _so_far: Replies, _key: str | None) -> Reply:
        return await by.upload(content, ("side.txt", b"beside"), name=f"{stem}.txt", labels=json.dumps({"go": go}))

    return act


PREPARED = Scenario("", tuple(_uploaded(*file) for file in FILES), _uploaded(*FILES[0]))
"""As ``Explorer`` prepares many of them."""


def prepared(stack: Stack, name: str) -> Stage:
    """One of them."""
    user = stack.user(name)

    async def upload() -> None:
        caller = Caller(stack.app(), user)
        for act in PREPARED.before:
            reply = await act(caller, [], None)
            assert reply.status_code == 200, reply.text

    asyncio.run(upload())
    return Stage(user, [])


def run_out(stack: Stack) -> None:
    """As if whoever is at work had not been heard of for too long."""

    def act(connection: Connection) -> None:
        expire_leases(connection)
        expire_claims(connection)

    stack.database.write(act)


def govern(stack: Stack, stage: Stage, **spec: Any) -> AssetPolicy:
    """Puts the one policy into the installation's folder: it is about the workspace, and everything of it is due at once."""
    here = {"workspaces": {"names": [stage.user.branch]}, "match": {"labels": {"go": "yes"}}, "mode": "Enforce"}
    at_once = {"archive": {"afterDays": 0}, "destroy": {"afterDays": 0}, "guard": GENEROUS}
    policy = validated({"metadata": {"name": "one"}, "spec": {**here, **at_once, **spec}})
    folder.put(stack.own.settings.policies_folder, policy)
    return policy


def swept(services: Services, action: Action, *approve: str) -> Outcome:
    return sweep(services, services.settings.policies_folder, "default/one", action, Request(approve=approve))


def hold(stack: Stack, user: User, stem: str) -> None:
    """Places a hold on an asset."""
    with stack.client(user, stack.own) as http:
        wanted = {"matter": "Doe v. Example", "reason": "an order", "selector": {"paths": [f"text/txt/{stem}"]}}
        assert http.post("/holds", json=wanted).status_code == 201


@dataclass(frozen=True)
class Work:
    """``ready`` makes it due, and returns what is asked of ``act``, which does it. ``done`` is what has been done to each version
    that was due at the end, and to each that was held before it could be destroyed."""

    name: str
    ready: Callable[[Stack, Stage], Any]
    act: Callable[[Services, Any], None]
    done: tuple[str, ...]
    held: tuple[str, ...] = ("archive",)


def _archive_ready(stack: Stack, stage: Stage) -> None:
    govern(stack, stage)


def _destroy_ready(stack: Stack, stage: Stage, **spec: Any) -> None:
    govern(stack, stage, **spec)
    assert swept(stack.own, Action.ARCHIVE).done.items == len(DUE) + 1
    hold(stack, stage.user, HELD)


def _approved_ready(stack: Stack, stage: Stage) -> str:
    _destroy_ready(stack, stage)
    govern(stack, stage, guard={"maxItems": 1, "maxPercent": 100})
    guarded = swept(stack.own, Action.DESTROY)
    assert guarded.state == "guarded"
    assert guarded.plan is not None
    return guarded.plan.digest


def _own_ready(stack: Stack, stage: Stage) -> None:
    telling.remember(stack.database, [], stack.own.clock())
    v = t.versions.c
    ripe = update(t.versions).where(v.workspace_id == stage.user.workspace_id, v.asset_path != f"text/txt/{LEFT_ALONE}")
    due = ripe.values(archive_ttl=0, archive_date=v.active_since)
    stack.database.write(lambda connection: connection.execute(due))


def _undo_ready(stack: Stack, stage: Stage) -> None:
    _destroy_ready(stack, stage)
    run = swept(stack.own, Action.DESTROY).run
    assert run is not None
    asked = undoing.Undoing(run, None, "admin", "")
    stack.database.write(lambda connection: undoing.request(connection, asked, stage.user.account.user_id))


def _work(services: Services, _asked: None) -> None:
    worker = Worker(services, HANDLERS)
    while worker.run_one():
        pass


def _own(services: Services, _asked: None) -> None:
    upkeep.clean(services)  # as in a round of the background
    sweep_own(services)


def _sweeping(action: Action) -> Callable[[Services, Any], None]:
    def act(services: Services, digest: str | None) -> None:
        outcome = swept(services, action, *([digest] if digest else []))
        assert outcome.state == "done", outcome

    return act


WORKS = (
    Work("archive", _archive_ready, _sweeping(Action.ARCHIVE), ("archive",)),
    Work("destroy", _destroy_ready, _sweeping(Action.DESTROY), ("archive", "destroy")),
    Work("approved plan", _approved_ready, _sweeping(Action.DESTROY), ("archive", "destroy")),
    Work("own TTLs", _own_ready, _own, ("archive",)),
    Work("undo", _undo_ready, _work, ("archive", "destroy", "restore")),
)


def newest_run(stack: Stack) -> int:
    with stack.database.read() as connection:
        return connection.scalar(select(func.max(t.runs.c.id))) or 0


def check(stack: Stack, stage: Stage, work: Work, since: int) -> None:
    """All that was due is done and once, nothing else is, and the runs after ``since`` say what they did."""
    expected: Trail = {(HELD, 1): work.held, (LEFT_ALONE, 1): ()}
    counted = Counter[str]()
    for stem in DUE:
        counted[stem] += 1
        expected[stem, counted[stem]] = work.done
    assert trail(stack, stage.user.workspace_id) == expected
    status = {"archive": "archived", "destroy": "destroyed", "restore": "archived"}
    with stack.database.read() as connection:
        v = t.versions.c
        for row in connection.execute(select(t.versions).where(v.workspace_id == stage.user.workspace_id)):
            acts = expected[row.asset_path.rpartition("/")[2], row.number]
            assert row.status == (status[acts[-1]] if acts else "active")
            assert row.phase == ("condemned" if row.status == "destroyed" else None)
        items = connection.execute(
            select(t.runs.c.action, t.run_items.c.version)
            .join(t.runs, t.runs.c.id == t.run_items.c.run)
            .where(t.run_items.c.workspace_id == stage.user.workspace_id)
        ).all()
    assert len(items) == len(set(items)), "a run's items are its own"
    wanted = Counter(act for acts in expected.values() for act in acts if act != "restore")
    assert Counter(item.action for item in items) == wanted
    check_runs(stack, since)
    if "restore" in work.done:
        with stack.database.read() as connection:
            assert connection.scalars(select(t.runs.c.undone).where(t.runs.c.undone > 0, t.runs.c.id > since)).all() == [len(DUE)]


def check_runs(stack: Stack, since: int) -> list[str]:
    """None is under way, and what each counts is what its items are. The states of those after ``since``, in their order."""
    with stack.database.read() as connection:
        rows = connection.execute(select(t.runs).where(t.runs.c.id > since).order_by(t.runs.c.id)).all()
        i, v, w = t.run_items.c, t.versions.c, t.run_workspaces.c
        sums = select(i.run, func.count().label("items"), func.sum(v.total_bytes).label("bytes")).join(
            t.versions, v.id == i.version
        )
        found = {row.run: (row.items, int(row.bytes)) for row in connection.execute(sums.where(i.run > since).group_by(i.run))}
        told = select(w.run, func.sum(w.item_count).label("items"), func.sum(w.byte_count).label("bytes"))
        by_workspace = connection.execute(told.where(w.run > since).group_by(w.run)).all()
    for row in rows:
        assert row.state not in UNFINISHED
        assert row.finished_at is not None
        assert (row.error is not None) == (row.state in {"stopped", "failed"}), row
        assert (row.item_count, row.byte_count) == found.get(row.id, (0, 0))
    assert {row.run: (int(row.items), int(row.bytes)) for row in by_workspace} == found
    return [row.state for row in rows]


def trail(stack: Stack, workspace_id: int) -> Trail:
    """From the audit, in its order, for every version there is."""
    v, a = t.versions.c, t.audit.c
    with stack.database.read() as connection:
        versions = connection.execute(select(t.versions).where(v.workspace_id == workspace_id)).all()
        name = select(t.workspaces.c.name).where(t.workspaces.c.id == workspace_id).scalar_subquery()
        rows: Sequence[Any] = connection.execute(select(t.audit).where(a.workspace == name).order_by(a.id)).all()
    done = defaultdict[tuple[str, str], list[str]](list)
    for row in rows:
        if row.success and "run" in row.details:
            done[row.asset_path, row.version_id].append(row.operation)
    return {
        (row.asset_path.rpartition("/")[2], row.number): tuple(done.pop((row.asset_path, row.version_id), ())) for row in versions
    }
