"""Several installations in one cluster: each looks at its own namespaces, and at what it left."""

from __future__ import annotations

import json
from functools import partial

import httpx

from holdfast_operator.cluster import CRON_JOBS, POLICIES
from tests.cluster.world import World
from tests.servers.kubernetes import Kubernetes
from tests.servers.process import answers, free_ports
from tests.waiting import until


def test_two_operators_that_look_at_their_own_namespaces_do_not_contradict_each_other(world: World, served: Kubernetes) -> None:
    other = World(served)
    nobodys = served.namespace()
    world.policy("stray", nobodys, mode="Enforce")
    ports = free_ports(2)
    try:
        for one in (world, other):
            one.policy(mode="Enforce")
        resync = "--resync-seconds=0.5"  # so that each would see what is elsewhere, again and again
        with world.operator(resync, f"--liveness-port={ports[0]}"), other.operator(resync, f"--liveness-port={ports[1]}"):
            for one in (world, other):
                one.becomes("finished", "Ready", "True", "Accepted")
                until(partial(in_its_bundle, one))
            for one, port in zip((world, other), ports, strict=True):
                until(partial(answers, f"http://127.0.0.1:{port}/healthz"))
                said = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).json()
                assert said["state"] == {"policies": 1, "cronJobs": 2}
                assert one.status("finished")["installation"] == one.namespace
        assert world.status("stray", nobodys).get("installation") not in {world.namespace, other.namespace}
    finally:
        other.remove()
        served.kubectl("delete", "assetpolicies", "--all", "--namespace", nobodys)


def in_its_bundle(world: World) -> bool:
    return set(world.bundle()) == {f"{world.namespace}.finished.yaml"}


def test_it_looks_at_the_namespaces_of_tenants_too(world: World) -> None:
    one, other = (world.kubernetes.namespace() for _ in range(2))
    tenants = {one: ["ada_space"], other: ["bob_space"]}
    world.policy("mine", one, mode="Enforce")
    with world.operator("--namespaces", json.dumps(tenants)):
        world.becomes("mine", "Ready", "True", "Accepted", one)
        world.policy("late", other, mode="Enforce", workspaces={"names": ["bob_space"]})
        world.policy("greedy", other, mode="Enforce", workspaces={"names": ["ada_space"]})
        world.becomes("late", "Ready", "True", "Accepted", other)
        world.becomes("greedy", "Ready", "False", "NotAllowed", other)
        until(lambda: set(world.bundle()) == {f"{one}.mine.yaml", f"{other}.late.yaml"})
        world.cluster.delete(POLICIES, world.get(POLICIES, "mine", one))
        until(lambda: set(world.bundle()) == {f"{other}.late.yaml"})


def test_a_policy_that_it_does_not_look_at_any_more_acts_no_longer(world: World) -> None:
    tenant = world.kubernetes.namespace()
    world.policy(namespace=tenant, mode="Enforce")
    with world.operator("--namespaces", json.dumps({tenant: ["ada_space"]})):
        until(lambda: len(world.all(CRON_JOBS)) == 2 and world.bundle())
    with world.operator():
        until(lambda: not world.all(CRON_JOBS) and not world.bundle())
