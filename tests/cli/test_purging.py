"""`holdfast purge` and `holdfast evidence`."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.database.engine import Database
from holdfast.lifecycle.lease import Held
from holdfast.lifecycle.purging import LEASE
from tests.cli.conftest import PASSWORD, at_home
from tests.cli.program import HOLDFAST, Program
from tests.servers.process import Process, answers, free_ports, fresh_folder


def test_what_is_condemned_is_erased_and_the_evidence_can_be_read(tmp_path: Path) -> None:
    folder, [port] = fresh_folder("serve"), free_ports(1)
    environment = {"HOLDFAST_UNDO_DAYS": "0", "HOLDFAST_PURGE_SECONDS": "0", "HOLDFAST_DATA": str(tmp_path / "data")}
    operator = Program(tmp_path, tmp_path, environment)
    process = Process("holdfast", [HOLDFAST, "serve", "--port", str(port)], folder, environment=operator.variables())
    try:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        ada = at_home(tmp_path / "ada", HOLDFAST_URL=f"http://127.0.0.1:{port}", HOLDFAST_PASSWORD=PASSWORD)
        ada("register", "ada")
        (ada.cwd / "note.txt").write_bytes(b"hello")
        [version] = ada.json("upload", "note.txt")
        of = version["asset_path"], version["version_id"]
        operator("evidence", *of, code=4)
        ada("archive", version["asset_path"])
        ada("destroy", version["asset_path"], "--yes")
        done = json.loads(operator("purge", "-o", "json").stdout)
        assert (done["begun"], done["objects"], done["bytes"], done["erased"], done["failures"]) == (1, 1, 5, 1, 0)
        [one] = operator.json("evidence", *of)
        assert (one["workspace"], one["state"], one["compaction"], one["size"]) == ("ada_space", "erased", "immediate", 5)
        assert "erased" in operator("evidence", *of, "--workspace", "ada_space").stdout
        operator("evidence", *of, "--workspace", "eve_space", code=4)
        assert ada.json("workspace", "show")["used_bytes"] == 0
        operator("verify")
    finally:
        process.stop()


def test_with_nothing_to_do_it_says_so_and_ends_well(holdfast: Program) -> None:
    assert holdfast.json("purge")["begun"] == 0


def test_before_there_is_a_table_it_says_what_makes_them(tmp_path: Path) -> None:
    fresh = Program(tmp_path, tmp_path, {})
    (tmp_path / "data").mkdir()
    for command in (("evidence", "text/txt/none", "0"), ("purge",)):
        assert "`holdfast migrate` makes them" in fresh(*command, code=1).stderr
    fresh("migrate")
    fresh("purge")


def test_while_another_process_purges_it_ends_with_5(holdfast: Program) -> None:
    database = Database(f"sqlite:///{holdfast.cwd / 'data' / 'holdfast.db'}")
    with Held(database, LEASE):
        assert "Another purge" in holdfast("purge", code=5).stderr
    database.close()
    holdfast("purge")


def test_a_compaction_that_names_no_servers_is_a_wrong_setting(holdfast: Program) -> None:
    holdfast.environment = {"HOLDFAST_COMPACTION": "seaweedfs"}
    assert "HOLDFAST_SEAWEEDFS_MASTER" in holdfast("purge", code=2).stderr
