"""Uploads of large files, which the same command goes on with, whatever died."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Served, at_home
from tests.cli.program import HOLDFAST, Program
from tests.cli.proxy import Proxy
from tests.security.tenants import PASSWORD, set_password
from tests.stacks import SQLITE, Stack
from tests.uploads.killing import at_random, killed
from tests.waiting import until

CHUNK = 768 * 1024
SIZE = (17 << 20) + 5
CHUNKS = -(-SIZE // CHUNK)
CONTENT = random.Random(3).randbytes(SIZE)
PARALLEL = 4


@pytest.fixture
def far(far: Program, proxy: Proxy) -> Program:
    """With a large file."""
    (far.cwd / "large.bin").write_bytes(CONTENT)
    proxy.seen.clear()
    return far


def steps(proxy: Proxy, step: str) -> int:
    return [request for request, _ in proxy.seen].count(f"POST /api/v1/file/upload/{step}/")


def check(program: Program, content: bytes = CONTENT, versions: int = 1) -> None:
    """It is there, and nothing is remembered of its way."""
    assert len(program.json("ls", "--versions")) == versions
    into = program.cwd / "back"
    into.mkdir(exist_ok=True)
    program("get", "application/bin/large", "-O", into)
    assert (into / "large.bin").read_bytes() == content
    assert list((program.home / ".local/state/holdfast/uploads").iterdir()) == []


def broken_off(program: Program, proxy: Proxy, how: signal.Signals) -> str:
    """Ends an upload when a part of it has come; what it said."""
    with subprocess.Popen(
        [HOLDFAST, "upload", "large.bin"], cwd=program.cwd, env=program.variables(), stderr=subprocess.PIPE, text=True
    ) as running:
        until(lambda: steps(proxy, "chunk") >= CHUNKS // 2)
        running.send_signal(how)
        code = running.wait()
        assert running.stderr is not None
        said = running.stderr.read()
    assert code == (130 if how is signal.SIGINT else -how)
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_same_command_goes_on_where_the_server_is(far: Program, proxy: Proxy, how: signal.Signals) -> None:
    said = broken_off(far, proxy, how)
    assert ("The same command goes on" in said) == (how is signal.SIGINT)
    [asset] = far.json("upload", "large.bin")
    assert (asset["asset_path"], asset["size"], asset["unchanged"]) == ("application/bin/large", SIZE, False)
    assert steps(proxy, "init") == 1
    assert CHUNKS <= steps(proxy, "chunk") <= CHUNKS + PARALLEL
    check(far)


def test_a_file_that_changed_is_sent_anew(far: Program, proxy: Proxy) -> None:
    broken_off(far, proxy, signal.SIGKILL)
    changed = CONTENT[::-1]
    (far.cwd / "large.bin").write_bytes(changed)
    assert "has changed" in far("upload", "large.bin").stderr
    assert steps(proxy, "init") == 2
    check(far, changed)


def test_an_upload_that_the_server_knows_no_more_is_begun_anew(far: Program, proxy: Proxy) -> None:
    broken_off(far, proxy, signal.SIGKILL)
    [kept] = (far.home / ".local/state/holdfast/uploads").iterdir()
    begun = kept.read_text()
    kept.write_text(begun.replace(begun.split('"')[3], "0" * 32))
    assert "has expired" in far("upload", "large.bin").stderr
    check(far)


def test_what_fails_on_its_way_is_tried_again(far: Program, proxy: Proxy) -> None:
    proxy.uploads = ["put off", "put off", "lost", "put off"]
    assert "Trying again" in far("upload", "large.bin").stderr
    check(far)


def test_what_is_too_large_for_a_proxy_goes_on_in_chunks(far: Program, proxy: Proxy) -> None:
    proxy.largest = 1 << 20
    content = CONTENT[:3_000_000]
    (far.cwd / "large.bin").write_bytes(content)
    [asset] = far.json("upload", "large.bin", "--label", "project=apollo")
    assert (asset["asset_path"], asset["labels"]) == ("application/bin/large", {"project": "apollo"})
    assert steps(proxy, "chunk") == -(-len(content) // CHUNK)
    check(far, content)


def test_what_cannot_go_in_chunks_names_the_proxy(far: Program, proxy: Proxy) -> None:
    proxy.largest = 1 << 20
    (far.cwd / "note.txt").write_text("note")
    for more in (("--associated", "note.txt"), ("--idempotency-key", "mine")):
        assert "in front of the server" in far("upload", "large.bin", *more, code=1).stderr
    assert steps(proxy, "init") == 0


def test_what_is_too_large_for_the_workspace_is_refused_by_its_own_words(far: Program, proxy: Proxy, served: Served) -> None:
    branch = far.json("whoami")["branch"]
    Program(far.home, far.cwd)("admin", "quota", branch, "--max-file", "2MiB", "--data", served.data)
    (far.cwd / "large.bin").write_bytes(CONTENT[:3_000_000])
    for largest in (None, 1 << 20):
        proxy.largest = largest
        assert "The file is larger than 2097152 bytes" in far("upload", "large.bin", code=1).stderr
        assert (steps(proxy, "init") == 0) == (largest is None)


def test_several_files_and_what_is_said_of_them(far: Program) -> None:
    os.truncate(far.cwd / "large.bin", SIZE - 1)
    (far.cwd / "other.bin").write_bytes(CONTENT)
    (far.cwd / "small.txt").write_text("small")
    given = ("--label", "project=apollo", "--archive-ttl", "3", "--if-none-match")
    found = far.json("upload", "large.bin", "small.txt", "other.bin", *given)
    assert [asset["asset_path"] for asset in found] == ["application/bin/large", "text/txt/small", "application/bin/other"]
    assert all(asset["labels"] == {"project": "apollo"} and asset["archive_date"] for asset in found)
    far("upload", "large.bin", "--if-none-match", code=5)
    for folder in ("a", "b"):
        (far.cwd / folder).mkdir()
        (far.cwd / folder / "small.txt").write_text(folder)
    first, second = far.json("upload", "a/small.txt", "b/small.txt")
    assert [one["version_id"] for one in far.json("versions", "text/txt/small")][:2] == [second["version_id"], first["version_id"]]
    check(far, CONTENT[:-1], versions=5)


def test_each_of_several_files_has_a_bar_and_all_have_one(far: Program, proxy: Proxy) -> None:
    (far.cwd / "other.bin").write_bytes(CONTENT[::-1])
    proxy.pace = 0.5  # seconds before each answer: both take several times the second after which bars appear
    terminal = replace(far, environment={**far.environment, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"})
    ended = terminal("upload", "large.bin", "other.bin", "-o", "json")
    assert [asset["size"] for asset in json.loads(ended.stdout)] == [SIZE, SIZE]
    bars = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in ended.stderr.splitlines()]
    at_once = [{line.split()[0] for line in bars[at : at + 3] if line} for at in range(len(bars) - 2)]
    assert {"all", "large.bin", "other.bin"} in at_once, "one below the other"
    assert any(line.startswith("all files") and f"/{2 * SIZE / 2**20:.1f} MiB" in line for line in bars)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_an_upload_goes_on_when_the_server_is_killed(stack: Stack, tmp_path: Path) -> None:
    ada = stack.user("ada")
    set_password(stack, ada)
    with killed(stack, at_random(SIZE, 2, "the command line")) as server:
        program = at_home(tmp_path / "ada", HOLDFAST_URL=server.address, HOLDFAST_PASSWORD=PASSWORD)
        program("login", "ada")
        (program.cwd / "large.bin").write_bytes(CONTENT)
        program("upload", "large.bin")
        assert server.kills == 2
        check(program)
