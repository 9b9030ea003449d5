"""Long work that is asked to end, as Kubernetes asks a Job that is suspended or whose node goes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.program import Program
from tests.cli.test_policies import listed, name_of, operator, policy, uploaded
from tests.waiting import until

__all__ = ["operator", "policy"]

AT_THE_FIRST_BATCH = """
import sys, time
from pathlib import Path
from holdfast import failpoints
from holdfast.cli.main import main
from holdfast.lifecycle import sweeping

def wait():
    Path("came").touch()
    while not Path("go").exists():
        time.sleep(0.01)

sweeping.BATCH = 1
failpoints.arm("sweep.batch.after", wait)
sys.argv[0] = "holdfast"
main()
"""


def test_a_sweep_that_is_asked_to_end_ends_after_its_batch_and_the_next_does_the_rest(
    operator: Program, policy: Callable[..., Path]
) -> None:
    names = [f"{number}.txt" for number in range(6)]
    uploaded(operator, *names)
    file = policy(mode="Enforce", guard={"maxItems": 10})
    operator("policy", "apply", "-f", file)
    sweep = ["sweep", "--policy", name_of(file), "--action", "archive", "-o", "json"]
    running: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-c", AT_THE_FIRST_BATCH, *sweep],
        cwd=operator.cwd,
        env=operator.variables(),
        stdout=subprocess.PIPE,
        text=True,
    )
    until((operator.cwd / "came").exists)
    running.send_signal(signal.SIGTERM)
    (operator.cwd / "go").touch()
    said: dict[str, Any] = json.loads(running.communicate(timeout=60)[0])
    assert (running.returncode, said["state"]) == (6, "stopped")
    done = len(listed(operator, "archived"))
    assert 0 < done == said["archived"] < len(names)
    rest = json.loads(operator(*sweep).stdout)
    assert (rest["state"], rest["archived"]) == ("done", len(names) - done)
    operator("policy", "delete", name_of(file))
