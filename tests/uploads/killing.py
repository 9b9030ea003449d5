"""A server that is killed with SIGKILL, and started again at its address, whenever the uploads have come so far."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import func, select, update

from holdfast.database import tables as t
from holdfast.database.types import db_later
from tests.servers.process import answers, free_ports
from tests.stacks import Stack

PROGRAM = Path(sys.executable).with_name("holdfast")


class Served:
    """A server of the stack at one ``address``, however often it dies."""

    def __init__(self, stack: Stack) -> None:
        [port] = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        self._stack = stack
        self._command = [str(PROGRAM), "serve", "--data", str(stack.values["data"]), "--port", str(port)]
        self._log = Path(str(stack.values["data"])).with_suffix(".log")
        self._environment = {**os.environ, **{f"HOLDFAST_{name.upper()}": str(value) for name, value in stack.values.items()}}
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not answers(f"{self.address}/readyz"):
            assert self._process.poll() is None, f"the server did not start: {self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"the server is not ready: {self._log.read_text()[-2000:]}"
            time.sleep(0.05)

    def kill(self) -> None:
        """And the time of its leases has passed, and of its claims of jobs."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        with self._stack.database.engine.begin() as connection:
            connection.execute(update(t.leases).values(expires_at=db_later(-1)))
            connection.execute(update(t.jobs).where(t.jobs.c.state == "running").values(lease_until=db_later(-1)))


class Mortal(Protocol):
    """What dies beside the server."""

    def die(self) -> None:
        """Is killed with SIGKILL, and started again."""


class Killed(Served):
    """``kills``: how often it died so far; ``other_kills``: how often the other one did."""

    def __init__(self, stack: Stack, moments: Sequence[int], other: Mortal | None = None, every: int = 3) -> None:
        """``moments``: after how many bytes of all sessions it dies, rising; one in ``every`` is for the ``other``, if given."""
        super().__init__(stack)
        self.kills = self.other_kills = 0
        self._other, self._every = other, every
        self._moments = list(moments)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._moments and not self._stopping.wait(0.005):
            if self._bytes() >= self._moments[0]:
                self._moments.pop(0)
                self._die()

    def _die(self) -> None:
        if self._other and (self.kills + self.other_kills) % self._every == self._every - 1:
            self._other.die()
            self.other_kills += 1
            return
        self.kill()
        self.kills += 1
        self.start()

    def survive(self) -> None:
        """It dies no more."""
        self._stopping.set()
        self._thread.join()

    def _bytes(self) -> int:
        s, p = t.upload_sessions.c, t.upload_pieces.c
        in_chunks = select(func.sum(p.size)).join(t.upload_sessions, s.upload_id == p.upload_id).where(s.kind == "chunks")
        with self._stack.database.read() as connection:
            return sum(int(connection.scalar(found) or 0) for found in (select(func.sum(s.offset)), in_chunks))

    def stop(self) -> None:
        self.survive()
        self.kill()


@contextmanager
def served(stack: Stack) -> Iterator[Served]:
    server = Served(stack)
    try:
        yield server
    finally:
        server.kill()


def at_random(size: int, times: int, seed: str, until: float = 0.9) -> list[int]:
    """So many moments while the first ``until`` of ``size`` bytes come."""
    chance = random.Random(seed)
    return sorted(chance.randrange(1, int(size * until)) for _ in range(times))


@contextmanager
def killed(stack: Stack, moments: Sequence[int], other: Mortal | None = None, every: int = 3) -> Iterator[Killed]:
    """A server that dies at these moments, or the ``other`` does (``Killed``)."""
    server = Killed(stack, moments, other, every)
    try:
        yield server
    finally:
        server.stop()
