"""``holdfast serve`` is killed with SIGKILL while clients upload, again and again, on the same data."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update
from tests.crash.aging import expire_leases
from tests.stacks import SQL, SQLITE, Stack

from holdfast.database import tables as t
from holdfast.database.types import db_later

KILLS = 4
CLIENTS = 3
PROGRAM = Path(sys.executable).with_name("holdfast")


def environment(stack: Stack) -> dict[str, str]:
    """The stack's settings as a program reads them."""
    return {**os.environ, **{f"HOLDFAST_{name.upper()}": str(value) for name, value in stack.values.items()}}


@contextmanager
def serving(stack: Stack) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server's address and process; it is dead afterwards."""
    command = [str(PROGRAM), "serve", "--data", str(stack.values["data"]), "--port", "0"]
    process = subprocess.Popen(command, env=environment(stack), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found.group().rstrip("/"), process
                break
        else:
            raise AssertionError("the server did not start")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def let_time_pass(stack: Stack) -> None:
    """Leases are over, and what its server did not store will not come any more."""
    with stack.database.engine.begin() as connection:
        expire_leases(connection)
        connection.execute(update(t.intents).values(heartbeat_at=db_later(-60)))


class Load:
    """Clients that upload, each content until it is acknowledged, under one Idempotency-Key; lost answers are asked for again."""

    def __init__(self, token: str) -> None:
        self.acknowledged: list[tuple[str, str, str]] = []  # asset path, version id, sha256
        self.address: str | None = None
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        chance, number = random.Random(client), 0
        while not self._stop.is_set():
            number += 1
            content = chance.randbytes(chance.choice([100, 60_000, 1_500_000]))
            files = [("primary_file", (f"file{number % 5}.bin", content)), ("associated_files", ("side.bin", content[:50]))]
            while not self._stop.is_set():
                headers = {**self._headers, "Idempotency-Key": f"{client}-{number}"}
                try:
                    with httpx.Client(timeout=30, trust_env=False) as http:
                        reply = http.post(f"{self.address}/fileupload", headers=headers, files=files)
                except httpx.HTTPError:
                    time.sleep(0.05)
                    continue
                if reply.status_code == 200:
                    told = reply.json()
                    self.acknowledged.append((told["asset_path"], told["version_id"], hashlib.sha256(content).hexdigest()))
                    break
                assert reply.status_code == 503, reply.text
                time.sleep(0.05)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_kill_9_loses_nothing_that_was_acknowledged(stack: Stack) -> None:
    stack.values.update(intent_timeout_seconds=30, reconcile_seconds=1, commit_wait_seconds=2)
    ada = stack.user("ada")
    load, chance, seen = Load(ada.token), random.Random(9), 0
    try:
        for _ in range(KILLS):
            with serving(stack) as (address, _):
                load.address = address
                enough, deadline = len(load.acknowledged) + 5, time.monotonic() + 60
                while len(load.acknowledged) < enough:
                    assert time.monotonic() < deadline, "nothing is acknowledged any more"
                    time.sleep(0.02)
                time.sleep(chance.uniform(0, 0.3))
            seen = len(load.acknowledged)
            let_time_pass(stack)
    finally:
        load.stop()
    assert seen >= 5 * KILLS
    with serving(stack) as (address, _), httpx.Client(headers={"Authorization": f"Bearer {ada.token}"}, trust_env=False) as http:
        for path, version, digest in load.acknowledged:
            reply = http.get(f"{address}/content/{path}", params={"version_id": version})
            assert hashlib.sha256(reply.content).hexdigest() == digest
    assert len({(path, version) for path, version, _ in load.acknowledged}) == len(load.acknowledged), "none was stored twice"
    for command in (["reconcile"], ["verify", "--deep"]):
        done = subprocess.run([str(PROGRAM), *command], env=environment(stack), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
