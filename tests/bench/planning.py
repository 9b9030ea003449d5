"""A plan in a process of its own, which says what memory it took: ``python -m tests.bench.planning``.

Reads a job as JSON from standard input: the ``environment`` of an installation, and a ``policy``. Writes ``mib``, by how much its
resident memory grew at the most, and ``due``, how many versions it planned.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from holdfast.lifecycle.looking import planned
from holdfast.policies.due import Rule
from holdfast.policies.validating import validated
from holdfast.policies.words import Action
from holdfast.services import Services
from holdfast.settings import Settings


def run(job: dict[str, Any]) -> dict[str, float]:
    os.environ.update(job["environment"])
    services, policy = Services(Settings()), job["policy"]
    elsewhere = {**policy, "spec": {**policy["spec"], "workspaces": {"names": ["nobodys_space"]}}}
    _plan(services, elsewhere)
    before = _kib("VmRSS")
    due = _plan(services, policy)
    return {"mib": (_kib("VmHWM") - before) / 1024, "due": due}


def _plan(services: Services, policy: dict[str, Any]) -> int:
    return planned(services, Rule(validated(policy)), [], Action.ARCHIVE, services.clock()).due_items


def _kib(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0])


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
