"""P10: AssetPolicies to their CronJobs, against `kubectl apply` of those CronJobs; and what the operator writes at rest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from holdfast.policies.words import Action
from holdfast_operator import cronjobs
from holdfast_operator.accepting import Accepted, accept
from holdfast_operator.cluster import CRON_JOBS, POLICIES
from holdfast_operator.settings import Settings
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers
from tests.cluster.world import Operator, World, install_crd, policy
from tests.servers.kubernetes import Kubernetes
from tests.waiting import until

PATIENCE = 900.0


def reconciling(servers: Servers, scale: Scale) -> list[Result]:
    """Ours: from the start of the operator's process, with the policies there, until all CronJobs and statuses are written."""
    kubernetes, writes = servers.kubernetes, list[float]()
    install_crd(kubernetes)

    def ours() -> float:
        with installation(kubernetes) as world:
            for number in range(scale.policies):
                world.cluster.create(POLICIES, policy(name(number), world.namespace))
            started = time.perf_counter()
            with world.operator() as operator:
                until(lambda: done(operator, scale.policies), PATIENCE)
                took = time.perf_counter() - started
                assert len(world.all(CRON_JOBS)) == 2 * scale.policies
                writes.append(at_rest(operator, scale.rest_seconds))
        return took

    def peer() -> float:
        with installation(kubernetes) as world, TemporaryDirectory(prefix="holdfast-bench-") as folder:
            file = Path(folder, "cronjobs.json")
            bodies = [one for number in range(scale.policies) for one in made(name(number), world.namespace)]
            file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))
            started = time.perf_counter()
            kubernetes.kubectl("apply", "-f", str(file))
            return time.perf_counter() - started

    a, b = in_turn(scale.rounds, ours, peer)
    return [
        Result(f"{scale.policies} policies", "s", a, b, Goal("<=", 1.2)),
        Result(f"API writes in {scale.rest_seconds} s at rest", "writes", writes, [], Goal("<=", 0, ratio=False)),
    ]


def name(number: int) -> str:
    return f"policy-{number:04}"


def done(operator: Operator, policies: int) -> bool:
    writes = operator.writes
    return writes.count("apply cronjobs") >= 2 * policies and writes.count("status assetpolicies") >= policies


def at_rest(operator: Operator, seconds: float) -> int:
    """Writes in that time, once nothing was written for two seconds."""
    before = -1
    while before != len(operator.writes):
        before = len(operator.writes)
        time.sleep(2)
    time.sleep(seconds)
    return len(operator.writes) - before


def made(called: str, namespace: str) -> list[dict[str, Any]]:
    """The CronJobs that the operator makes of the policy, but for their owner, which is not there."""
    settings = Settings(image="holdfast/worker:test", namespace=namespace)
    body = policy(called, namespace)
    body["metadata"]["uid"] = "none"
    accepted = accept(body, settings, namespace)
    assert isinstance(accepted, Accepted)
    out = [cronjobs.cron_job(body, accepted.policy, action, accepted.schedules[action], True, settings) for action in Action]
    for one in out:
        del one["metadata"]["ownerReferences"]
    return out


@contextmanager
def installation(kubernetes: Kubernetes) -> Iterator[World]:
    """An installation that leaves nothing behind that the API server has still to clean up."""
    world = World(kubernetes)
    try:
        yield world
    finally:
        for kind in (POLICIES, CRON_JOBS):
            world.delete_all(kind)
        until(lambda: not world.any(CRON_JOBS), PATIENCE)
        world.close()
        kubernetes.kubectl("delete", "namespace", "--wait=false", world.namespace)
