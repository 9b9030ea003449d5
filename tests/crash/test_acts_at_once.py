"""Every pair of acts on one asset at once: what comes of it is what one of the two orders would have brought."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from random import Random
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from tests.asgi import Http
from tests.crash.explorer import State, state
from tests.crash.pausing import pause_at
from tests.stacks import LAKEFS, SQL, SQLITE, STANDIN, Stack, User

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.disagreement import Disagreement

Version = dict[str, Any]
Outcome = tuple[State, tuple[int, ...]]
Act = Callable[[Http, "Asset"], int]

REPETITIONS = 4
HELD_UP = 0.3
"""Seconds for which the second act may wait for the first one, which is held up, before that is let go."""


class Asset:
    """An asset: an archived version, and the newest, which is active."""

    def __init__(self, http: Http, user: User, name: str = "note.txt") -> None:
        self.user, self.name = user, name
        self.headers = {"Authorization": f"Bearer {self.user.token}"}
        self.archived = self._made(http, b"first")
        assert step("filearchive", lambda asset: asset.archived)(http, self) == 200
        self.active = self._made(http, b"second")

    def _made(self, http: Http, content: bytes) -> Version:
        reply = http.post("/fileupload", files={"primary_file": (self.name, content)}, headers=self.headers)
        assert reply.status_code == 200, reply.text
        version: Version = reply.json()
        return version


def upload(http: Http, asset: Asset) -> int:
    files = [("primary_file", (asset.name, b"third")), ("associated_files", ("side.txt", b"third's"))]
    return http.post("/fileupload", files=files, headers=asset.headers).status_code


def add(http: Http, asset: Asset) -> int:
    files = [("associated_files", ("side.txt", b"second's"))]
    fields = {"primary_version_id": asset.active["version_id"]}
    where = f"/add-associated-files/{asset.active['asset_path']}"
    return http.post(where, files=files, data=fields, headers=asset.headers).status_code


def hold(http: Http, asset: Asset) -> int:
    wanted = {"matter": "Doe v. Example", "reason": "an order", "selector": {"all": True}}
    return http.post("/holds", json=wanted, headers=asset.headers).status_code


def step(what: str, which: Callable[[Asset], Version]) -> Act:
    def act(http: Http, asset: Asset) -> int:
        version = which(asset)
        return http.post(f"/{what}/{version['asset_path']}/{version['version_id']}", headers=asset.headers).status_code

    return act


ACTS: dict[str, Act] = {
    "upload": upload,
    "add files": add,
    "archive": step("filearchive", lambda asset: asset.active),
    "restore": step("filerestore", lambda asset: asset.archived),
    "destroy": step("delfile", lambda asset: asset.archived),
    "hold": hold,
}
PAUSES = {
    "upload": ("intent.store.after", "commit.form.before", "commit.form.after", "commit.publish.before", "commit.publish.after"),
    "add files": ("intent.store.after", "commit.form.before", "commit.form.after", "commit.publish.before", "commit.publish.after"),
    "archive": ("assets.transition.before", "assets.transition.commit.before", "assets.transition.after"),
    "restore": ("assets.transition.before", "assets.transition.commit.before", "assets.transition.after"),
    "destroy": ("assets.transition.before", "assets.transition.commit.before", "assets.transition.after"),
    "hold": ("hold.place.before", "hold.place.after", "hold.cover.before", "hold.cover.after"),
}


PAIRS = [*itertools.combinations_with_replacement(ACTS, 2)]
ON_LAKEFS = [pair for pair in PAIRS if {"upload", "add files"} & set(pair)]
"""Those of which at least one commits: the others do not reach it."""
CASES = [
    *((stack, *pair) for stack in (SQLITE, SQL, STANDIN) for pair in PAIRS),
    *((LAKEFS, *pair) for pair in ON_LAKEFS),
]


@pytest.mark.parametrize(("stack", "one", "other"), CASES, indirect=["stack"])
def test_two_acts_at_once(stack: Stack, one: str, other: str) -> None:
    numbers = itertools.count(1)
    chance = Random(f"{one} {other}")
    with stack.client() as http, stack.client() as elsewhere, ThreadPoolExecutor(2) as pool:

        def fresh() -> Asset:
            return Asset(http, stack.user(f"user{next(numbers)}"))

        def outcome(asset: Asset, statuses: tuple[int, ...]) -> Outcome:
            with stack.database.read() as connection:
                return state(connection, asset.user.workspace_id), statuses

        def in_order(names: tuple[str, str]) -> Outcome:
            asset = fresh()
            statuses = {name: ACTS[name](http, asset) for name in names} if one != other else {}
            told = [ACTS[one](http, asset), ACTS[one](http, asset)] if one == other else [statuses[one], statuses[other]]
            return outcome(asset, tuple(sorted(told)) if one == other else tuple(told))

        expected = [in_order((one, other)), in_order((other, one))]

        def check(asset: Asset, first: Future[int], second: Future[int]) -> None:
            told = (first.result(), second.result())
            assert outcome(asset, tuple(sorted(told)) if one == other else told) in expected

        for _ in range(REPETITIONS):
            asset, start = fresh(), Barrier(2)

            def at_once(name: str, by: Http, delay: float, asset: Asset = asset, start: Barrier = start) -> int:
                start.wait()
                sleep(delay)
                return ACTS[name](by, asset)

            check(
                asset,
                pool.submit(at_once, one, http, chance.uniform(0, 0.02)),
                pool.submit(at_once, other, elsewhere, chance.uniform(0, 0.02)),
            )

        for (paused, free), points in (((one, other), PAUSES[one]), ((other, one), PAUSES[other])):
            for point in points:
                asset = fresh()
                with pause_at(point) as pause:
                    held_up = pool.submit(ACTS[paused], http, asset)
                    pause.wait()
                    meanwhile = pool.submit(ACTS[free], elsewhere, asset)
                    wait([meanwhile], HELD_UP)
                    pause.let_go()
                    wait([held_up, meanwhile])
                check(asset, *((held_up, meanwhile) if paused == one else (meanwhile, held_up)))
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []
