"""What a client said of a file is kept for as long as its version is: when that is erased, it is forgotten, too."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Row, select, update

from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.database.tables.uploads import FORGOTTEN
from holdfast.database.types import db_later
from holdfast.lifecycle.purging import purge
from holdfast.uploads import upkeep
from tests.behaviour.erased import NOW, condemn
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads import speaking as tus
from tests.uploads.test_chunks import left_over, upload

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
LONG_AGO = db_later(-31 * 24 * 60 * 60)
SAID = {"detail": '{"of": "Cleo"}', "user_id": "7", "appointment_id": "4711", "credential": '{"key": "word"}'}
SHOWN = {"X-File-Credential": SAID["credential"]}


def session(stack: Stack, upload_id: str) -> Row[Any] | None:
    with stack.database.read() as connection:
        return connection.execute(select(t.upload_sessions).where(t.upload_sessions.c.upload_id == upload_id)).first()


def told(stack: Stack, upload_id: str) -> dict[str, Any]:
    """What is left of what its client said."""
    row = session(stack, upload_id)
    assert row is not None
    return {name: row._mapping[name] for name in FORGOTTEN}


@BOTH
def test_the_purge_forgets_what_was_said_of_a_file(stack: Stack) -> None:
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        kept = upload(http, b"kept", "kept.txt", **SAID)
        doomed = upload(http, b"content", "cleo.txt", **SAID)
        path = tus.create(http, 7, name="also_cleos.txt")
        assert tus.patch(http, path, 0, b"another").status_code == 204
        version = tus.head(http, path).headers
        settle(services)
        before = told(stack, kept["id"])
        assert http.request("DELETE", f"/api/v1/file/{doomed['id']}", headers=SHOWN).status_code == 200
        condemn(http, {"asset_path": version["holdfast-asset-path"], "version_id": version["holdfast-version-id"]})
        assert told(stack, doomed["id"])["owner"] == "7", "it can be restored"

        assert purge(services).erased == 2

        assert told(stack, doomed["id"]) == told(stack, path.rpartition("/")[2]) == FORGOTTEN
        assert http.get(f"/api/v1/file/get/{doomed['id']}", headers=SHOWN).status_code == 404
        assert tus.head(http, path).status_code == 410
        assert [one["id"] for one in http.get("/api/v1/file/all").json()["data"]] == [kept["id"]]
    assert told(stack, kept["id"]) == before
    assert left_over(stack) == []
    stack.database.write(lambda connection: connection.execute(update(t.upload_sessions).values(erased_at=LONG_AGO)))
    upkeep.clean(services)
    assert session(stack, doomed["id"]) is None
    assert session(stack, kept["id"]) is not None


@BOTH
def test_a_file_that_brought_nothing_new_is_forgotten_after_its_version_too(stack: Stack) -> None:
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        other = upload(http, b"other", "other.txt", **SAID)
        again = upload(http, b"other", "other.txt", **SAID)
        first = upload(http, b"content", "cleo.txt", **SAID)
        second = upload(http, b"content", "cleo.txt", **SAID)
        assert first["version_id"] == second["version_id"]
        assert http.request("DELETE", f"/api/v1/file/{first['id']}", headers=SHOWN).status_code == 200
        assert purge(services).erased == 1
        stack.database.write(lambda connection: connection.execute(update(t.intents).values(heartbeat_at=LONG_AGO)))
        assert upkeep.forget(services) == 1
        assert told(stack, first["id"]) == told(stack, second["id"]) == FORGOTTEN
        assert upkeep.forget(services) == 0
        assert {one["id"] for one in http.get("/api/v1/file/all").json()["data"]} == {other["id"], again["id"]}
