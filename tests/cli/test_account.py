from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PASSWORD, Served, at_home
from tests.cli.program import Program
from tests.servers.process import free_ports


def test_whoever_registers_is_logged_in_and_admin_of_his_own_workspace(ada: Program) -> None:
    me = ada.json("whoami")
    assert me["branch"] == f"{me['username']}_space"
    assert me["permissions"] == ["admin"]
    assert not me["platform_admin"]


def test_a_password_comes_from_standard_input_a_file_or_the_environment(ada: Program, served: Served, tmp_path: Path) -> None:
    name = ada.json("whoami")["username"]
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    at_home(tmp_path / "1", HOLDFAST_URL=served.url)("login", name, "--password-stdin", says=PASSWORD + "\n")
    at_home(tmp_path / "2")("login", name, "--url", served.url, "--password-file", file)
    at_home(tmp_path / "3", HOLDFAST_PASSWORD=PASSWORD)("login", name, "--url", served.url + "/")
    assert at_home(tmp_path / "4")("login", name, "--url", served.url, code=2).stderr.startswith("holdfast: No password")


def test_a_wrong_password_is_3_and_leaves_nobody_logged_in(ada: Program, nobody: Program) -> None:
    nobody("login", ada.json("whoami")["username"], "--password-stdin", says="wrong", code=3)
    assert "holdfast login" in nobody("ls", code=3).stderr


def test_after_logout_the_token_is_worth_nothing(ada: Program) -> None:
    kept = ada.home / ".config" / "holdfast" / "credentials.json"
    token = kept.read_text()
    ada("logout")
    assert not kept.exists()
    kept.write_text(token)
    ada("ls", code=3)


def test_a_new_password_ends_every_other_login(ada: Program, served: Served, tmp_path: Path) -> None:
    other = at_home(tmp_path / "other", HOLDFAST_URL=served.url)
    name = ada.json("whoami")["username"]
    other("login", name, "--password-stdin", says=PASSWORD)
    ada("passwd", "--password-stdin", says=f"{PASSWORD}\nanother horse\n")
    ada("whoami")
    other("whoami", code=3)
    other("login", name, "--password-stdin", says=PASSWORD, code=3)
    other("login", name, "--password-stdin", says="another horse")


def test_a_name_that_is_taken_is_a_conflict(ada: Program, nobody: Program) -> None:
    ended = nobody("register", ada.json("whoami")["username"], "--password-stdin", says=PASSWORD, code=5)
    assert "taken" in ended.stderr


def test_where_nobody_listens_the_answer_is_6(tmp_path: Path) -> None:
    [port] = free_ports(1)
    ended = at_home(tmp_path / "x")("login", "ada", "--url", f"http://127.0.0.1:{port}", "--password-stdin", says="x", code=6)
    assert "does not answer" in ended.stderr


@pytest.mark.parametrize("url", ["not an address", "example", "ftp://127.0.0.1", "http://[::"])
def test_what_is_no_address_is_one_clear_line(url: str, tmp_path: Path) -> None:
    ended = at_home(tmp_path / "x")("login", "ada", "--url", url, "--password-stdin", says="x", code=2)
    [line] = ended.stderr.splitlines()
    assert "no address" in line


def test_a_workspace_shows_what_it_holds_and_goes_with_its_name(registered: Callable[[str], Program]) -> None:
    eve = registered("eve")
    (eve.cwd / "note.txt").write_text("hello")
    eve("upload", "note.txt")
    usage = eve.json("workspace", "show")
    assert (usage["used_bytes"], usage["used_versions"]) == (5, 1)
    eve("workspace", "delete", "--confirm", "another", code=1)
    eve("workspace", "delete", "--confirm", usage["branch"])
    eve("ls", code=3)
