"""A hold is placed, or released, while something comes to match it: nothing slips between, whoever is held up, and wherever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from sqlalchemy import select
from tests.asgi import Http
from tests.behaviour.moments import path
from tests.crash.pausing import pause_at
from tests.crash.test_acts_at_once import HELD_UP
from tests.stacks import SQL, SQLITE, Stack

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement

LABELLED = '{"project": "apollo"}'
MATCHING = {"selector": {"labels": {"project": "apollo"}}}
PUBLISHING = ("commit.form.before", "commit.form.after", "commit.publish.before", "hold.look.after", "commit.publish.after")
Change = Callable[[Http, dict[str, Any]], int]


def sent(name: str, content: bytes) -> Change:
    def change(http: Http, _version: dict[str, Any]) -> int:
        files = {"primary_file": (name, content)}
        return http.post("/fileupload", files=files, data={"labels": LABELLED}).status_code

    return change


def label(http: Http, version: dict[str, Any]) -> int:
    return http.put(f"/labels/{path(version)}", json={"project": "apollo"}).status_code


CHANGES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a new asset": (sent("new.txt", b"new"), PUBLISHING),
    "a new version": (sent("note.txt", b"second"), PUBLISHING),
    "equal bytes with a label": (sent("note.txt", b"first"), ("commit.form.before", "hold.look.after", "commit.form.after")),
    "a label": (label, ("assets.transition.before", "hold.look.after", "assets.transition.commit.before")),
}
PLACING = ("hold.place.before", "hold.place.after", "hold.cover.before", "hold.cover.after")
RELEASING = ("hold.release.before", "hold.release.after", "hold.free.before", "hold.free.after")


def place(http: Http) -> int:
    return http.post("/holds", json={"matter": "m", "reason": "r", **MATCHING}).status_code


def release(http: Http) -> int:
    [hold] = http.get("/holds").json()["items"]
    return http.request("DELETE", f"/holds/{hold['id']}").status_code


def held(stack: Stack, branch: str) -> list[int]:
    """Of each version with the label, how many holds cover it."""
    v = t.versions.c
    here = select(v.held, v.labels).join(t.workspaces, t.workspaces.c.id == v.workspace_id).where(t.workspaces.c.name == branch)
    with stack.database.read() as connection:
        return [row.held for row in connection.execute(here) if row.labels]


@pytest.mark.parametrize("of_hold", ["placing", "releasing"])
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_nothing_slips_between(stack: Stack, what: str, of_hold: str) -> None:
    change, points = CHANGES[what]
    act, its_points = (place, PLACING) if of_hold == "placing" else (release, RELEASING)
    with ThreadPoolExecutor(2) as pool:
        for number, point in enumerate((*points, *its_points)):
            user = stack.user(f"user{number}")
            with stack.client(user) as http, stack.client(user) as elsewhere:
                version = http.post("/fileupload", files={"primary_file": ("note.txt", b"first")}).json()
                other = http.post("/fileupload", files={"primary_file": ("old.txt", b"old")}, data={"labels": LABELLED})
                assert other.status_code == 200
                if act is release:
                    assert place(http) == 201
                with pause_at(point) as pause:
                    paused_is_change = point in points
                    first = pool.submit(change, http, version) if paused_is_change else pool.submit(act, http)
                    pause.wait()
                    second = pool.submit(act, elsewhere) if paused_is_change else pool.submit(change, elsewhere, version)
                    wait([second], HELD_UP)
                    pause.let_go()
                    wait([first, second])
                assert {first.result(), second.result()} <= {200, 201}, point
                assert held(stack, user.branch) == ([1, 1] if act is place else [0, 0]), point
    settle(stack.own)
    assert [found for found in verify(stack.own) if isinstance(found, Disagreement)] == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_several_processes_place_and_release_the_same_hold(stack: Stack) -> None:
    from holdfast.holds import placing, releasing
    from holdfast.holds.scope import NewHold

    ada = stack.user("ada")
    with stack.client(ada) as http, ThreadPoolExecutor(4) as pool:
        for n in range(12):
            http.post("/fileupload", files={"primary_file": (f"{n % 5}.txt", b"%d" % n)}, data={"labels": LABELLED})
        who, wanted = stack.own.tokens.verify(ada.token), NewHold.model_validate({"matter": "m", "reason": "r", **MATCHING})
        hold = placing.place(stack.own, who, wanted, wait=0)
        with stack.database.read() as connection:
            [key] = connection.scalars(select(t.holds.c.id)).all()
        assert all(pool.map(lambda _: placing.go_on(stack.own, key, batch=2), range(4)))
        assert held(stack, ada.branch) == [1] * 12
        releasing.release(stack.own, who, hold["id"], wait=0)
        assert all(pool.map(lambda _: releasing.go_on(stack.own, key, batch=2), range(4)))
        assert held(stack, ada.branch) == [0] * 12
        with stack.database.read() as connection:
            assert connection.execute(select(t.hold_versions)).all() == []
