"""A test that hangs, and hangs again while it cleans up, ends all the same, and says where it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_hangs.py").write_text(HANGS)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-p", "xdist.plugin", "-o", "timeout=1", *how, "test_hangs.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 1, ended.stdout
    assert "in clean\n" in ended.stderr, "where it was"
    if how:
        assert "crashed while running" in ended.stdout
        assert "1 passed" in ended.stdout
