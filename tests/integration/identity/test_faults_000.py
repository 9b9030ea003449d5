"""The faults of reference 000 that concern identity: each has a test here that fails if it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.database.tables import users
from holdfast.identity import invitations
from tests.integration.identity.conftest import PASSWORD, House


@pytest.mark.parametrize("registration", ["auto", "invite"])
def test_fault_000_19_nobody_registers_himself_as_an_admin_uninvited(database_url: str, tmp_path: Path, registration: str) -> None:
    house = House(database_url, tmp_path, registration=registration)
    mallory = {"username": "mallory", "password": PASSWORD}
    for body in (mallory, {**mallory, "invitation": "guessed"}):
        reply = house.ask("POST", "/users", json=body)
        assert (reply.status_code, reply.json()["type"].rsplit("/", 1)[-1]) == (403, "invitation-needed")
    code = invitations.create(house.services)
    assert house.ask("POST", "/users", json={**mallory, "invitation": code}).status_code == 200
    again = house.ask("POST", "/users", json={"username": "trudy", "password": PASSWORD, "invitation": code})
    assert again.status_code == 403
    house.services.close()


def test_fault_000_19_an_invitation_expires(database_url: str, tmp_path: Path) -> None:
    house = House(database_url, tmp_path, registration="invite")
    code = invitations.create(house.services, days=7)
    house.clock.advance(days=7)
    assert house.ask("POST", "/users", json={"username": "late", "password": PASSWORD, "invitation": code}).status_code == 403
    house.services.close()


def test_fault_000_19_closed_is_closed(database_url: str, tmp_path: Path) -> None:
    house = House(database_url, tmp_path, registration="closed")
    code = invitations.create(house.services)
    reply = house.ask("POST", "/users", json={"username": "mallory", "password": PASSWORD, "invitation": code})
    assert (reply.status_code, reply.json()["type"].rsplit("/", 1)[-1]) == (403, "registration-closed")
    house.services.close()


def test_fault_000_19_who_registers_is_no_platform_admin(house: House, ada: str) -> None:
    me = house.ask("GET", "/me", ada).json()
    assert me == {"username": "ada", "branch": "ada_space", "permissions": ["admin"], "platform_admin": False}


def test_fault_000_19_guessing_passwords_is_throttled(house: House, ada: str) -> None:
    for _ in range(3):
        assert house.login(password="wrong").status_code == 401
    reply = house.login()  # the right one: nobody looks at it
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "60")
    house.clock.advance(seconds=60)
    assert house.login(password="wrong").status_code == 401
    assert house.login().headers["retry-after"] == "120"
    house.clock.advance(seconds=120)
    assert house.login().status_code == 200
    assert house.login(password="wrong").status_code == 401  # forgiven: it counts from one again


def test_fault_000_20_a_demoted_admin_loses_power_at_the_next_request(house: House, ada: str) -> None:
    house.share(ada, "grace", "list")
    with house.services.database.engine.begin() as connection:
        connection.execute(users.update().where(users.c.username == "ada").values(permissions="list"))
    for method, body in (
        ("POST", {"username": "new", "password": PASSWORD, "permissions": []}),
        ("PUT", {"username": "grace", "permissions": ["destroy"]}),
        ("DELETE", {"username": "grace"}),
        ("GET", None),
    ):
        assert house.ask(method, "/shared-users", ada, json=body).status_code == 403, method


def test_fault_000_20_a_deleted_user_s_token_is_worth_nothing(house: House, ada: str) -> None:
    grace = house.share(ada, "grace", "list")
    assert house.ask("DELETE", "/shared-users", ada, json={"username": "grace"}).status_code == 200
    assert house.ask("GET", "/me", grace).status_code == 401
    assert house.login("grace").status_code == 401
    reborn = house.share(ada, "grace", "upload")  # the name is free again, and is another user's
    assert house.ask("GET", "/me", grace).status_code == 401
    assert house.ask("GET", "/me", reborn).json()["permissions"] == ["upload"]


def test_fault_000_20_a_permission_that_is_taken_away_is_gone_at_the_next_request(house: House, ada: str) -> None:
    grace = house.share(ada, "grace", "upload", "list")
    change = {"username": "grace", "permissions": ["list"]}
    assert house.ask("PUT", "/shared-users", ada, json=change).status_code == 200
    assert house.ask("GET", "/me", grace).json()["permissions"] == ["list"]


def test_fault_000_20_a_token_can_be_revoked(house: House, ada: str) -> None:
    other = house.token()
    assert house.ask("POST", "/token/revoke", ada).json() == {"status": "success"}
    assert house.ask("GET", "/me", ada).status_code == 401
    assert house.ask("GET", "/me", other).status_code == 200


def test_fault_000_20_all_tokens_can_be_revoked(house: House, ada: str) -> None:
    other = house.token()
    assert house.ask("POST", "/token/revoke", ada, json={"all": True}).status_code == 200
    assert [house.ask("GET", "/me", token).status_code for token in (ada, other)] == [401, 401]
    assert house.ask("GET", "/me", house.token()).status_code == 200


def test_fault_000_20_a_login_does_not_say_whether_there_is_such_a_user(house: House, ada: str) -> None:
    refused = [house.login(name, "wrong password") for name in ("ada", "nobody-here", "no\0body", "x" * 5000, "ADA")]
    assert {reply.status_code for reply in refused} == {401}
    assert len({reply.text for reply in refused}) == 1


def test_fault_000_20_unknown_users_are_throttled_as_known_ones(house: House, ada: str) -> None:
    def course(name: str) -> list[tuple[int, str | None]]:
        replies = [house.login(name, "wrong", address=f"198.51.100.{len(name)}") for _ in range(5)]
        return [(reply.status_code, reply.headers.get("retry-after")) for reply in replies]

    assert course("ada") == course("nobody") == [(401, None)] * 3 + [(429, "60")] * 2


@pytest.mark.parametrize(
    "name", ["ada@example.org", "a b", "-ada", "", "a" * 64, "ada.l", "ädä", "a/b", "ada\n", "holdfast", "Ada\0"]
)
def test_fault_000_21_a_name_that_cannot_be_a_branch_cannot_register(house: House, name: str) -> None:
    assert house.ask("POST", "/users", json={"username": name, "password": PASSWORD}).status_code == 422
    assert house.trail() == []


@pytest.mark.parametrize("name", ["a", "_", "Ada-Lovelace_1815", "9lives", "a" * 63])
def test_fault_000_21_a_name_that_can_be_a_branch_can(house: House, name: str) -> None:
    assert house.ask("GET", "/me", house.register(name)).json()["branch"] == f"{name}_space"


def test_fault_000_21_names_that_differ_by_case_only_are_one_name(house: House, ada: str) -> None:
    assert house.ask("POST", "/users", json={"username": "Ada", "password": PASSWORD}).status_code == 409
    shared = {"username": "ADA", "password": PASSWORD, "permissions": []}
    assert house.ask("POST", "/shared-users", ada, json=shared).status_code == 409
    assert house.login("Ada").status_code == 401


def test_fault_000_22_a_refusal_is_never_a_500(house: House, ada: str) -> None:
    grace = house.share(ada, "grace", "list")
    replies = [
        house.ask("GET", "/shared-users", grace),
        house.ask("DELETE", "/workspace", grace, json={"confirm": "ada_space"}),
        house.ask("DELETE", "/shared-users", ada, json={"username": "nobody"}),
        house.ask("GET", "/me", "nonsense"),
    ]
    assert [reply.status_code for reply in replies] == [403, 403, 404, 401]
    assert {reply.headers["content-type"] for reply in replies} == {"application/problem+json"}


def test_fault_000_33_moments_carry_their_offset(house: House, ada: str) -> None:
    house.share(ada, "grace")
    [member] = house.ask("GET", "/shared-users", ada).json()["items"]
    assert member["created_at"] == "2026-11-21T12:00:00.000000+00:00"
    assert house.ask("GET", "/workspace", ada).json()["created_at"] == "2026-11-21T12:00:00.000000+00:00"
