"""Legal holds: what one covers, present and future, is not deleted, by whatever path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.asgi import Http
from tests.behaviour.moments import Moving, bearer, moving, path, upload
from tests.security.tenants import platform_admin
from tests.stacks import SQL, SQLITE, Stack, User
from tests.uploads import test_chunks as chunks

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.clock import isoformat, system
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.holds import placing, releasing
from holdfast.holds.scope import NewHold
from holdfast.lifecycle.purging import purge
from holdfast.lifecycle.sweeping import sweep
from holdfast.policies import folder, telling
from holdfast.policies.model import AssetPolicy
from holdfast.policies.words import Action

Version = dict[str, Any]
EVERYTHING = {"selector": {"all": True}}


def place(http: Http, **wanted: Any) -> dict[str, Any]:
    reply = http.post("/holds", json={"matter": "Doe v. Example", "reason": "an order", **wanted})
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    assert found["state"] == "active"
    return found


def release(http: Http, hold: dict[str, Any]) -> dict[str, Any]:
    reply = http.request("DELETE", f"/holds/{hold['id']}")
    assert (reply.status_code, reply.json()["state"]) == (200, "released")
    found: dict[str, Any] = reply.json()
    return found


def archived(http: Http, version: Version) -> Version:
    assert http.post(f"/filearchive/{path(version)}").status_code == 200
    return version


def condemned(http: Http, version: Version) -> Version:
    assert http.post(f"/delfile/{path(archived(http, version))}").status_code == 200
    return version


def in_chunks(http: Http, _version: Version) -> Version:
    """An active version that came by the chunk API, in a group of its own; its ``id`` is the file's."""
    return chunks.upload(http, b"in chunks", "chunks.bin", appointment_id="1")


def ending_by_itself(http: Http, version: Version) -> Version:
    """An archived version whose own destroy date has come."""
    assert http.put(f"/ttl/{path(archived(http, version))}", json={"destroy_ttl": 0}).status_code == 200
    return version


def covered(http: Http, hold: dict[str, Any]) -> set[str]:
    found = http.get(f"/holds/{hold['id']}").json()
    assert found["covered"] == len(found["items"])
    return {item["version_id"] for item in found["items"]}


def agreed(stack: Stack) -> None:
    assert [found for found in verify(stack.own) if isinstance(found, Disagreement)] == []


# -- every path that deletes -----------------------------------------------------------------------------------------------


def by_delfile(stack: Stack, http: Http, version: Version) -> Any:
    return http.post(f"/delfile/{path(version)}")


def by_deleting_the_file(stack: Stack, http: Http, version: Version) -> Any:
    return http.request("DELETE", f"/api/v1/file/{version['id']}")


def by_deleting_its_group(stack: Stack, http: Http, version: Version) -> Any:
    """Which answers for each file, and goes on with the next."""
    found = http.request("DELETE", "/api/v1/file/appointment/1").json()["data"]
    [left] = found["left"]
    assert (found["deleted"], left["id"], left["problem"], left["status"]) == (0, version["id"], "held", 423)
    placed = http.get("/holds", params={"state": "active"}).json()["items"]
    assert sorted(left["holds"]) == sorted(hold["id"] for hold in placed)


def by_deleting_the_workspace(stack: Stack, http: Http, version: Version) -> Any:
    return http.request("DELETE", "/workspace", json={"confirm": version["branch"]})


def by_condemning_the_rest_of_a_deleted_workspace(stack: Stack, http: Http, version: Version) -> Any:
    """The workspace was deleted, and the hold came before the job had got so far."""
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.workspaces).where(t.workspaces.c.name == version["branch"]).values(state="deleted"))
    settle(stack.own)
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.workspaces).where(t.workspaces.c.name == version["branch"]).values(state="active"))


def by_the_background(stack: Stack, http: Http, version: Version) -> Any:
    settle(stack.own)


def by_its_own_ttl(stack: Stack, http: Http, version: Version) -> Any:
    telling.remember(stack.database, [], stack.own.clock())
    settle(stack.own)


def by_a_sweep(stack: Stack, http: Http, version: Version) -> Any:
    spec = {
        "workspaces": {"names": [version["branch"]]},
        "destroy": {"afterDays": 0},
        "mode": "Enforce",
        "precedence": "PolicyFirst",
    }
    policy = AssetPolicy.model_validate({"metadata": {"name": "sweeper"}, "spec": spec})
    folder.put(stack.own.settings.policies_folder, policy)
    outcome = sweep(stack.own, stack.own.settings.policies_folder, policy.key, Action.DESTROY)
    assert (outcome.state, outcome.done.items) == ("done", 0)


def by_a_purge(stack: Stack, http: Http, version: Version) -> Any:
    """When its undo window is long over."""
    purge(stack.services(lambda: system() + timedelta(days=1000)))


@dataclass(frozen=True)
class DeletePath:
    """Tries to delete a version that was brought to its ``before``. An answer to a client names the holds; what runs in the
    background passes over the version."""

    attempt: Callable[[Stack, Http, Version], Any]
    before: Callable[[Http, Version], Version]
    deletes: bool = False
    """Whether a second attempt, after the holds, is one that condemns it; of those that answer it always is."""


DELETE_PATHS = {
    "delfile": DeletePath(by_delfile, archived),
    "chunk API": DeletePath(by_deleting_the_file, in_chunks),
    "group of the chunk API": DeletePath(by_deleting_its_group, in_chunks),
    "workspace": DeletePath(by_deleting_the_workspace, archived),
    "workspace with what is condemned": DeletePath(by_deleting_the_workspace, condemned),
    "rest of a deleted workspace": DeletePath(by_condemning_the_rest_of_a_deleted_workspace, archived),
    "background": DeletePath(by_the_background, condemned),
    "own TTL": DeletePath(by_its_own_ttl, ending_by_itself, deletes=True),
    "sweep": DeletePath(by_a_sweep, archived),
    "purge": DeletePath(by_a_purge, condemned),
}
"""All of them, by name: whoever adds a path that deletes adds it here. ``tests/unit/test_deleting.py`` finds them in the code."""


@pytest.mark.parametrize("name", DELETE_PATHS)
def test_every_path_that_deletes_stops_at_a_hold(stack: Stack, name: str) -> None:
    way = DELETE_PATHS[name]
    with stack.client(stack.user("ada")) as http:
        version = way.before(http, upload(http))
        holds = [place(http, **EVERYTHING), place(http, assets=[version["asset_path"]])]
        before = row(stack, version)
        assert before.held == 2
        reply = way.attempt(stack, http, version)
        if reply is not None:
            assert (reply.status_code, reply.json()["holds"]) == (423, [hold["id"] for hold in holds])
        assert row(stack, version) == before
        assert all(stack.own.objects.size(key) is not None for key in keys(stack))
        for hold in holds:
            release(http, hold)
        if reply is not None or way.deletes:
            again = way.attempt(stack, http, version)
            assert reply is None or again.status_code == 200
            assert row(stack, version).phase == "condemned"
    agreed(stack)


def row(stack: Stack, version: Version) -> Any:
    v = t.versions.c
    with stack.database.read() as connection:
        here = (v.asset_path == version["asset_path"], v.version_id == version["version_id"])
        return connection.execute(select(v.status, v.phase, v.held).where(*here)).one()


def keys(stack: Stack) -> list[str]:
    with stack.database.read() as connection:
        return list(connection.scalars(select(t.files.c.object_key)))


# -- what is covered -------------------------------------------------------------------------------------------------------


def test_a_hold_covers_what_matches_now_and_what_comes_to_match(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        mine = upload(http, "a.txt", b"a", labels='{"project": "apollo"}')
        other = upload(http, "b.txt", b"b")
        hold = place(http, selector={"media_types": ["text/*"], "paths": ["text/**"], "labels": {"project": "apollo"}})
        assert (hold["covered"], hold["lost"]) == (1, {"count": 0, "versions": []})
        assert covered(http, hold) == {mine["version_id"]}
        second = upload(http, "a.txt", b"a second", labels='{"project": "apollo"}')
        assert second["held"]
        assert not upload(http, "a.txt", b"a third")["held"]
        assert http.put(f"/labels/{path(other)}", json={"project": "apollo"}).json()["held"]
        assert covered(http, hold) == {mine["version_id"], second["version_id"], other["version_id"]}
        # Equal bytes are no new version, but their labels count.
        again = upload(http, "c.txt", b"c")
        assert not again["held"]
        again = upload(http, "c.txt", b"c", labels='{"project": "apollo"}')
        assert (again["unchanged"], again["held"]) == (True, True)
        # What is covered stays so, whatever becomes of its labels.
        assert http.put(f"/labels/{path(other)}", json={}).json()["held"]
        assert release(http, hold)["covered"] == 4
        assert not any(item["held"] for item in http.get("/assets", params={"versions": "all"}).json()["items"])
    agreed(stack)


def test_a_hold_on_assets_covers_their_coming_versions_and_one_on_versions_does_not(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        first = upload(http, "a.txt", b"1")
        on_asset = place(http, assets=[first["asset_path"]])
        on_version = place(http, versions=[{name: first[name] for name in ("asset_path", "version_id")}])
        second = upload(http, "a.txt", b"2")
        assert covered(http, on_asset) == {first["version_id"], second["version_id"]}
        assert covered(http, on_version) == {first["version_id"]}
        added = [("associated_files", ("side.txt", b"a side"))]
        fields = {"primary_version_id": first["version_id"]}
        assert http.post(f"/add-associated-files/{first['asset_path']}", files=added, data=fields).json()["held"]
    agreed(stack)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_was_lost_already_is_named(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        versions = [condemned(http, upload(http, "a.txt", f"{n}".encode())) for n in range(4)]
        for version, phase in zip(versions, ("purging", "erased", "condemned"), strict=False):
            with stack.database.engine.begin() as connection:
                here = t.versions.c.version_id == version["version_id"]
                connection.execute(update(t.versions).where(here).values(phase=phase))
        hold = place(http, **EVERYTHING)
        assert covered(http, hold) == {version["version_id"] for version in versions[2:]}
        assert hold["lost"]["count"] == 2
        lost = {(name["workspace"], name["asset_path"], name["version_id"]) for name in hold["lost"]["versions"]}
        assert lost == {("ada_space", version["asset_path"], version["version_id"]) for version in versions[:2]}


def test_a_hold_makes_readable_what_only_its_own_date_had_ended(stack: Stack) -> None:
    with moving(stack, stack.user("ada")) as (http, clock):
        version = upload(http, archive_ttl="1", destroy_ttl="1")
        clock.move(days=3)
        assert http.get(f"/content/{version['asset_path']}").status_code == 410
        hold = place(http, **EVERYTHING)
        assert http.get(f"/content/{version['asset_path']}").status_code == 200
        release(http, hold)
        assert http.get(f"/content/{version['asset_path']}").status_code == 410


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_hold_ends_by_itself_when_its_time_has_come(stack: Stack) -> None:
    with moving(stack, stack.user("ada")) as (http, clock):
        version = upload(http)
        late, soon = place(http, **EVERYTHING, until=at(clock, 2)), place(http, **EVERYTHING, until=at(clock, 1))
        clock.move(days=1, seconds=1)
        settle(stack.services(clock))
        found = {hold["id"]: hold for hold in http.get("/holds").json()["items"]}
        assert (found[soon["id"]]["state"], found[soon["id"]]["released_by"]) == ("released", None)
        assert found[late["id"]]["state"] == "active"
        assert row(stack, version).held == 1
        [entry] = http.get("/audit", params={"operation": "release-hold"}).json()["items"]
        assert (entry["username"], entry["details"]["hold"], entry["details"]["covered"]) == (None, soon["id"], 1)
        gone = http.post("/holds", json={"matter": "m", "reason": "r", **EVERYTHING, "until": at(clock, -1)})
        assert gone.status_code == 422


def at(clock: Moving, days: int) -> str | None:
    moved = Moving()
    moved.ahead = clock.ahead
    moved.move(days=days)
    return isoformat(moved())


# -- who, and what is told of it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_platform_admin_holds_any_workspace_or_all_and_no_tenant_takes_that_off(stack: Stack) -> None:
    ada, bob, root = stack.user("ada"), stack.user("bob"), platform_admin(stack, "root")
    with stack.client() as http:
        for user in (ada, bob):
            http.post("/fileupload", headers=bearer(user.token), files={"primary_file": ("a.txt", user.branch.encode())})

        def placed(user: User, **wanted: Any) -> Any:
            return http.post("/holds", headers=bearer(user.token), json={"matter": "m", "reason": "r", **EVERYTHING, **wanted})

        own = placed(ada).json()
        on_ada, on_all = placed(root, workspace="ada_space").json(), placed(root, all_workspaces=True).json()
        assert [hold["covered"] for hold in (own, on_ada, on_all)] == [1, 1, 2]
        assert placed(root, workspace="nobody_space").status_code == 404
        eve = stack.user("eve")
        late = http.post("/fileupload", headers=bearer(eve.token), files={"primary_file": ("a.txt", b"late")}).json()
        assert late["held"], "a workspace that came later"

        def listed(user: User) -> list[str]:
            return [hold["id"] for hold in http.get("/holds", headers=bearer(user.token)).json()["items"]]

        assert listed(root) == [on_all["id"], on_ada["id"], own["id"]]
        assert listed(ada) == [on_ada["id"], own["id"]]
        assert listed(bob) == []

        def lift(user: User, hold: dict[str, Any]) -> int:
            return http.request("DELETE", f"/holds/{hold['id']}", headers=bearer(user.token)).status_code

        assert [lift(ada, hold) for hold in (own, on_ada, on_all)] == [200, 403, 404]
        assert [lift(bob, hold) for hold in (own, on_ada, on_all)] == [404, 404, 404]
        assert [lift(root, hold) for hold in (own, on_ada, on_all)] == [200, 200, 200]
    agreed(stack)


def test_placing_and_releasing_are_on_the_trail_with_counts(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http)
        hold = release(http, place(http, **EVERYTHING))
        assert release(http, hold) == hold, "again, it changes nothing"
        assert (hold["placed_by"], hold["released_by"]) == ("ada", "ada")
        trail = {entry["operation"]: entry["details"] for entry in http.get("/audit").json()["items"]}
        assert [entry["operation"] for entry in http.get("/audit").json()["items"]] == [
            "release-hold",
            "hold-active",
            "hold",
            "upload",
        ]
        assert trail["hold"] == {
            "hold": hold["id"],
            "matter": "Doe v. Example",
            "reason": "an order",
            "scope": EVERYTHING,
            "until": None,
        }
        assert (trail["hold-active"]["covered"], trail["hold-active"]["lost"]) == (1, 0)
        assert trail["release-hold"]["covered"] == 1


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_lists_of_holds_are_narrowed_and_paged(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        for n in range(3):
            upload(http, f"{n}.txt", str(n).encode())
        holds = [place(http, **EVERYTHING, matter=f"matter {n % 2}") for n in range(4)]
        release(http, holds[0])
        ids = [hold["id"] for hold in holds]

        def listed(**params: Any) -> list[str]:
            page = http.get("/holds", params=params).json()
            found = [hold["id"] for hold in page["items"]]
            return found + (listed(**params | {"cursor": page["next_cursor"]}) if page["next_cursor"] else [])

        assert listed(limit=1) == ids[::-1]
        assert listed(matter="matter 0") == [ids[2], ids[0]]
        assert listed(matter="matter 0", state="active") == [ids[2]]
        first = http.get(f"/holds/{ids[1]}", params={"limit": 2}).json()
        rest = http.get(f"/holds/{ids[1]}", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)
        assert http.get("/holds/nothing").status_code == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"selector": {}},
        {"selector": {"all": True, "paths": ["**"]}},
        {"selector": {"all": False}},
        {"selector": {"regex": ".*"}},
        {"assets": []},
        {"assets": ["text/txt/nothing"]},
        {"assets": ["text/txt/test"], "selector": {"all": True}},
        {"versions": [{"asset_path": "text/txt/test", "version_id": "0" * 64}]},
        {"selector": {"all": True}, "matter": " "},
        {"selector": {"all": True}, "reason": "x" * 1001},
        {"selector": {"all": True}, "matter": "a\nb"},
        {"selector": {"all": True}, "until": "2020-01-01T00:00:00Z"},
        {"selector": {"all": True}, "until": "2120-01-01T00:00:00"},
        {"selector": {"all": True}, "all_workspaces": True, "workspace": "ada_space"},
    ],
)
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_holds_that_cannot_be_are_refused(stack: Stack, wanted: dict[str, Any]) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http)
        reply = http.post("/holds", json={"matter": "m", "reason": "r", **wanted})
        assert reply.status_code == 422, reply.text
        assert http.get("/holds").json()["items"] == []


def test_the_same_idempotency_key_finds_the_same_hold(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http)
        wanted, key = {"matter": "m", "reason": "r", **EVERYTHING}, {"Idempotency-Key": "once"}
        first, again = (http.post("/holds", json=wanted, headers=key).json() for _ in range(2))
        assert first["id"] == again["id"]
        assert http.post("/holds", json={**wanted, "matter": "another"}, headers=key).status_code == 422
        assert http.post("/holds", json=wanted).json()["id"] != first["id"]


# -- much to cover ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_takes_too_long_is_left_to_a_job_and_covers_what_comes_meanwhile(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        versions = [upload(http, f"{n % 3}.txt", str(n).encode()) for n in range(7)]
        who, wanted = stack.own.tokens.verify(ada.token), NewHold.model_validate({"matter": "m", "reason": "r", **EVERYTHING})
        hold = placing.place(stack.own, who, wanted, wait=0)
        assert (hold["state"], hold["covered"]) == ("placing", 0)
        assert http.request("DELETE", "/workspace", json={"confirm": ada.branch}).json()["holds"] == [hold["id"]]
        versions += [upload(http, "late.txt", b"late"), upload(http, "1.txt", b"late")]
        assert covered(http, hold) == {version["version_id"] for version in versions[-2:]}
        [key] = ids(stack)
        assert placing.go_on(stack.own, key, batch=2)
        assert http.get(f"/holds/{hold['id']}").json()["state"] == "active"
        assert covered(http, hold) == {version["version_id"] for version in versions}
        found = releasing.release(stack.own, who, hold["id"], wait=0)
        assert (found["state"], found["covered"]) == ("releasing", 9)
        assert not upload(http, "later.txt", b"later")["held"]
        assert releasing.go_on(stack.own, key, batch=2)
        found = http.get(f"/holds/{hold['id']}").json()
        assert (found["state"], found["covered"], found["items"]) == ("released", 9, [])
    agreed(stack)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_hold_that_is_being_placed_can_be_released(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        upload(http)
        who, wanted = stack.own.tokens.verify(ada.token), NewHold.model_validate({"matter": "m", "reason": "r", **EVERYTHING})
        hold = placing.place(stack.own, who, wanted, wait=0)
        release(http, hold)
        [key] = ids(stack)
        assert placing.go_on(stack.own, key)
        found = http.get(f"/holds/{hold['id']}").json()
        assert (found["state"], found["items"]) == ("released", [])
    agreed(stack)


def ids(stack: Stack) -> list[int]:
    with stack.database.read() as connection:
        return list(connection.scalars(select(t.holds.c.id)))
