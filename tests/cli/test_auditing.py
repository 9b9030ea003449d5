"""``holdfast audit``: the trail, its signed heads, and whether it is as it was written."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from holdfast.audit import sealing
from holdfast.audit.trail import entry, record
from holdfast.clock import system
from holdfast.services import Services
from holdfast.settings import Settings
from tests.cli.conftest import Served, at_home
from tests.cli.program import Program


def test_heads_that_a_client_keeps_are_what_the_operator_verifies_with(served: Served, ada: Program, tmp_path: Path) -> None:
    operator = at_home(tmp_path / "operator", HOLDFAST_DATA=str(served.data))
    (ada.cwd / "a.txt").write_text("a")
    ada("upload", "a.txt")
    while not (heads := ada("audit", "head", "-o", "json").stdout).startswith("[\n"):
        time.sleep(0.1)  # the server seals within seconds
    kept = tmp_path / "heads.json"
    kept.write_text(heads)
    assert {one["workspace"] for one in json.loads(heads)} == {ada.json("whoami")["branch"]}
    assert "nothing disagrees" in operator("audit", "verify", "--head", kept).stderr
    assert [one["crv"] for one in operator.json("audit", "key")] == ["P-256"]


@pytest.fixture
def holdfast(tmp_path: Path) -> Program:
    """An installation with three rows on its trail, sealed."""
    program = Program(tmp_path, tmp_path)
    program("migrate")
    services = Services(Settings(data=tmp_path / "data"))
    rows = [entry("upload", system(), workspace="ada_space", username="ada") for _ in range(3)]
    services.database.write(lambda connection: record(connection, *rows))
    assert sealing.seal(services) == 3
    services.close()
    return program


def test_verify_names_what_disagrees_and_ends_with_1(holdfast: Program) -> None:
    assert holdfast.json("audit", "verify") == []
    with sqlite3.connect(holdfast.cwd / "data" / "holdfast.db") as database:
        database.execute("UPDATE audit SET username = 'eve' WHERE id = 2")
    database.close()
    ended = holdfast("audit", "verify", "-o", "json", code=1)
    [found] = json.loads(ended.stdout)
    assert (found["problem"], found["subject"]) == ("row-edited", "ada_space: acts")
    assert "3 rows looked at; 1 disagreements" in ended.stderr


def test_what_is_no_head_is_a_wrong_command_line(holdfast: Program) -> None:
    for content in ("no JSON", "[]", '[{"number": 1}]', '{"items": []}'):
        (holdfast.cwd / "heads.json").write_text(content)
        holdfast("audit", "verify", "--head", "heads.json", code=2)


def test_a_key_that_cannot_be_used_is_a_wrong_setting(holdfast: Program) -> None:
    wrong = Program(holdfast.home, holdfast.cwd, {"HOLDFAST_AUDIT_PRIVATE_KEY": "no key"})
    assert "HOLDFAST_AUDIT_PRIVATE_KEY" in wrong("audit", "key", code=2).stderr


def test_reconcile_seals_what_is_not_sealed(holdfast: Program) -> None:
    services = Services(Settings(data=holdfast.cwd / "data"))
    row = entry("archive", system(), workspace="ada_space", username="ada")
    services.database.write(lambda connection: record(connection, row))
    services.close()
    assert "Audit rows sealed: 1." in holdfast("reconcile").stderr


def test_grants_are_printed_for_a_database_that_has_users(holdfast: Program) -> None:
    assert "SQLite has no users" in holdfast("admin", "grants", "write", code=2).stderr
    printed = holdfast("admin", "grants", "write", "--database", "assets", "--user", "'f'@'10.%'").stdout.splitlines()
    assert "GRANT INSERT, SELECT ON `assets`.`audit` TO 'f'@'10.%';" in printed
    assert "GRANT INSERT, SELECT, UPDATE ON `assets`.`versions` TO 'f'@'10.%';" in printed
    worker = holdfast("admin", "grants", "worker", "--database", "assets").stdout
    assert "GRANT DELETE, INSERT, SELECT ON `assets`.`audit` TO 'holdfast'@'%';" in worker
