"""A test that hangs, and hangs again while it cleans up, ends all the same, and says where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.inner import inner

HANGS = """
import threading

import pytest


@pytest.fixture
def clean():
    yield
    threading.Event().wait()


def test_a_hangs(clean):
    threading.Event().wait()


def test_b_is_run_all_the_same():
    pass
"""
CONFTEST = """
from tests.hanging import Hanging


def pytest_configure(config):
    config.pluginmanager.register(Hanging(grace=1))
"""


@pytest.mark.parametrize("how", [[], ["-n", "1"]], ids=["alone", "xdist"])
def test_what_cleans_up_may_not_hang_either(tmp_path: Path, how: list[str]) -> None:
    ended = inner(tmp_path, CONFTEST, HANGS, "-o", "timeout=1", *how)
    assert ended.returncode == 1, ended.stdout
    assert "in clean\n" in ended.stderr, "where it was"
    if how:
        assert "crashed while running" in ended.stdout
        assert "1 passed" in ended.stdout
