"""Runs one server and ends it when whoever asked for it is gone, however he went: `guard.py PATIENCE LITTER COMMAND ...`.

Standard input is the life line: the test run holds the other end of that pipe and never writes. It closes when the run stops
the server, and also when the run is interrupted or killed. The leaves of the process tree (the server itself, below whatever
script or container tool started it) are then killed at once, for their data is thrown away; what is above them gets PATIENCE
seconds to clean up after itself. At last the files and folders of LITTER
(paths with colons between them) are removed. The exit code is the command's.

It is a process of its own, and imports nothing of the project, because nothing inside the test run survives a SIGKILL.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans below us become our children, so that none of them can hide


def descendants(root: int) -> dict[int, int]:
    """Every live process below `root`, with its parent."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it ended while we looked
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found: dict[int, int] = {}
    level = {root}
    while level:
        below = {pid: parent for pid, parent in parents.items() if parent in level}
        found |= below
        level = set(below)
    return found


def kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def reap() -> None:
    """Collect orphans that ended; the command itself is waited for by its Popen."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end(server: subprocess.Popen[bytes], patience: float) -> None:
    below = descendants(os.getpid())
    kill(set(below) - set(below.values()))
    deadline = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    while rest := set(descendants(os.getpid())):
        kill(rest)
        time.sleep(0.02)
        reap()


def remove(litter: list[Path]) -> None:
    for path in litter:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def main(patience: float, litter: list[Path], command: list[str]) -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for deaf in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(deaf, lambda *_: None)  # only the life line counts; unlike SIG_IGN, the command does not inherit this
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    gone, _, _ = select.select([sys.stdin, os.pidfd_open(server.pid)], [], [])
    end(server, patience)
    if sys.stdin in gone:  # else the command ended by itself, and the run wants to read why
        remove(litter)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), [Path(path) for path in sys.argv[2].split(os.pathsep)], sys.argv[3:]))
