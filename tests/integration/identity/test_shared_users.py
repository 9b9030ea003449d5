"""A workspace's admin lets people in, decides what they may do, and lets them go. Nobody else does."""

from __future__ import annotations

import pytest

from tests.integration.identity.conftest import PASSWORD, House


def test_a_shared_user_works_in_the_admin_s_workspace(house: House, ada: str) -> None:
    grace = house.share(ada, "grace", "upload", "list", "list")
    assert house.ask("GET", "/me", grace).json() == {
        "username": "grace",
        "branch": "ada_space",
        "permissions": ["list", "upload"],
        "platform_admin": False,
    }


@pytest.mark.parametrize("permissions", [["admin"], ["list", "admin"], ["read"], ["List"], [""], ["list,admin"]])
def test_what_cannot_be_granted_is_refused(house: House, ada: str, permissions: list[str]) -> None:
    house.share(ada, "grace", "list")
    new = {"username": "new", "password": PASSWORD, "permissions": permissions}
    assert house.ask("POST", "/shared-users", ada, json=new).status_code == 422
    change = {"username": "grace", "permissions": permissions}
    assert house.ask("PUT", "/shared-users", ada, json=change).status_code == 422
    assert house.ask("GET", "/shared-users", ada).json()["items"][0]["permissions"] == ["list"]


@pytest.mark.parametrize("permission", ["upload", "download", "list", "archive", "destroy"])
def test_no_other_permission_is_the_admin_s(house: House, ada: str, permission: str) -> None:
    grace = house.share(ada, "grace", permission)
    house.share(ada, "joan")
    for method, body in (
        ("GET", None),
        ("POST", {"username": "new", "password": PASSWORD, "permissions": []}),
        ("PUT", {"username": "joan", "permissions": ["destroy"]}),
        ("DELETE", {"username": "joan"}),
    ):
        assert house.ask(method, "/shared-users", grace, json=body).status_code == 403, method
    assert house.ask("DELETE", "/workspace", grace, json={"confirm": "ada_space"}).status_code == 403


def test_other_workspaces_users_are_not_there(house: House, ada: str) -> None:
    bob = house.register("bob")
    house.share(ada, "grace", "list")
    for name in ("grace", "ada", "nobody"):
        assert house.ask("PUT", "/shared-users", bob, json={"username": name, "permissions": []}).status_code == 404
        assert house.ask("DELETE", "/shared-users", bob, json={"username": name}).status_code == 404
    assert house.ask("GET", "/shared-users", bob).json()["items"] == []


def test_the_owner_cannot_be_touched(house: House, ada: str) -> None:
    assert house.ask("PUT", "/shared-users", ada, json={"username": "ada", "permissions": ["list"]}).status_code == 403
    assert house.ask("DELETE", "/shared-users", ada, json={"username": "ada"}).status_code == 403
    assert house.ask("GET", "/shared-users", ada).json()["items"] == []


def test_they_are_listed_by_name_page_by_page(house: House, ada: str) -> None:
    for name in ("grace", "edith", "joan"):
        house.share(ada, name)
    house.ask("DELETE", "/shared-users", ada, json={"username": "edith"})
    house.share(ada, "barbara")
    first = house.ask("GET", "/shared-users?limit=2", ada)
    assert [item["username"] for item in first.json()["items"]] == ["barbara", "grace"]
    assert 'rel="next"' in first.headers["link"]
    second = house.ask("GET", "/shared-users", ada, params={"cursor": first.json()["next_cursor"]}).json()
    assert ([item["username"] for item in second["items"]], second["next_cursor"]) == (["joan"], None)


def test_what_was_done_is_on_the_trail_and_what_was_refused_is_not(house: House, ada: str) -> None:
    house.share(ada, "grace", "list")
    before = house.trail()
    assert (
        house.ask("POST", "/shared-users", ada, json={"username": "x", "password": "short", "permissions": []}).status_code == 422
    )
    assert house.ask("PUT", "/shared-users", ada, json={"username": "nobody", "permissions": []}).status_code == 404
    assert house.trail() == before
    house.ask("PUT", "/shared-users", ada, json={"username": "grace", "permissions": []})
    house.ask("DELETE", "/shared-users", ada, json={"username": "grace"})
    assert [row for row in house.trail() if "shared" in row[0]] == [
        ("create-shared-user", "ada_space", "ada", True),
        ("change-shared-user", "ada_space", "ada", True),
        ("delete-shared-user", "ada_space", "ada", True),
    ]
