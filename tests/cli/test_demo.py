"""`make run`: the demo does the main job, says so, and leaves nothing behind; or it ends with a clear line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import HOLDFAST, Program
from tests.docs.pages import ROOT
from tests.servers.process import answers, free_ports


@pytest.fixture
def holdfast(tmp_path: Path) -> Program:
    return Program(tmp_path, tmp_path)


def test_it_does_the_main_job_and_ends(holdfast: Program) -> None:
    [port] = free_ports(1)
    told = holdfast("demo", "--exit", "--data", "here", "--port", str(port)).stdout
    assert "All of it as it should be" in told
    for step in ("rocket.jpg", "2 versions", "all equal", "403", "condemned", "restored once more", "nothing disagrees"):
        assert step in told
    assert re.search(r"ada +destroy +image/jpg/hubble_deep_field", told)
    assert (holdfast.cwd / "here" / "holdfast.db").is_file()
    assert not answers(f"http://127.0.0.1:{port}/readyz")


def test_it_leaves_the_server_up_until_it_is_interrupted(holdfast: Program) -> None:
    with subprocess.Popen(
        [HOLDFAST, "demo"],
        cwd=holdfast.cwd,
        env=holdfast.variables(),
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        told = ""
        for line in demo.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"The server is up: (\S+) +user (\S+) +password (\S+)", told)
        assert found, told
        url, user, password = found.groups()
        visitor = Program(holdfast.home, holdfast.cwd, {"HOLDFAST_URL": url, "HOLDFAST_PASSWORD": password})
        visitor("login", user)
        assert "image/jpg/rocket" in [asset["asset_path"] for asset in visitor.json("ls")]
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 130
    assert not answers(f"{url}/readyz")


def test_it_wants_fresh_data(holdfast: Program) -> None:
    (holdfast.cwd / "mine").mkdir()
    (holdfast.cwd / "mine" / "file").touch()
    assert "not empty" in holdfast("demo", "--exit", "--data", "mine", code=2).stderr


def test_a_server_that_does_not_start_is_one_clear_line(holdfast: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = holdfast("demo", "--exit", "--port", str(other.getsockname()[1]), code=1)
    assert "cannot listen" in ended.stderr


def test_two_at_once_each_have_a_server_of_their_own(tmp_path: Path) -> None:
    demos = [
        subprocess.Popen(
            [HOLDFAST, "demo", "--exit"], env=Program(tmp_path, tmp_path).variables(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [demo.communicate()[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], told
    first, second = (re.search(r"serves (\S+),", one) for one in told)
    assert first
    assert second
    assert first[1] != second[1]


def test_make_run_ends_in_the_demo(holdfast: Program) -> None:
    ended = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "run", "ARGS=--exit"],
        env=holdfast.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "All of it as it should be" in ended.stdout
