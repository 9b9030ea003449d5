"""What the servers share: free ports, a process that cannot outlive the test run, and waiting until it answers."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from tests.servers.guard import descendants, remove

GUARD = Path(__file__).with_name("guard.py")
# Below the range that Linux takes outgoing connections from: one of those would otherwise get a port that we just chose.
PORTS = range(12_000, 32_000)


MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
"""Bytes that have to be free there: a container often has 64 MiB."""


class ServerMissingError(Exception):
    """The server's program is not on this machine. The message says how to get it."""


class ServerFailedError(Exception):
    """The server is there and did not start. The message ends with its log's last lines."""


def free_ports(count: int) -> list[int]:
    """Different TCP ports that nobody listens on at 127.0.0.1 at the moment."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.choice(PORTS)
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
        return ports


def program(name: str, how_to_get_it: str, *, also_in: Sequence[Path] = ()) -> Path:
    """The program `name` from `also_in`, from PATH or from the folders of system programs.

    Raises:
        ServerMissingError: it is in none of them.
    """
    folders = [*map(str, also_in), os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise ServerMissingError(f"no {name} here: {how_to_get_it}")
    return Path(found)


def fresh_folder(name: str) -> Path:
    """A new folder that only this user may enter. Its path is short, because sockets in it may have 107 bytes. It is in memory
    where there is room: servers that keep their durability would wait for a disk at each commit, and no machine dies in a test. Or
    where `HOLDFAST_TEST_FOLDER` says."""
    return Path(tempfile.mkdtemp(prefix=f"holdfast-{name}-", dir=os.environ.get("HOLDFAST_TEST_FOLDER") or _memory()))


def _memory() -> Path | None:
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else None


@contextmanager
def passing_folder(name: str) -> Iterator[Path]:
    """A ``fresh_folder`` that is gone after the block."""
    folder = fresh_folder(name)
    try:
        yield folder
    finally:
        remove([folder])


def answers(url: str) -> bool:
    """Whether a GET of `url` gives a 2xx within a second."""
    try:
        return httpx.get(url, timeout=1, trust_env=False).is_success  # no proxy knows our loopback
    except httpx.HTTPError:
        return False


class Process:
    """A running server: `log` holds what it prints, `folder` what it keeps; both are gone after `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        litter: Sequence[Path] = (),
        patience: float = 20,
    ) -> None:
        """Start it under the guard.

        `litter`: what it leaves outside its folder. `patience`: seconds that whatever wraps it may take to clean up at the end.
        """
        self.name = name
        self.log = folder / "log"
        self._litter = [folder, *litter]
        self._owner = os.getpid()
        with self.log.open("wb") as log:
            self._guard = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(GUARD),
                    str(patience),
                    os.pathsep.join(map(str, self._litter)),
                    *map(str, command),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C is for the test run, which then stops us in its own order
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Return as soon as `ready()` is true.

        Raises:
            ServerFailedError: the process ended, or it is not ready after `seconds`; it is stopped then.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            ended = self._guard.poll() is not None
            if ended or time.monotonic() > deadline:
                said = self.said()
                self.stop()
                raise ServerFailedError(f"{self.name} {'ended' if ended else f'is not ready after {seconds:.0f} s'}:\n{said}")
            time.sleep(0.05)

    def said(self, lines: int = 30) -> str:
        """The last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(the log is gone)"

    def pids(self) -> dict[int, int]:
        """Its processes, whatever wraps it among them, with their parents."""
        return descendants(self._guard.pid)

    def kill(self) -> None:
        """With SIGKILL, the server alone: whatever wraps it stays, and may start it again."""
        below = self.pids()
        for pid in set(below) - set(below.values()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the server and remove its folder. Does nothing the second time, nor in a fork of the test run."""
        if os.getpid() == self._owner and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            remove(self._litter)  # the guard leaves it if the server ended by itself


@contextmanager
def serving(command: Sequence[str | Path], port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """A process of ours that answers at `port` of the loopback, from when it is ready to the end of the block: its host and port.
    Raises ServerFailedError when it does not come up."""
    process = Process("holdfast", command, fresh_folder("serve"), environment=environment)
    try:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        yield f"127.0.0.1:{port}"
    finally:
        process.stop()
