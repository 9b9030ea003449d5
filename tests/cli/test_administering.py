from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.cli.administering import parse_size
from holdfast.cli.failures import Failure
from tests.cli.conftest import Served, at_home
from tests.cli.program import Program


@pytest.fixture
def operator(served: Served, tmp_path: Path) -> Program:
    """Whoever has the server's settings."""
    return at_home(tmp_path / "operator", HOLDFAST_DATA=str(served.data))


def test_a_platform_admin_is_made_on_the_database(operator: Program, nobody: Program) -> None:
    operator("admin", "create", "root", "--password-stdin", says="the root password\n")
    nobody("login", "root", "--password-stdin", says="the root password\n")
    assert nobody.json("whoami")["platform_admin"]
    operator("admin", "create", "root", "--password-stdin", says="the root password\n", code=5)


def test_a_password_is_reset_and_the_old_tokens_are_void(operator: Program, ada: Program) -> None:
    name = ada.json("whoami")["username"]
    operator("admin", "reset-password", name, "--password-stdin", says="a new password\n")
    ada("whoami", code=3)
    ada("login", name, "--password-stdin", says="a new password\n")
    operator("admin", "reset-password", "no-such-user", "--password-stdin", says="a new password\n", code=4)


def test_a_quota_stops_the_upload_that_would_exceed_it(operator: Program, ada: Program) -> None:
    branch = ada.json("whoami")["branch"]
    (ada.cwd / "big.bin").write_bytes(bytes(3000))
    operator("admin", "quota", branch, "--total", "2KiB")
    ada("upload", "big.bin", code=1)
    operator("admin", "quota", branch, "--total", "none", "--max-file", "2KiB")
    ada("upload", "big.bin", code=1)
    operator("admin", "quota", branch, "--max-file", "none")
    ada("upload", "big.bin")
    operator("admin", "quota", branch, code=2)
    operator("admin", "quota", "nobodys_space", "--total", "1", code=4)


def test_an_invitation_is_one_line(operator: Program) -> None:
    [code] = operator("admin", "invite", "--days", "1").stdout.splitlines()
    assert len(code) > 20


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("1000", 1000), ("2KiB", 2048), ("5 GiB", 5 * 2**30), ("none", None)])
def test_a_size_is_bytes_or_has_a_binary_unit(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5GB", "-1", "1.5GiB", "many", "²"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="A size is written"):
        parse_size(text)
