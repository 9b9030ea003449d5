from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Served, at_home
from tests.cli.program import Program


@pytest.fixture
def guest(ada: Program, served: Served, tmp_path: Path) -> Program:
    """Somebody who may list and upload in ada's workspace."""
    name = f"guest-of-{ada.json('whoami')['username']}"
    ada("share", "add", name, "--permissions", "list,upload", "--password-stdin", says="guest password\n")
    program = at_home(tmp_path / name, HOLDFAST_URL=served.url)
    program("login", name, "--password-stdin", says="guest password\n")
    return program


def test_a_shared_user_may_do_what_was_granted_and_no_more(ada: Program, guest: Program) -> None:
    (guest.cwd / "a.txt").write_text("a")
    guest("upload", "a.txt")
    assert [asset["asset_path"] for asset in ada.json("ls")] == ["text/txt/a"]
    assert "permission" in guest("archive", "text/txt/a", code=3).stderr
    guest("share", "ls", code=3)


def test_a_right_that_is_taken_away_is_gone_at_once(ada: Program, guest: Program) -> None:
    name = guest.json("whoami")["username"]
    guest("ls")
    ada("share", "set", name, "--permissions", "upload")
    guest("ls", code=3)
    assert [(user["username"], user["permissions"]) for user in ada.json("share", "ls")] == [(name, ["upload"])]
    ada("share", "rm", name)
    assert ada.json("share", "ls") == []
    guest("whoami", code=3)
    ada("share", "rm", name, code=4)


def test_nobody_can_be_made_an_admin_by_sharing(ada: Program) -> None:
    ada("share", "add", "mallory", "--permissions", "admin", "--password-stdin", says="some password\n", code=1)
