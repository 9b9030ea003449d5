"""Who gets how much of the processors, where all want them: the tests' cluster on the one side, the other tests on the other.

Linux gives each session the same part of what processes outside of cgroups get (autogroup, sched(7)): all processes of a test run
are one session, and each server that they start is one of its own. Beside pods that count as eight, four busy test processes
together would be one ninth of the machine, and an API server at a standstill.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CONTROL_PLANE = -10
"""Niceness; each step is a quarter more. Who serves everybody comes first, and wants little."""
TEST_RUN = -8
"""Of the session as a whole: about as much as six processes."""


def balance(tool: str) -> None:
    """For processes whose command lines name ``tool``, and for the test run. Where it is not allowed, all stays as it is."""
    for leader in _leaders(tool):
        with suppress(OSError):  # it has ended, or is somebody else's
            os.setpriority(os.PRIO_PGRP, leader, CONTROL_PLANE)  # a process alone would be one of its threads
        _weigh_session(leader, CONTROL_PLANE)
    _weigh_session(os.getpid(), TEST_RUN)


def _leaders(tool: str) -> Iterator[int]:
    """Processes that began a session of their own."""
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with suppress(OSError):
            if os.getsid(pid) == pid and tool.encode() in (folder / "cmdline").read_bytes():
                yield pid


def _weigh_session(pid: int, niceness: int) -> None:
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
