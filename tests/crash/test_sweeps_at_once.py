"""A sweep, and somebody who acts on what it is about, at once: what comes of it is what one of the two orders would have brought,
and what was there before the sweep's transaction is what that decides about."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from tests.crash.pausing import PATIENCE, noted, pause_at, rest
from tests.crash.sweeps import check_runs, few_at_once, govern, newest_run
from tests.crash.test_acts_at_once import ACTS, HELD_UP, PAUSES, Asset, Version, step
from tests.stacks import SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.lifecycle.sweeping import Request, sweep
from holdfast.policies.words import Action
from holdfast.services import Services

PLANNED, BATCH, COMMITTING = "sweep.plan.before", "sweep.batch.before", "sweep.batch.commit.before"
"""Before the first nothing was looked at yet; after the second a sweep decides, in a transaction that it ends at the third."""
SWEEPING = {name for name in failpoints.names() if name.startswith("sweep.")}
VERIFYING = {name for name in failpoints.names() if name.startswith("verify.")}
ACTS_EACH = 6


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


def _hold(http: Http, asset: Asset, target: Version) -> int:
    wanted = {"matter": "Doe v. Example", "reason": "an order", "assets": [target["asset_path"]]}
    return http.post("/holds", json=wanted, headers=asset.headers).status_code


OTHERS: dict[str, Act] = {
    **{name: _asked(name) for name in ("restore", "archive", "add files", "upload", "destroy")},
    "hold": _hold,
    "set-ttl": _put("ttl", {"archive_ttl": 1000, "destroy_ttl": 1000}),
    "set-labels": _put("labels", {"go": "no"}),
}
STEPS = tuple(other for other in OTHERS if other not in ("add files", "upload"))
CASES = [
    *itertools.product(("archive", "destroy"), (STEPS, ("add files",), ("upload",))),
    *itertools.product(("archive current", "destroy current"), (("upload",),)),
]


class Labelled(Asset):
    def _made(self, http: Http, content: bytes) -> Version:
        files = {"primary_file": (self.name, content)}
        reply = http.post("/fileupload", files=files, data={"labels": '{"go": "yes"}'}, headers=self.headers)
        assert reply.status_code == 200, reply.text
        version: Version = reply.json()
        return version


class Case:
    """A fresh workspace with an asset for each act, a policy about it alone, and an instant before all that happens to it."""

    def __init__(self, stack: Stack, http: Http, number: int, kind: Sweep, acts: Sequence[str], pool: ThreadPoolExecutor) -> None:
        self._stack, self._http, self._kind = stack, http, kind
        self._user = stack.user(f"user{number}")
        made = pool.map(lambda act: Labelled(http, self._user, f"{act.replace(' ', '-')}.txt"), acts)
        self._assets = dict(zip(acts, made, strict=True))
        assert {kind.prepare(http, asset) for asset in self._assets.values()} == {200}
        govern(stack, Stage(self._user, []), **kind.spec)
        rest(stack)
        self._as_of: datetime = stack.own.clock()
        self._since = newest_run(stack)

    def sweep(self, services: Services) -> int:
        source = services.settings.policies_folder
        return sweep(services, source, "default/one", self._kind.action, Request(as_of=self._as_of)).done.items

    def act(self, name: str) -> int:
        asset = self._assets[name]
        return OTHERS[name](self._http, asset, self._kind.target(asset))

    def outcomes(self, swept: int, statuses: Mapping[str, int]) -> dict[str, Any]:
        """Of each act: what is there, what has been done to each version in which order, and what it was told."""
        rest(self._stack)
        v, a = t.versions.c, t.audit.c
        done = defaultdict[str, defaultdict[int, list[str]]](lambda: defaultdict(list))
        with self._stack.database.read() as connection:
            versions = connection.execute(select(t.versions).where(v.workspace_id == self._user.workspace_id)).all()
            numbers = {(row.asset_path, row.version_id): row.number for row in versions}
            here = (a.workspace == self._user.branch, a.success, a.version_id.is_not(None))
            trail = connection.execute(select(t.audit).where(*here).order_by(a.id)).all()
            found = state(connection, self._user.workspace_id)
        for row in trail:
            by = " by a run" if "run" in row.details else ""
            done[row.asset_path][numbers[row.asset_path, row.version_id]].append(row.operation + by)
        assert swept == sum("run" in row.details for row in trail)
        assert set(check_runs(self._stack, self._since)) == {"done"}
        outcomes = {}
        for act, asset in self._assets.items():
            where = asset.active["asset_path"]
            covered = {row.number: (row.held, row.destroy_ttl, row.labels) for row in versions if row.asset_path == where}
            there = [{**one, "asset_path": ""} for one in found if one["asset_path"] == where]
            outcomes[act] = (there, covered, dict(done[where]), statuses[act])
        return outcomes


def may_come_first(points: Sequence[str], point: str, other: str) -> tuple[str, ...]:
    """Who of a sweep, which stands still at this one of its points, and of somebody who acts meanwhile, may have come first."""
    at = points.index(point)
    if at < points.index(PLANNED):
        return ("act",)
    if at > points.index(BATCH):
        return ("sweep",)
    return ("act",) if other == "hold" else ("act", "sweep")


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize(("sweeping", "others"), CASES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_sweep_and_an_act_at_once(stack: Stack, sweeping: str, others: Sequence[str]) -> None:
    """Each stands still at every fail point that it comes by, while the other goes on as far as it can."""
    numbers, services, kind = itertools.count(1), stack.services(), SWEEPS[sweeping]
    with stack.client() as http, ThreadPoolExecutor(len(others) + 1) as pool:

        def case(*acts: str) -> Case:
            return Case(stack, http, next(numbers), kind, acts, pool)

        one, statuses, points = case(*others), dict[str, int](), dict[str, list[str]]()
        for other in others:
            with noted() as points[other]:
                statuses[other] = one.act(other)
                rest(stack)
        first = {"act": one.outcomes(one.sweep(services), statuses)}
        one = case(*others)
        with noted() as its_points:
            swept = one.sweep(services)
        first["sweep"] = one.outcomes(swept, {other: one.act(other) for other in others})
        assert set(its_points) >= SWEEPING | (VERIFYING if kind.action is Action.DESTROY else set())

        for point in its_points:
            one = case(*others)
            with pause_at(point) as pause:
                held_up = pool.submit(one.sweep, services)
                pause.wait()
                meanwhile = {other: pool.submit(one.act, other) for other in others}
                in_time = wait(meanwhile.values(), HELD_UP if point == COMMITTING else PATIENCE).done
                assert len(in_time) == (len(others) if point != COMMITTING else 0), "between its transactions it is in nobody's way"
                pause.let_go()
                found = one.outcomes(held_up.result(), {other: acting.result() for other, acting in meanwhile.items()})
            for other in others:
                assert found[other] in [first[who][other] for who in may_come_first(its_points, point, other)], (point, other)

        for other in others:
            assert set(points[other]) >= set(PAUSES.get(other, PAUSES["archive"])), other
            for point in points[other]:
                one = case(other)
                with pause_at(point) as pause:
                    acting = pool.submit(one.act, other)
                    pause.wait()
                    sweeping_meanwhile = pool.submit(one.sweep, services)
                    wait([sweeping_meanwhile], HELD_UP)
                    pause.let_go()
                    status = acting.result()
                    found = one.outcomes(sweeping_meanwhile.result(), {other: status})
                assert found[other] in (first["act"][other], first["sweep"][other]), (point, other)
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []


ALLOWED = {200, 409, 410}
NEXT = {
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
        now[which] = "active" if row.operation == "upload" else NEXT[now[which], row.operation]
    assert now == {(row.asset_path, row.version_id): row.status for row in versions}
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []
