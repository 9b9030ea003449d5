"""Transfers over a bad connection: nothing is stored twice, and nothing half is left under a final name."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.program import HOLDFAST, Program
from tests.cli.proxy import Proxy

SIZE = 4_000_000


@pytest.fixture
def large(far: Program) -> bytes:
    """The content of `large.bin`, which is uploaded."""
    content = random.Random(7).randbytes(SIZE)
    (far.cwd / "large.bin").write_bytes(content)
    far("upload", "large.bin")
    (far.cwd / "large.bin").unlink()
    return content


@pytest.mark.parametrize("fates", [["put off"], ["lost"], ["put off", "lost", "put off"]])
def test_an_upload_is_tried_again_under_the_same_key_and_stored_once(far: Program, proxy: Proxy, fates: list[str]) -> None:
    (far.cwd / "note.txt").write_text("note")
    proxy.uploads = list(fates)
    ended = far("upload", "note.txt", "-o", "json")
    [asset] = json.loads(ended.stdout)
    assert not asset["unchanged"]
    assert ended.stderr.count("Trying again") == len(fates)
    keys = [headers["idempotency-key"] for request, headers in proxy.seen if request == "POST /fileupload"]
    assert len(keys) == len(fates) + 1
    assert len(set(keys)) == 1
    assert len(far.json("ls", "--versions")) == 1


def test_an_upload_that_is_put_off_for_too_long_is_6(far: Program, proxy: Proxy) -> None:
    (far.cwd / "note.txt").write_text("note")
    proxy.uploads = ["put off"]
    assert "Not yet." in far("upload", "note.txt", "--retry-for", "0", code=6).stderr


def test_what_the_server_refuses_is_not_tried_again(far: Program, proxy: Proxy) -> None:
    (far.cwd / "note.txt").write_text("note")
    far("upload", "note.txt", "--archive-ttl", "-1", code=1)
    assert [request for request, _ in proxy.seen].count("POST /fileupload") == 1


def test_a_download_that_is_cut_off_is_continued(far: Program, proxy: Proxy, large: bytes) -> None:
    proxy.downloads = [1_000_000, 500_000]
    far("get", "application/bin/large")
    assert (far.cwd / "large.bin").read_bytes() == large
    asked = [headers for request, headers in proxy.seen if request.startswith("GET /content/")]
    assert [headers.get("range") for headers in asked] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert asked[1]["if-range"] == asked[2]["if-range"]


def test_a_download_that_is_interrupted_is_continued_by_the_next(far: Program, proxy: Proxy, large: bytes) -> None:
    proxy.pace = 0.05
    with subprocess.Popen(
        [HOLDFAST, "get", "application/bin/large"], cwd=far.cwd, env=far.variables(), stderr=subprocess.PIPE, text=True
    ) as running:
        until_there_is(far.cwd, 200_000)
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()
    [part] = far.cwd.glob("*.part")
    assert not (far.cwd / "large.bin").exists()
    have = part.stat().st_size
    assert part.read_bytes() == large[:have]
    proxy.pace = 0
    far("get", "application/bin/large")
    assert (far.cwd / "large.bin").read_bytes() == large
    assert not part.exists()
    assert proxy.seen[-1][1]["range"] == f"bytes={have}-"


def test_a_killed_download_leaves_a_part_that_the_next_continues(far: Program, proxy: Proxy, large: bytes) -> None:
    proxy.pace = 0.05
    with subprocess.Popen([HOLDFAST, "get", "application/bin/large"], cwd=far.cwd, env=far.variables()) as running:
        until_there_is(far.cwd, 200_000)
        running.kill()
    proxy.pace = 0
    assert not (far.cwd / "large.bin").exists()
    far("get", "application/bin/large")
    assert (far.cwd / "large.bin").read_bytes() == large
    assert list(far.cwd.glob("*.part")) == []


def test_a_part_that_was_damaged_meanwhile_is_thrown_away(far: Program, proxy: Proxy, large: bytes) -> None:
    proxy.downloads = [1_000_000]
    far("get", "application/bin/large", "--retry-for", "0", code=6)
    [part] = far.cwd.glob("*.part")
    part.write_bytes(b"x" + part.read_bytes()[1:])
    assert "damaged" in far("get", "application/bin/large", code=1).stderr
    assert list(far.cwd.glob("large*")) == []
    far("get", "application/bin/large")
    assert (far.cwd / "large.bin").read_bytes() == large


def test_what_is_there_already_is_not_sent_again(far: Program, proxy: Proxy, large: bytes) -> None:
    far("get", "application/bin/large")
    proxy.seen.clear()
    far("get", "application/bin/large")
    assert [request.split()[0] for request, _ in proxy.seen] == ["HEAD"]


def test_progress_goes_to_standard_error_and_the_answer_stays_clean(far: Program, proxy: Proxy, large: bytes) -> None:
    proxy.pace = 0.03  # 61 chunks: it takes longer than the second after which a bar appears
    terminal = replace(far, environment={**far.environment, "FORCE_COLOR": "1", "TERM": "xterm"})
    ended = terminal("get", "application/bin/large", "-o", "json")
    assert json.loads(ended.stdout)["file"] == "large.bin"
    assert "large.bin" in ended.stderr
    assert "MiB" in ended.stderr


def until_there_is(folder: Path, size: int) -> None:
    """Waits until a partial file has so many bytes."""
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size >= size for part in folder.glob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
