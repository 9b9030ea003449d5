"""What is stored, from counters: they are what counting the versions gives, whatever was done."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from tests.asgi import Http
from tests.behaviour.moments import bearer, path, upload
from tests.behaviour.policies import governed
from tests.security.tenants import platform_admin
from tests.stacks import SQL, SQLITE, Stack

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import migrate
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.usage.counting import recount

NOTHING = {"versions": 0, "bytes": 0}


def usage(http: Http, **params: Any) -> dict[str, tuple[int, int]]:
    """The total: versions and bytes, by what is not 0."""
    total = http.get("/usage", params=params).json()["total"]
    return {name: (count["versions"], count["bytes"]) for name, count in total.items() if count != NOTHING}


def disagreements(stack: Stack) -> list[Disagreement]:
    return [found for found in verify(stack.own) if isinstance(found, Disagreement)]


def step(http: Http, what: str, version: dict[str, Any]) -> int:
    return http.post(f"/{what}/{path(version)}").status_code


def test_every_act_is_counted(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        assert usage(http) == {}
        first = upload(http, "a.txt", b"1")
        second = upload(http, "a.txt", b"22", ("side.txt", b"333"))
        assert usage(http) == {"active": (2, 6), "superseded": (1, 1)}
        added = [("associated_files", ("more.txt", b"4444"))]
        http.post(f"/add-associated-files/{second['asset_path']}", files=added)
        assert usage(http) == {"active": (2, 10), "superseded": (1, 1)}
        step(http, "filearchive", second)
        assert usage(http) == {"active": (1, 1), "archived": (1, 9), "superseded": (1, 1)}
        step(http, "delfile", second)
        assert usage(http) == {"active": (1, 1), "condemned": (1, 9)}, "what it superseded is current again"
        hold = http.post("/holds", json={"matter": "m", "reason": "r", "selector": {"all": True}}).json()
        http.post("/holds", json={"matter": "m", "reason": "r", "assets": [first["asset_path"]]})
        assert usage(http)["held"] == (2, 10), "once, however many holds there are"
        step(http, "filerestore", second)
        assert usage(http) == {"active": (1, 1), "archived": (1, 9), "held": (2, 10), "superseded": (1, 1)}
        http.request("DELETE", f"/holds/{hold['id']}")
        assert usage(http)["held"] == (2, 10)
        assert upload(http, "a.txt", b"55555")["held"]
        assert usage(http) == {"active": (2, 6), "archived": (1, 9), "held": (3, 15), "superseded": (2, 10)}
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_after_any_walk_the_counters_are_what_counting_gives(stack: Stack) -> None:
    chance = random.Random(4)
    with stack.client(stack.user("ada")) as http:
        versions: list[dict[str, Any]] = []
        for n in range(60):
            act = chance.choice(["upload", "upload", "filearchive", "filearchive", "delfile", "filerestore", "hold", "release"])
            if act == "upload" or not versions:
                name = chance.choice(["a.txt", "b.txt", "c.html"])
                versions.append(upload(http, name, b"x" * n, labels=chance.choice(["{}", '{"project": "apollo"}'])))
            elif act == "hold":
                http.post("/holds", json={"matter": "m", "reason": "r", "selector": {"labels": {"project": "apollo"}}})
            elif act == "release":
                for hold in http.get("/holds", params={"state": "active", "limit": 1}).json()["items"]:
                    http.request("DELETE", f"/holds/{hold['id']}")
            else:
                step(http, act, chance.choice(versions))
        assert disagreements(stack) == []
        for hold in http.get("/holds", params={"state": "active"}).json()["items"]:
            http.request("DELETE", f"/holds/{hold['id']}")
        assert http.request("DELETE", "/workspace", json={"confirm": "ada_space"}).status_code == 200
        settle(stack.own)
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_policies_do_and_what_is_taken_back_is_counted(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as here:
        for n in range(5):
            upload(here.http, f"{n % 2}.txt", b"x" * n)
        here.apply(archive={"afterDays": 0}, destroy={"afterDays": 0}, precedence="PolicyFirst")
        assert here.sweep("archive").done.items == 5
        assert usage(here.http) == {"archived": (5, 10), "superseded": (3, 3)}
        swept = here.sweep("destroy")
        assert usage(here.http) == {"condemned": (5, 10)}
        assert disagreements(stack) == []
        assert here.http.post(f"/runs/{swept.run}/undo").status_code == 202
        settle(stack.own)
        assert usage(here.http) == {"archived": (5, 10), "superseded": (3, 3)}
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_it_is_shown_by_workspace_and_media_type_to_those_who_may_see_it(stack: Stack) -> None:
    ada, bob, root = stack.user("ada"), stack.user("bob"), platform_admin(stack, "root")
    with stack.client() as http:
        for user in (ada, bob):
            for name in ("a.txt", "b.html"):
                http.post("/fileupload", headers=bearer(user.token), files={"primary_file": (name, b"12")})

        def items(user: Any, **params: Any) -> list[tuple[str, str, int]]:
            page = http.get("/usage", headers=bearer(user.token), params=params).json()
            found = [(item["workspace"], item["media_type"], item["active"]["bytes"]) for item in page["items"]]
            cursor = page["next_cursor"]
            return found + (items(user, **{**params, "cursor": cursor}) if cursor else [])

        of_ada = [("ada_space", "text/html", 2), ("ada_space", "text/plain", 2)]
        of_bob = [("bob_space", kind, size) for _, kind, size in of_ada]
        assert items(ada) == of_ada
        assert items(root) == items(root, limit=1) == of_ada + of_bob
        assert items(root, workspace="bob_space") == of_bob
        assert http.get("/usage", headers=bearer(ada.token), params={"workspace": "bob_space"}).status_code == 403
        assert http.get("/usage", headers=bearer(root.token), params={"workspace": "nobody_space"}).status_code == 404


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_the_migration_and_a_recount_make_wrong_counters_right(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        versions = [upload(http, f"{n % 2}.txt", b"x" * n) for n in range(4)]
        http.post("/holds", json={"matter": "m", "reason": "r", "assets": [versions[0]["asset_path"]]})
        step(http, "filearchive", versions[1])
        step(http, "delfile", versions[1])
        before = usage(http)
        with stack.database.engine.begin() as connection:
            connection.execute(delete(t.usage))
            connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
        assert {found.problem for found in disagreements(stack)} == {"usage-differs"}
        assert migrate.upgrade(stack.database)
        assert usage(http) == before
        assert disagreements(stack) == []
        with stack.database.engine.begin() as connection:
            connection.execute(update(t.usage).values(bytes=t.usage.c.bytes + 1))
            connection.execute(delete(t.usage).where(t.usage.c.bucket == "held"))
        assert (recount(stack.own), recount(stack.own)) == (1, 0)
        assert usage(http) == before
    assert disagreements(stack) == []
