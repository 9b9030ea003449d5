"""`holdfast serve` as a process: it says where it is, ends when asked, and names what is wrong."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.program import HOLDFAST, Program


@pytest.fixture
def holdfast(tmp_path: Path) -> Program:
    return Program(tmp_path, tmp_path)


@contextmanager
def started(holdfast: Program, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and the address that it prints when it is ready."""
    command: list[str | Path] = [HOLDFAST, "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=holdfast.cwd, env=holdfast.variables(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_is_ready_when_it_says_so_and_ends_when_asked(holdfast: Program, sent: signal.Signals) -> None:
    with started(holdfast, "--data", "here") as (process, url):
        with urllib.request.urlopen(f"{url}/readyz") as reply:
            assert reply.status == 200
        with urllib.request.urlopen(f"{url}/") as reply:
            assert json.load(reply)["status"] == "ok"
        process.send_signal(sent)
        assert process.wait() == 0
    assert (holdfast.cwd / "here" / "holdfast.db").is_file()


def test_a_port_that_is_taken_is_one_clear_line(holdfast: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = holdfast("serve", "--port", str(other.getsockname()[1]), code=1)
    [line] = ended.stderr.splitlines()
    assert "cannot listen" in line


def test_a_wrong_setting_is_one_clear_line(tmp_path: Path) -> None:
    [line] = Program(tmp_path, tmp_path, {"HOLDFAST_THREADS": "0"})("serve", code=2).stderr.splitlines()
    assert line.startswith("holdfast: HOLDFAST_THREADS: ")


def test_where_authentication_is_disabled_all_without_a_token_are_one_user(tmp_path: Path) -> None:
    demonstration = Program(tmp_path, tmp_path, {"HOLDFAST_AUTH_DISABLED": "true"})
    for _ in range(2):  # a restart finds him again
        with started(demonstration, "--data", "here") as (process, url), httpx.Client(base_url=url, timeout=60) as http:
            me = http.get("/me").json()
            assert (me["username"], me["branch"]) == ("anybody", "anybody_space")
            assert http.post("/fileupload", files={"primary_file": ("note.txt", b"note")}).status_code == 200
            assert [one["asset_path"] for one in http.get("/assets").json()["items"]] == ["text/txt/note"]
            assert http.get("/me", headers={"Authorization": "Bearer none"}).status_code == 401
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
    with started(Program(tmp_path, tmp_path), "--data", "here") as (_, url):
        assert httpx.get(f"{url}/me").status_code == 401, "nothing of it is left when it is not asked for"


def test_a_workspace_of_nobody_that_was_deleted_is_one_clear_line(tmp_path: Path) -> None:
    demonstration = Program(tmp_path, tmp_path, {"HOLDFAST_AUTH_DISABLED": "true"})
    with started(demonstration, "--data", "here") as (_, url):
        assert httpx.request("DELETE", f"{url}/workspace", json={"confirm": "anybody_space"}).status_code == 200
        assert httpx.get(f"{url}/me").status_code == 401
    [line] = demonstration("serve", "--data", "here", "--port", "0", code=5).stderr.splitlines()
    assert "he or his workspace was deleted" in line
