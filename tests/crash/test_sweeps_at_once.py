"""A sweep, and somebody who acts on what it is about, at once: what comes of it is what one of the two orders would have brought,
and what was there before the sweep's transaction is what that decides about."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select
from tests.asgi import Http
from tests.behaviour.moments import path
from tests.crash.explorer import Stage, state
from tests.crash.pausing import PATIENCE, pause_at
from tests.crash.sweeps import check_runs, few_at_once, govern, newest_run
from tests.crash.test_acts_at_once import ACTS, HELD_UP, Asset, Version, step
from tests.stacks import SQL, SQLITE, Stack

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.lifecycle.sweeping import Request, sweep
from holdfast.policies.words import Action
from holdfast.services import Services

PLANNING = ("sweep.begin.before", "sweep.begin.after")
"""Before the versions are looked at."""
PLANNED = ("sweep.plan.before", "sweep.plan.after", "sweep.batch.before")
"""Between that and the transaction."""
COMMITTING = "sweep.batch.commit.before"
ACTS_EACH = 6
DONE = ("sweep.batch.after", "sweep.end.before", "sweep.end.after")


@dataclass(frozen=True)
class Sweep:
    """What sweeps: a policy. ``target`` is the version that is due by it."""

    action: Action
    target: Callable[[Asset], Version]
    spec: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Http, Asset], int] = lambda _http, _asset: 200


def _archived(asset: Asset) -> Version:
    return asset.archived


def _active(asset: Asset) -> Version:
    return asset.active


CURRENT = {"match": {"versions": "Current"}}
SWEEPS = {
    "archive": Sweep(Action.ARCHIVE, _active),
    "destroy": Sweep(Action.DESTROY, _archived, {"keepLast": 1}),
    "archive current": Sweep(Action.ARCHIVE, _active, CURRENT),
    "destroy current": Sweep(Action.DESTROY, _active, CURRENT, step("filearchive", _active)),
}
Act = Callable[[Http, Asset, Version], int]


def _asked(name: str) -> Act:
    return lambda http, asset, _target: ACTS[name](http, asset)


def _put(what: str, body: dict[str, Any]) -> Act:
    def act(http: Http, asset: Asset, target: Version) -> int:
        return http.put(f"/{what}/{path(target)}", json=body, headers=asset.headers).status_code

    return act


OTHERS: dict[str, Act] = {
    **{name: _asked(name) for name in ("restore", "archive", "add files", "upload", "destroy", "hold")},
    "set-ttl": _put("ttl", {"archive_ttl": 1000, "destroy_ttl": 1000}),
    "set-labels": _put("labels", {"go": "no"}),
}
PAUSES = {
    "add files": ("commit.form.after", "commit.publish.before", "commit.publish.after"),
    "upload": ("commit.form.after", "commit.publish.before", "commit.publish.after"),
    "hold": ("hold.place.after", "hold.cover.before", "hold.cover.after"),
}
STEP = ("assets.transition.before", "assets.transition.commit.before", "assets.transition.after")
PAIRS = [
    *itertools.product(("archive", "destroy"), OTHERS),
    *itertools.product(("archive current", "destroy current"), ("upload",)),
]


class Labelled(Asset):
    def _made(self, http: Http, content: bytes) -> Version:
        files = {"primary_file": ("note.txt", content)}
        reply = http.post("/fileupload", files=files, data={"labels": '{"go": "yes"}'}, headers=self.headers)
        assert reply.status_code == 200, reply.text
        version: Version = reply.json()
        return version


class Case:
    """A fresh asset, with a policy that is about it alone, and an instant before all that happens to it."""

    def __init__(self, stack: Stack, http: Http, number: int, kind: Sweep) -> None:
        self._stack, self._kind = stack, kind
        self.asset = Labelled(stack, http, number)
        assert kind.prepare(http, self.asset) == 200
        govern(stack, Stage(self.asset.user, []), **kind.spec)
        self.as_of: datetime = stack.own.clock()
        self.since = newest_run(stack)

    def sweep(self, services: Services) -> int:
        source = services.settings.policies_folder
        return sweep(services, source, "default/one", self._kind.action, Request(as_of=self.as_of)).done.items

    def act(self, name: str, http: Http) -> int:
        return OTHERS[name](http, self.asset, self._kind.target(self.asset))

    def outcome(self, swept: int, status: int) -> Any:
        """What is there, what has been done to each version in which order, and what both were told."""
        workspace_id, done = self.asset.user.workspace_id, defaultdict[int, list[str]](list)
        v, a = t.versions.c, t.audit.c
        with self._stack.database.read() as connection:
            versions = connection.execute(select(t.versions).where(v.workspace_id == workspace_id)).all()
            numbers = {row.version_id: row.number for row in versions}
            here = (a.workspace == self.asset.user.branch, a.success, a.version_id.is_not(None))
            for row in connection.execute(select(t.audit).where(*here).order_by(a.id)):
                by = " by a run" if "run" in row.details else ""
                done[numbers[row.version_id]].append(row.operation + by)
            found = state(connection, workspace_id)
        assert set(check_runs(self._stack, self.since)) == {"done"}
        covered = {row.number: (row.held, row.destroy_ttl, row.labels) for row in versions}
        return found, covered, dict(done), swept, status


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize(("sweeping", "other"), PAIRS)
def test_a_sweep_and_an_act_at_once(stack: Stack, sweeping: str, other: str) -> None:
    numbers, services = itertools.count(1), stack.services()
    with stack.client() as http, ThreadPoolExecutor(2) as pool:

        def case() -> Case:
            return Case(stack, http, next(numbers), SWEEPS[sweeping])

        one = case()
        status = one.act(other, http)
        act_first = one.outcome(one.sweep(services), status)
        one = case()
        swept = one.sweep(services)
        sweep_first = one.outcome(swept, one.act(other, http))

        for point in (*PLANNING, *PLANNED, COMMITTING, *DONE):
            one = case()
            with pause_at(point) as pause:
                held_up = pool.submit(one.sweep, services)
                pause.wait()
                meanwhile = pool.submit(one.act, other, http)
                in_time = wait([meanwhile], HELD_UP if point == COMMITTING else PATIENCE).done
                assert bool(in_time) == (point != COMMITTING), "between its transactions a sweep is in nobody's way"
                pause.let_go()
                found = one.outcome(held_up.result(), meanwhile.result())
            if point in PLANNING or (point in PLANNED and other == "hold"):
                assert found == act_first, point
            elif point in PLANNED:
                assert found in (act_first, sweep_first), point
            else:
                assert found == sweep_first, point

        for point in PAUSES.get(other, STEP):
            one = case()
            with pause_at(point) as pause:
                acting = pool.submit(one.act, other, http)
                pause.wait()
                meanwhile = pool.submit(one.sweep, services)
                wait([meanwhile], HELD_UP)
                pause.let_go()
                found = one.outcome(meanwhile.result(), acting.result())
            assert found in (act_first, sweep_first), point
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []


ALLOWED = {200, 409, 410}
STEPS = {
    ("active", "archive"): "archived",
    ("archived", "destroy"): "destroyed",
    ("destroyed", "restore"): "archived",
    ("archived", "restore"): "active",
}


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_many_acts_and_sweeps_in_any_order(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of several assets, and groups of several uploads, lock each other's rows: nobody sees that, and the trail is a
    possible story of each version."""
    few_at_once(monkeypatch.setattr)
    ada, services = stack.user("ada"), stack.services()
    govern(stack, Stage(ada, []), match={}, keepLast=1)
    over = Event()

    def act(http: Http, seed: int) -> None:
        chance = Random(seed)
        for _ in range(ACTS_EACH):
            name = f"note{chance.randrange(6)}.txt"
            reply = http.post("/fileupload", files={"primary_file": (name, chance.randbytes(9))})
            assert reply.status_code == 200, reply.text
            params = {"versions": "all", "status": ["active", "archived", "destroyed"], "prefix": "text/txt/note"}
            for version in chance.choices(http.get("/assets", params=params).json()["items"], k=3):
                what = chance.choice(["filearchive", "filerestore", "delfile"])
                assert http.post(f"/{what}/{path(version)}").status_code in ALLOWED

    def keep_sweeping() -> int:
        done = 0
        while not over.is_set():
            for action in Action:
                done += sweep(services, services.settings.policies_folder, "default/one", action).done.items
        return done

    with stack.client(ada) as http, ThreadPoolExecutor(4) as pool:
        sweeping = pool.submit(keep_sweeping)
        acting = [pool.submit(act, http, seed) for seed in range(3)]
        wait(acting)
        over.set()
        assert sweeping.result() > 0
        for one in acting:
            one.result()
    assert set(check_runs(stack, 0)) == {"done"}
    with stack.database.read() as connection:
        v, a = t.versions.c, t.audit.c
        versions = connection.execute(select(v.version_id, v.asset_path, v.status)).all()
        rows = connection.execute(select(t.audit).where(a.success, a.version_id.is_not(None)).order_by(a.id)).all()
    now: dict[tuple[str, str], str] = {}
    for row in rows:
        which = (row.asset_path, row.version_id)
        now[which] = "active" if row.operation == "upload" else STEPS[now[which], row.operation]
    assert now == {(row.asset_path, row.version_id): row.status for row in versions}
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []
