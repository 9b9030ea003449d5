"""The quarantine, from the command line of the installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.scanning.port import Result, Verdict
from tests.behaviour.unhashed import store
from tests.cli.program import Program
from tests.stacks import SQLITE, Stack


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_what_was_not_let_in_is_listed_released_and_deleted(stack: Stack, tmp_path: Path) -> None:
    variables = {"HOLDFAST_DATA": str(stack.values["data"]), "HOLDFAST_DATABASE_URL": stack.values["database_url"]}
    holdfast = Program(tmp_path, tmp_path, variables)
    assert holdfast.json("admin", "quarantine", "list") == []
    ada = stack.user("ada")
    first, second = (
        store(stack, ada, (f"{name}.txt", b"bad"), verdict=Verdict(Result.INFECTED, "Bad.Thing")) for name in ("first", "second")
    )
    assert [one["upload_id"] for one in holdfast.json("admin", "quarantine", "list")] == [second, first]
    assert "Bad.Thing" in holdfast("admin", "quarantine", "list").stdout
    assert holdfast.json("admin", "quarantine", "release", first)["state"] == "released"
    assert holdfast.json("admin", "quarantine", "delete", second)["state"] == "deleted"
    assert holdfast.json("admin", "quarantine", "list", "--state", "kept") == []
    holdfast("admin", "quarantine", "release", second, code=5)
    holdfast("admin", "quarantine", "delete", "nothing", code=4)
    with stack.client(ada) as http:
        assert [one["primary_filename"] for one in http.get("/assets").json()["items"]] == ["first.txt"]
    holdfast("reconcile")
    assert len(list(stack.own.objects.keys("data/"))) == 1
    holdfast("verify", "--deep")
