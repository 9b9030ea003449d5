"""What a workspace says of itself, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from holdfast.assets import ending
from holdfast.database.tables import assets, hold_versions, holds, jobs, users, versions, workspaces
from holdfast.errors import Invalid, NotFound
from holdfast.identity import workspaces as ours
from tests.integration.identity.conftest import PASSWORD, House

CONFIRMED = {"confirm": "ada_space"}


def asset(house: House, path: str, *states: str) -> None:
    """An asset of ada's with one version per status, oldest first."""
    now = house.clock()
    newest = {status: number for number, status in enumerate(states, 1)}
    with house.services.database.engine.begin() as connection:
        workspace_id = connection.scalar(select(workspaces.c.id).where(workspaces.c.name == "ada_space"))
        made = connection.execute(
            insert(assets).values(workspace_id=workspace_id, asset_path=path, primary_filename="x.jpg", created_at=now)
        )
        [asset_id] = made.inserted_primary_key or (None,)
        for number, status in enumerate(states, 1):
            connection.execute(
                insert(versions).values(
                    workspace_id=workspace_id,
                    asset_id=asset_id,
                    asset_path=path,
                    number=number,
                    version_id=f"{path}-{number}",
                    upload_id=f"{path}-{number}"[-32:],
                    primary_filename="x.jpg",
                    content_type="image/jpeg",
                    size=1,
                    sha256="0" * 64,
                    object_key=f"data/{path}/{number}",
                    file_count=1,
                    total_bytes=1,
                    status=status,
                    phase="condemned" if status == "destroyed" else None,
                    newest=newest[status] == number,
                    upload_date=now,
                    active_since=now,
                    labels={},
                    uploaded_by="ada",
                )
            )


def states(house: House) -> Sequence[Any]:
    columns = (versions.c.version_id, versions.c.status, versions.c.phase, versions.c.newest)
    with house.services.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(versions.c.id))]


def test_it_says_what_it_holds_and_may_hold(house: House, ada: str) -> None:
    house.share(ada, "grace")
    ours.set_quota(house.services, "ada_space", 10**12)
    ours.set_max_file(house.services, "ada_space", 10**9)
    assert house.ask("GET", "/workspace", ada).json() == {
        "branch": "ada_space",
        "quota_bytes": 10**12,
        "used_bytes": 0,
        "used_versions": 0,
        "max_file_bytes": 10**9,
        "members": 2,
        "created_at": "2026-11-21T12:00:00.000000+00:00",
    }
    ours.set_quota(house.services, "ada_space", None)
    assert house.ask("GET", "/workspace", ada).json()["quota_bytes"] is None


def test_a_limit_is_a_number_of_bytes_of_a_workspace_that_is_there(house: House, ada: str) -> None:
    for wrong in (-1, 2**63):
        with pytest.raises(Invalid):
            ours.set_quota(house.services, "ada_space", wrong)
    with pytest.raises(NotFound):
        ours.set_quota(house.services, "ADA_space", 1)


@pytest.mark.parametrize("body", [{}, {"confirm": ""}, {"confirm": "bob_space"}, {"confirm": "ADA_SPACE"}, {"confirm": True}])
def test_without_the_typed_confirmation_it_stays(house: House, ada: str, body: dict[str, Any]) -> None:
    assert house.ask("DELETE", "/workspace", ada, json=body).status_code == 422
    assert house.ask("GET", "/workspace", ada).status_code == 200


def test_deleted_it_is_inaccessible_at_once_and_its_versions_are_condemned(house: House, ada: str) -> None:
    grace = house.share(ada, "grace", "list")
    asset(house, "one", "destroyed", "archived", "active", "active")
    asset(house, "two", "archived")
    assert house.ask("DELETE", "/workspace", ada, json=CONFIRMED).json() == {"status": "success"}
    assert [house.ask("GET", "/me", token).status_code for token in (ada, grace)] == [401, 401]
    assert [house.login(name).status_code for name in ("ada", "grace")] == [401, 401]
    assert states(house) == [
        ("one-1", "destroyed", "condemned", False),
        ("one-2", "destroyed", "condemned", False),
        ("one-3", "destroyed", "condemned", False),
        ("one-4", "destroyed", "condemned", True),
        ("two-1", "destroyed", "condemned", True),
    ]
    with house.services.database.read() as connection:
        row = connection.execute(select(versions).where(versions.c.version_id == "one-4")).mappings().one()
    assert row["destroy_date"] == row["archive_date"] == house.clock()
    assert (row["purge_after"] - row["destroy_date"]).days == house.services.settings.undo_days
    assert row["revision"] == 1
    trail = [row[0] for row in house.trail()]
    assert trail.count("destroy") == 4
    assert trail.count("delete-workspace") == 1


def test_its_name_is_never_given_again(house: House, ada: str) -> None:
    bob = house.register("bob")
    house.ask("DELETE", "/workspace", ada, json=CONFIRMED)
    for name in ("ada", "Ada"):
        assert house.ask("POST", "/users", json={"username": name, "password": PASSWORD}).status_code == 409
        shared: dict[str, Any] = {"username": name, "password": PASSWORD, "permissions": []}
        assert house.ask("POST", "/shared-users", bob, json=shared).status_code == 409


def test_a_shared_user_s_name_is_free_again(house: House, ada: str) -> None:
    house.share(ada, "grace")
    house.ask("DELETE", "/workspace", ada, json=CONFIRMED)
    assert house.ask("POST", "/users", json={"username": "grace", "password": PASSWORD}).status_code == 200


def hold(house: House, version_id: str) -> str:
    """A hold of ada's on one version; its id."""
    with house.services.database.engine.begin() as connection:
        ada = connection.execute(select(users).where(users.c.username == "ada")).one()
        hold_id = f"of-{version_id}"
        row = {"workspace_id": ada.workspace_id, "user_id": ada.id, "placed_by": "ada", "hold_id": hold_id}
        said = {"matter": "m", "reason": "r", "selector": {"selector": {"all": True}}, "lost_versions": []}
        made = connection.execute(insert(holds).values(**row, **said, state="active", created_at=house.clock()))
        [key] = made.inserted_primary_key or (None,)
        version = connection.scalar(select(versions.c.id).where(versions.c.version_id == version_id))
        connection.execute(insert(hold_versions).values(hold=key, version=version))
        connection.execute(update(versions).where(versions.c.id == version).values(held=1))
    return hold_id


def test_a_hold_stops_it_and_nothing_has_changed(house: House, ada: str) -> None:
    asset(house, "free", "active")
    asset(house, "held", "active")
    mine = hold(house, "held-1")
    before = house.trail()
    reply = house.ask("DELETE", "/workspace", ada, json=CONFIRMED)
    assert (reply.status_code, reply.json()["holds"]) == (423, [mine])
    assert house.ask("GET", "/workspace", ada).status_code == 200
    assert [row[1] for row in states(house)] == ["active", "active"]
    assert house.trail() == before


def test_a_large_one_is_condemned_in_batches_by_a_job(house: House, ada: str) -> None:
    for n in range(5):
        asset(house, f"asset-{n}", "active", "active")
    ending.delete(house.services, house.services.tokens.verify(ada), "ada_space", batch=2)
    assert [row[1] for row in states(house)].count("destroyed") == 4
    with house.services.database.read() as connection:
        [job] = connection.execute(select(jobs.c.kind, jobs.c.workspace_id, jobs.c.payload)).all()
    assert job.kind == ending.CONDEMN
    ending.condemn(house.services, **job.payload, batch=2)
    assert {row[1:3] for row in states(house)} == {("destroyed", "condemned")}
    assert [row[0] for row in house.trail()].count("destroy") == 10
    ending.condemn(house.services, **job.payload)
    assert [row[0] for row in house.trail()].count("destroy") == 10


def test_a_hold_placed_meanwhile_keeps_its_version_until_it_is_released(house: House, ada: str) -> None:
    for n in range(3):
        asset(house, f"asset-{n}", "active", "active")
    ending.delete(house.services, house.services.tokens.verify(ada), "ada_space", batch=1)
    with house.services.database.engine.begin() as connection:
        [job] = connection.execute(select(jobs.c.workspace_id, jobs.c.payload)).all()
        connection.execute(update(versions).where(versions.c.version_id == "asset-2-1").values(held=1))
    ending.condemn(house.services, **job.payload, batch=1)
    assert [row for row in states(house) if row[1] == "active"] == [("asset-2-1", "active", None, True)]
    ending.resume(house.services)
    assert [row[1] for row in states(house)].count("active") == 1
    with house.services.database.engine.begin() as connection:
        connection.execute(update(versions).where(versions.c.version_id == "asset-2-1").values(held=0))
    ending.resume(house.services)
    assert {row[1:3] for row in states(house)} == {("destroyed", "condemned")}
