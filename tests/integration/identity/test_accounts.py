"""Registering, logging in, changing a password, and what the trail says of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, text

from holdfast.database.tables import login_failures, revoked_tokens, users, workspaces
from holdfast.errors import Conflict, NotFound, Problem
from holdfast.identity import upkeep
from holdfast.identity import users as people
from tests.integration.identity.conftest import PASSWORD, House


def test_a_login_brings_what_the_first_system_s_clients_read(house: House) -> None:
    house.register("ada")
    reply = house.login()
    body = reply.json()
    assert (body["token_type"], body["username"], body["branch"], body["expires_in"]) == ("bearer", "ada", "ada_space", 1800)
    assert reply.headers["cache-control"] == "no-store"


def test_registering_answers_as_the_first_system_did(house: House) -> None:
    reply = house.ask("POST", "/users", json={"username": "ada", "password": PASSWORD})
    assert (reply.status_code, reply.json()) == (200, {"status": "success", "username": "ada"})


def test_of_many_who_register_one_name_at_once_one_gets_it(house: House) -> None:
    outcomes: list[str] = []

    def attempt(name: str) -> None:
        try:
            people.register(house.services, name, PASSWORD)
            outcomes.append("made")
        except Problem as problem:
            outcomes.append(problem.slug)

    rivals = [threading.Thread(target=attempt, args=(name,)) for name in ("ada", "Ada", "aDa", "ada")]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert sorted(outcomes) == ["made", "name-taken", "name-taken", "name-taken"]
    with house.services.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(workspaces)) == 1
    assert [row[0] for row in house.trail()] == ["register"]


def test_a_registration_that_fails_leaves_nothing(house: House, ada: str) -> None:
    before = house.trail()
    assert house.ask("POST", "/users", json={"username": "ada", "password": PASSWORD}).status_code == 409
    assert house.ask("POST", "/users", json={"username": "bob", "password": "short"}).status_code == 422
    assert house.ask("POST", "/users", json={"username": "bob", "password": "x" * 1025}).status_code == 422
    assert house.ask("POST", "/users", json={"username": "bob", "password": "null\0null"}).status_code == 422
    assert house.trail() == before


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": {"username": "ada"}}, 422),
        ({"data": {"username": "", "password": "x"}}, 422),
        ({"content": b""}, 422),
        ({"content": b"username=a&username=b&password=c"}, 422),
        ({"content": b"username=%ff&password=c"}, 400),
        ({"content": b"&".join(b"f%d=x" % n for n in range(1000))}, 413),
        ({"content": b"username=" + b"x" * 70000}, 413),
        ({"json": {"username": "ada", "password": PASSWORD}}, 415),
        ({"files": {"username": b"ada"}}, 413),
    ],
)
def test_a_login_s_form_that_is_none_is_refused(house: House, request_: dict[str, Any], status: int) -> None:
    if "content" in request_:
        request_ = {**request_, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    reply = house.ask("POST", "/token", **request_)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")


def test_every_login_is_on_the_trail(house: House, ada: str) -> None:
    house.login(password="wrong")
    house.login("stranger")
    house.login("my password, in the wrong field")
    assert house.trail()[-4:] == [
        ("login", "ada_space", "ada", True),
        ("login", "ada_space", "ada", False),
        ("login", None, "stranger", False),
        ("login", None, None, False),
    ]


def test_one_user_s_failures_do_not_lock_out_his_address(house: House, ada: str) -> None:
    house.register("bob")
    for _ in range(100):
        house.login(password="wrong")
    assert house.login().status_code == 429
    assert house.login("bob").status_code == 200


def test_an_address_that_tries_many_names_has_to_wait(house: House, ada: str) -> None:
    for n in range(30):
        assert house.login(f"guess-{n}", "wrong", address="2001:db8::1").status_code == 401
    assert house.login(address="2001:db8::2").status_code == 429  # the same customer's
    assert house.login(address="2001:db8:0:1::1").status_code == 200


def test_of_a_burst_of_guesses_no_more_than_the_limit_count(house: House, ada: str) -> None:
    """The right guess comes last: by the time that it would be recorded, the others have failed."""
    done: list[int] = []
    wrong = [threading.Thread(target=lambda: done.append(house.login(password="wrong").status_code)) for _ in range(8)]
    for guess in wrong:
        guess.start()
    for guess in wrong:
        guess.join()
    assert house.login().status_code == 429
    assert set(done) <= {401, 429}
    with house.services.database.read() as connection:
        assert connection.scalar(select(func.max(login_failures.c.failures))) == done.count(401)


def test_a_new_password_voids_all_tokens_but_the_one_that_it_brings(house: House, ada: str) -> None:
    other = house.token()
    reply = house.ask("PUT", "/me/password", ada, json={"old_password": PASSWORD, "new_password": "another_password"})
    assert reply.status_code == 200
    assert [house.ask("GET", "/me", token).status_code for token in (ada, other)] == [401, 401]
    assert house.ask("GET", "/me", reply.json()["access_token"]).status_code == 200
    assert house.login().status_code == 401
    assert house.login(password="another_password").status_code == 200


def test_a_stolen_token_does_not_change_the_password(house: House, ada: str) -> None:
    def attempt(old: str, new: str = "another_password") -> int:
        return house.ask("PUT", "/me/password", ada, json={"old_password": old, "new_password": new}).status_code

    assert attempt(PASSWORD, "short") == 422
    assert [attempt("wrong") for _ in range(4)] == [403, 403, 403, 429]
    assert attempt(PASSWORD) == 429
    house.clock.advance(seconds=60)
    assert house.login().status_code == 200
    assert ("change-password", "ada_space", "ada", False) in house.trail()


def test_a_hash_of_old_parameters_is_made_anew_at_login(house: House, ada: str) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    with house.services.database.engine.begin() as connection:
        connection.execute(users.update().values(password_hash=weak))
    assert house.login().status_code == 200
    with house.services.database.read() as connection:
        kept = connection.scalar(select(users.c.password_hash))
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert house.login().status_code == 200


def test_a_platform_admin_has_no_workspace(house: House) -> None:
    people.create_platform_admin(house.services, "root", PASSWORD)
    reply = house.login("root")
    assert reply.json()["branch"] == ""
    token = reply.json()["access_token"]
    me = house.ask("GET", "/me", token).json()
    assert me == {"username": "root", "branch": "", "permissions": [], "platform_admin": True}
    assert house.ask("GET", "/workspace", token).status_code == 404
    assert house.ask("GET", "/shared-users", token).status_code == 403
    with pytest.raises(Conflict):
        people.create_platform_admin(house.services, "Root", PASSWORD)


def test_a_reset_password_lets_its_user_in_at_once(house: House, ada: str) -> None:
    for _ in range(3):
        house.login(password="wrong")
    people.reset_password(house.services, "ada", "another_password")
    assert house.login(password="another_password").status_code == 200
    assert house.ask("GET", "/me", ada).status_code == 401
    with pytest.raises(NotFound):
        people.reset_password(house.services, "nobody", "another_password")


def test_what_is_over_is_cleaned_away_and_nothing_else(house: House, ada: str) -> None:
    house.ask("POST", "/token/revoke", ada)
    house.login(password="wrong")
    assert upkeep.clean(house.services) == 0
    house.clock.advance(minutes=31)
    assert upkeep.clean(house.services) == 1
    assert house.ask("GET", "/me", ada).status_code == 401  # expired by now
    house.clock.advance(days=1)
    assert upkeep.clean(house.services) == 2  # the name's failure and the address's
    with house.services.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(revoked_tokens)) == 0


@pytest.fixture
def house_without_a_trail(house: House, ada: str) -> Iterator[House]:
    """From here on no audit row can be written."""
    house.share(ada, "grace", "list")
    with house.services.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    yield house
    with house.services.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_away RENAME TO audit"))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"username": "bob", "password": PASSWORD}),
        ("POST", "/shared-users", {"username": "bob", "password": PASSWORD, "permissions": []}),
        ("PUT", "/shared-users", {"username": "grace", "permissions": ["destroy"]}),
        ("DELETE", "/shared-users", {"username": "grace"}),
        ("PUT", "/me/password", {"old_password": PASSWORD, "new_password": "another_password"}),
        ("POST", "/token/revoke", {}),
        ("POST", "/token/revoke", {"all": True}),
        ("DELETE", "/workspace", {"confirm": "ada_space"}),
    ],
)
def test_an_act_that_cannot_be_put_on_the_trail_does_not_happen(
    house_without_a_trail: House, ada: str, method: str, path: str, body: dict[str, Any]
) -> None:
    house = house_without_a_trail

    def everything() -> list[Any]:
        with house.services.database.read() as connection:
            return [connection.execute(select(table)).all() for table in (users, workspaces, revoked_tokens, login_failures)]

    before = everything()
    reply = house.ask(method, path, ada, json=body)
    assert (reply.status_code, "audit" in reply.text) == (500, False)
    assert everything() == before


def test_a_login_that_cannot_be_put_on_the_trail_fails(house_without_a_trail: House) -> None:
    assert house_without_a_trail.login().status_code == 500
    assert house_without_a_trail.login(password="wrong").status_code == 500
    with house_without_a_trail.services.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(login_failures)) == 0
