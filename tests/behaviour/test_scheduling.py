"""The scheduler inside ``serve``: previews, times that have come, times that were missed, and approvals."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.behaviour.moments import upload
from tests.behaviour.policies import GENEROUS, Governed, governed
from tests.stacks import SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.errors import Conflict, Invalid
from holdfast.lifecycle import scheduling
from holdfast.lifecycle.runs import Cause
from holdfast.lifecycle.scheduling import tick
from holdfast.lifecycle.standing import standing
from holdfast.lifecycle.sweeping import Request, sweep
from holdfast.policies import folder, inforce
from holdfast.policies.words import Action

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


def statuses(at: Governed) -> list[str]:
    found = at.http.get("/assets", params={"status": ["active", "archived", "destroyed"]}).json()["items"]
    return [item["status"] for item in found]


def look(at: Governed) -> int:
    return tick(at.services, threading.Event())


def told(at: Governed, name: str = "one") -> dict[str, Any]:
    known = folder.read(at.services.settings.policies_folder)
    return standing(at.services, known.policies[f"default/{name}"], known.wrong).status()


def conditions(at: Governed) -> dict[str, str]:
    return {one["type"]: one["status"] for one in told(at)["conditions"]}


def test_a_new_policy_is_previewed_at_once_and_a_changed_one_again(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, mode="Preview")
        assert look(at) == 0
        assert told(at)["matched"] == {"items": 1, "bytes": 5}
        assert told(at)["archive"]["planned"] == {"items": 1, "bytes": 5}
        assert conditions(at) == {"Ready": "True", "Enforcing": "False", "GuardTripped": "False", "Conflicting": "False"}
        upload(at.http, "another.txt", b"another")
        look(at)
        assert told(at)["matched"]["items"] == 1, "it is counted when it changes, not at each look"
        at.apply(archive={"afterDays": 0}, mode="Preview", match={"paths": ["**"]})
        look(at)
        assert (told(at)["matched"]["items"], told(at)["archive"]["plannedGeneration"], told(at)["observedGeneration"]) == (2, 2, 2)
        assert statuses(at) == ["active", "active"]


def test_a_preview_is_made_anew_once_a_day_and_the_newest_plan_is_told(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, schedule="@hourly", guard=GENEROUS)
        look(at)
        at.sweep("archive")
        assert told(at)["archive"]["planned"]["items"] == 1, "the run's plan is newer"
        upload(at.http, "another.txt", b"another")
        upload(at.http, "third.txt", b"third")
        at.apply(archive={"afterDays": 0}, mode="Preview")
        look(at)
        assert (told(at)["matched"]["items"], told(at)["archive"]["planned"]["items"]) == (3, 2), "the preview's is newer"
        upload(at.http, "fourth.txt", b"fourth")
        at.move(hours=22)
        look(at)
        assert told(at)["matched"]["items"] == 3
        at.move(hours=2)
        look(at)
        assert (told(at)["matched"]["items"], told(at)["archive"]["planned"]["items"]) == (4, 3)


def test_each_time_of_the_schedule_is_served_once_and_a_missed_one_is_made_up_for(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, schedule="@hourly")
        assert look(at) == 0
        at.move(hours=5)
        assert look(at) == 1
        assert statuses(at) == ["archived"]
        assert look(at) == 0
        assert told(at)["lastRun"]["archived"] == 1
        assert told(at)["archive"]["lastRun"] == told(at)["lastRun"]
        assert (told(at)["lastRun"]["condemned"], told(at)["lastRun"]["held"]) == (0, 0), "a zero is told, as in a cluster"
        assert len(told(at)["lastRun"]["digest"]) > 40
        upload(at.http, "next.txt", b"next")
        at.move(hours=1)
        assert look(at) == 1
        assert statuses(at) == ["archived", "archived"]


def test_a_time_that_another_process_served_meanwhile_is_not_served_again(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        policy = at.apply(archive={"afterDays": 0}, schedule="@hourly")
        slow = Request(cause=Cause("schedule", at.clock()))
        source = at.services.settings.policies_folder
        assert sweep(at.services, source, policy.key, Action.ARCHIVE, slow).state == "done"
        with pytest.raises(Conflict, match="Another process has served"):
            sweep(stack.services(at.clock), source, policy.key, Action.ARCHIVE, slow)


def test_a_run_that_failed_is_tried_again_later_and_not_for_ever(stack: Stack) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, schedule="@daily")
        look(at)
        at.move(days=1)
        failpoints.arm("sweep.batch.before", fail)
        try:
            for minutes in (2, 3, 5, 1):
                with pytest.raises(ZeroDivisionError):
                    look(at)
                assert look(at) == 0, "it has just failed"
                at.move(minutes=minutes)
            assert look(at) == 0, "that was often enough"
        finally:
            failpoints.disarm()
        at.move(days=1)
        assert look(at) == 1
        assert statuses(at) == ["archived"]


def test_destroy_follows_an_hour_later(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        look(at)
        seen = []
        for _ in range(26):
            at.move(hours=1)
            look(at)
            seen.append(statuses(at)[0])
        assert seen.count("archived") == 1
        assert seen[-1] == "destroyed"


def test_a_tripped_guard_is_told_and_an_approved_plan_goes_on_without_waiting_for_the_schedule(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        spec: dict[str, Any] = {"archive": {"afterDays": 0}, "schedule": "@hourly", "guard": {"maxItems": 0}}
        at.apply(**spec)
        look(at)
        at.move(hours=1)
        assert look(at) == 1
        assert (statuses(at), conditions(at)["GuardTripped"]) == (["active"], "True")
        assert told(at)["reasons"] == ["1 of 1 versions, and maxItems is 0."]
        [waiting] = told(at)["waiting"]
        at.apply(**{**spec, "guard": {"maxItems": 0, "maxPercent": 50}})
        look(at)
        assert ("waiting" not in told(at), conditions(at)["GuardTripped"]) == (True, "False"), "it is of an earlier spec"
        at.sweep("archive")
        [waiting] = told(at)["waiting"]
        spec["guard"]["maxPercent"] = 50
        at.apply(**spec, annotations={"holdfast.dev/approve-plan": waiting["digest"]})
        assert look(at) == 1
        assert (statuses(at), conditions(at)["GuardTripped"]) == (["archived"], "False")
        assert look(at) == 0


def test_policies_that_disagree_are_told_of(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, schedule="@hourly")
        at.apply("slow", archive={"afterDays": 9}, schedule="@hourly")
        look(at)
        at.move(hours=1)
        assert look(at) == 2
        assert (statuses(at), conditions(at)["Conflicting"]) == (["active"], "True")
        own = {"policy": "default/slow", "action": "archive", "items": 1, "reportedBy": "self"}
        other = {**own, "reportedBy": "other"}
        assert told(at)["conflicts"] == [own, other], "both runs found it"
        at.apply("fast", archive={"afterDays": 1}, schedule="@yearly")
        look(at)
        found = {one["policy"]: one["reportedBy"] for one in told(at, "fast")["conflicts"]}
        assert found == {"default/one": "self", "default/slow": "self"}, "it has had no run yet, and its preview found them"
        assert {**other, "policy": "default/fast"} in told(at)["conflicts"]
        at.move(hours=1)
        look(at)
        both = {(one["policy"], one["reportedBy"]) for one in told(at, "fast")["conflicts"]}
        assert both == {(f"default/{name}", by) for name in ("one", "slow") for by in ("self", "other")}
        at.apply("slow", archive={"afterDays": 9}, mode="Preview")
        look(at)
        assert {one["policy"] for one in told(at)["conflicts"]} == {"default/fast"}, "what is not enforced disagrees with nobody"


def test_suspended_deleted_and_unreadable_policies_do_nothing(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        suspended = at.apply(archive={"afterDays": 0}, schedule="@hourly", suspend=True)
        at.move(hours=2)
        assert look(at) == 0
        at.apply(archive={"afterDays": 0}, schedule="@hourly")
        look(at)
        broken = at.services.settings.policies_folder / "default.broken.yaml"
        broken.write_text("spec: {")
        at.move(hours=2)
        said: dict[str, str] = {}
        for _ in range(2):
            assert tick(at.services, threading.Event(), said) == 0, "what cannot be read may be what keeps the others' versions"
        assert caplog.text.count("default.broken.yaml") == 1, "said once"
        assert (conditions(at)["Ready"], conditions(at)["Enforcing"]) == ("False", "False")
        assert "default.broken.yaml" in told(at)["conditions"][0]["message"]
        assert "nextRun" not in told(at)
        broken.unlink()
        assert conditions(at)["Ready"] == "True"
        folder.remove(at.services.settings.policies_folder, suspended)
        assert look(at) == 0
        assert statuses(at) == ["active"]
        at.apply(archive={"afterDays": 0}, schedule="@hourly", guard=GENEROUS)
        look(at)
        at.move(hours=2)
        assert look(at) == 1
        assert statuses(at) == ["archived"]


def test_a_workspace_that_is_not_there_is_told(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        spec: dict[str, Any] = {"archive": {"afterDays": 0}, "workspaces": {"names": ["ada_space", "nobody_space"]}}
        at.apply(**spec, mode="Preview")
        assert told(at)["reasons"] == ["There is no workspace nobody_space."]
        at.apply(**spec, guard={"maxItems": 0})
        at.sweep("archive")
        assert told(at)["reasons"] == ["1 of 1 versions, and maxItems is 0.", "There is no workspace nobody_space."]


def test_no_policy_goes_below_the_installations_floors(stack: Stack) -> None:
    with governed(stack, stack.user("ada"), policy_min_after_days=5) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 4}, schedule="@hourly")
        look(at)
        at.move(days=6)
        assert look(at) == 0
        with pytest.raises(Invalid, match="afterDays is at least 5 here"):
            at.sweep("archive")
        assert (statuses(at), conditions(at)["Ready"]) == (["active"], "False")
        at.apply(archive={"afterDays": 5}, schedule="@hourly")
        look(at)
        at.move(hours=1)
        assert look(at) == 1
        assert (statuses(at), conditions(at)["Ready"]) == (["archived"], "True")


def test_where_cronjobs_run_policies_the_worker_forgets_those_that_are_gone(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        one, other = at.apply(archive={"afterDays": 9}), at.apply("other", archive={"afterDays": 9})
        mounted = at.services.settings.policies_folder
        look(at)  # as the policies' jobs told

        def known() -> set[str]:
            with stack.database.read() as connection:
                return {rule.key for rule in inforce.enforcing(connection)}

        folder.remove(mounted, other)
        worker = stack.services(at.clock, policies=mounted)
        assert scheduling.look(worker) == 0
        assert known() == {one.key, other.key}, "the mount may be behind what a job was told"
        at.move(minutes=6)
        assert scheduling.look(at.services) == 0, "nothing was mounted"
        (mounted / "default.broken.yaml").write_text("spec: {")
        assert scheduling.look(worker) == 0, "what cannot be read may be the other"
        (mounted / "default.broken.yaml").unlink()
        assert (scheduling.look(worker), known()) == (1, {one.key})
