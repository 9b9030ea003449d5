"""Passwords: what is taken, how it is kept, and what that costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.errors import Invalid
from holdfast.identity import passwords

PARAMETERS = "$argon2id$v=19$m=19456,t=2,p=1$"


def test_it_is_kept_with_owasp_s_least_parameters() -> None:
    assert passwords.hashed("admin_password").startswith(PARAMETERS)


def test_the_right_one_verifies_and_no_other() -> None:
    kept = passwords.hashed("admin_password")
    assert passwords.verify("admin_password", kept)
    for wrong in ("Admin_password", "admin_password ", "", "x" * 5000):
        assert not passwords.verify(wrong, kept)


def test_nobody_s_hash_is_of_the_same_cost_and_nobody_s_password() -> None:
    """Not timed: that a verification takes as long follows from the parameters, which are in the hash."""
    assert passwords._NOBODY.startswith(PARAMETERS)
    assert not passwords.outdated(passwords._NOBODY)
    assert not passwords.verify("admin_password", None)


@pytest.mark.parametrize("kept", ["", "plain", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_hash_that_is_none_verifies_nothing(kept: str) -> None:
    assert not passwords.verify("admin_password", kept)


@pytest.mark.parametrize("password", ["x" * 8, "x" * 1024, "admin_password", "Grüße, 世界", "        "])
def test_a_password_that_keeps_the_rules(password: str) -> None:
    assert passwords.checked(password) == password


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 1025, "null\0null"])
def test_a_password_that_breaks_them(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.checked(password)


def test_many_threads_that_hash_leave_no_memory_behind() -> None:
    """Each thread's last hash kept for it would be 40 times 19 MiB."""
    program = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from holdfast.identity import passwords
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
with ThreadPoolExecutor(40) as pool:
    list(pool.map(lambda _: passwords.verify("admin_password", None), range(80)))
    print((resident() - before) // 2**20)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2 * 19
