"""Who gets how much of the processors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import weights

MARK = "a-tool-of-this-test"
SLEEP = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print(flush=True); time.sleep(60)"


def test_a_tools_processes_come_first_with_all_their_threads_and_nobody_elses() -> None:
    command = [sys.executable, "-c", SLEEP]
    with (
        subprocess.Popen([*command, MARK], start_new_session=True, stdout=subprocess.PIPE) as of_tool,
        subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as other,
    ):
        try:
            for one in (of_tool, other):
                assert one.stdout is not None
                one.stdout.readline()
            weights.balance(MARK)
            ours = os.getpriority(os.PRIO_PROCESS, 0)
            assert niceness(of_tool.pid) == [weights.CONTROL_PLANE if os.geteuid() == 0 else ours] * 2
            assert niceness(other.pid) == [ours] * 2
        finally:
            of_tool.kill()
            other.kill()


def niceness(pid: int) -> list[int]:
    """Of each of its threads."""
    return [os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]
