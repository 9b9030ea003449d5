"""Which of a schedule's times Kubernetes makes up for: those at which a policy was to act, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast_operator.cluster import CRON_JOBS, Body
from tests.cluster.world import SELDOM, World
from tests.waiting import until

HALF_A_DAY_AGO = datetime.now(UTC) - timedelta(hours=12)
DAILY = f"{HALF_A_DAY_AGO.minute} {HALF_A_DAY_AGO.hour} * * *"
"""Its last time, and its next, are half a day away."""


def cron_job(world: World, policy: str) -> Body:
    return world.cron_jobs(policy)["archive"]


def ran_long_ago(world: World, policy: str) -> None:
    """Its CronJob ran for the last time two days ago."""
    ran = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = cron_job(world, policy)["metadata"]["name"]
    world.cluster.merge(CRON_JOBS, world.namespace, name, {"status": {"lastScheduleTime": ran}}, sub="status")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"schedule": DAILY}, {"mode": "Enforce"}),
        ({"schedule": DAILY, "mode": "Enforce", "suspend": True}, {"suspend": False}),
        ({"schedule": SELDOM, "mode": "Enforce"}, {"schedule": DAILY}),
    ],
    ids=["Preview", "suspended", "another schedule"],
)
def test_what_came_while_a_policy_was_not_to_act_was_not_missed(
    world: World, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Beside a policy that was to act, and whose run was missed: that one is made up for."""
    world.policy("begins", destroy=None, **before)
    world.policy("goes-on", destroy=None, mode="Enforce", schedule=DAILY)
    with world.operator():
        until(lambda: len(world.all(CRON_JOBS)) == 2)
        ran_long_ago(world, "begins")
        world.patch("begins", after)
        until(lambda: cron_job(world, "begins")["spec"]["schedule"] == DAILY)
        until(lambda: cron_job(world, "begins")["spec"]["suspend"] is False)
        until(lambda: world.status("begins").get("nextRun"))
        ran_long_ago(world, "goes-on")
        until(lambda: world.jobs("goes-on", "schedule"))  # so Kubernetes has looked at the other one as well
        assert world.jobs("begins", "schedule") == []
        begun = datetime.fromisoformat(cron_job(world, "begins")["status"]["lastScheduleTime"])
        assert begun < datetime.fromisoformat(world.status("begins")["nextRun"]) <= begun + timedelta(days=1)


@pytest.mark.parametrize("apart", [1, 59])
def test_what_was_missed_is_made_up_for_where_kubernetes_does_not_find_it(world: World, apart: int) -> None:
    """Of two times so many minutes apart and then a day's pause it believes that the last one was a while ago, and finds none."""
    times = sorted({HALF_A_DAY_AGO.minute, (HALF_A_DAY_AGO.minute + apart) % 60})
    schedule = f"{times[0]},{times[-1]} {HALF_A_DAY_AGO.hour} * * *"
    world.policy("uneven", destroy=None, mode="Enforce", schedule=schedule)
    with world.operator("--resync-seconds=2"):
        until(lambda: world.cron_jobs("uneven"))
        ran_long_ago(world, "uneven")
        [job] = until(lambda: world.jobs("uneven", "schedule"))
        last = datetime.fromisoformat(job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"])
        assert (last.hour, last.minute) == (HALF_A_DAY_AGO.hour, times[-1])
        until(lambda: cron_job(world, "uneven")["status"]["lastScheduleTime"] == last.strftime("%Y-%m-%dT%H:%M:%SZ"))
