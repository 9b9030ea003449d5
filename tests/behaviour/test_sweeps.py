"""Sweeps: what a policy's run does to real assets, what it leaves alone, and what stops it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.asgi import Http
from tests.behaviour.erased import keys
from tests.behaviour.moments import path, upload
from tests.behaviour.policies import Governed, governed
from tests.security.tenants import platform_admin
from tests.stacks import MYSQL, SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database.tables import policies, runs, versions
from holdfast.disagreement import Disagreement
from holdfast.errors import Conflict, Invalid, NotFound
from holdfast.lifecycle.own import sweep_own
from holdfast.lifecycle.reporting import report
from holdfast.policies import inforce, telling
from holdfast.policies.model import dump
from holdfast.policies.words import Action

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL, MYSQL], indirect=True)


moment = datetime.fromisoformat


def every(http: Http) -> list[tuple[str, int, str]]:
    """Path, number and status of each version there is."""
    params: dict[str, Any] = {"versions": "all", "status": ["active", "archived", "destroyed"]}
    found = http.get("/assets", params=params).json()["items"]
    numbers: dict[str, int] = {}
    listed = []
    for item in found:
        numbers[item["asset_path"]] = numbers.get(item["asset_path"], 0) + 1
        listed.append((item["asset_path"], numbers[item["asset_path"]], item["status"]))
    return listed


def test_a_policy_archives_and_then_condemns_what_is_due(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        old = upload(at.http, "old.txt", b"old", ("side.txt", b"its side"), labels='{"project": "apollo"}')
        at.move(days=29)
        new = upload(at.http, "new.txt", b"new", labels='{"project": "apollo"}')
        upload(at.http, "other.txt", b"other")
        policy = at.apply(match={"labels": {"project": "apollo"}}, archive={"afterDays": 30}, destroy={"afterDays": 10}, undoDays=3)
        assert at.sweep("archive").done.items == 0
        at.move(days=1)

        archived = at.sweep("archive")
        assert (archived.state, archived.done.items, archived.done.bytes) == ("done", 1, len(b"old") + len(b"its side"))
        assert archived.plan is not None
        assert (archived.plan.matched_items, dict(archived.plan.by)) == (2, {"default/one": 1})
        assert every(at.http) == [("text/txt/new", 1, "active"), ("text/txt/old", 1, "archived"), ("text/txt/other", 1, "active")]
        assert at.http.get(f"/filedownload/{path(old)}").status_code == 200
        assert at.sweep("destroy").done.items == 0
        at.move(days=10)

        condemned = at.sweep("destroy")
        assert condemned.done.items == 1
        assert at.http.get(f"/filedownload/{path(old)}").status_code == 410
        [found] = at.http.get("/assets", params={"status": "destroyed"}).json()["items"]
        assert (found["phase"], found["asset_path"]) == ("condemned", "text/txt/old")
        assert moment(found["purge_after"]) - moment(found["destroy_date"]) == timedelta(days=3)
        trail = at.http.get("/audit", params={"asset_path": "text/txt/old"}).json()["items"]
        assert [(row["operation"], row["username"], row["details"].get("policy")) for row in trail] == [
            ("destroy", None, policy.key),
            ("archive", None, policy.key),
            ("upload", "ada", None),
        ]
        assert trail[0]["details"]["run"] == condemned.run
        assert at.http.get(f"/filedownload/{path(new)}").status_code == 200
        assert not [one for one in verify(at.services, deep=True) if isinstance(one, Disagreement)]


def test_zero_days_are_due_at_once_and_all_of_many_are_done(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        for number in range(7):
            upload(at.http, f"f{number}.txt", b"x%d" % number)
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        told: list[tuple[int, int]] = []
        outcome = at.sweep("archive", progress=lambda done, due: told.append((done, due)))
        assert (outcome.done.items, told[-1]) == (7, (7, 7))
        assert at.sweep("destroy").done.items == 7
        assert at.sweep("archive").done.items == at.sweep("destroy").done.items == 0


def test_an_assets_own_ttl_wins_unless_the_policy_comes_first(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http, "own.txt", b"own", archive_ttl="20", destroy_ttl="1")
        upload(at.http, "none.txt", b"none")
        at.apply(archive={"afterDays": 10})
        at.apply("two", archive={"afterDays": 10}, precedence="PolicyFirst", match={"paths": ["text/txt/nothing"]})
        at.move(days=11)
        outcome = at.sweep("archive")
        assert outcome.plan is not None
        assert (outcome.done.items, dict(outcome.plan.excluded)) == (1, {"ownTtl": 1})
        at.apply(archive={"afterDays": 10}, precedence="PolicyFirst")
        assert at.sweep("archive").done.items == 1
        [own, _] = at.http.get("/assets", params={"status": "archived", "prefix": "text/txt/"}).json()["items"][::-1]
        assert own["asset_path"] == "text/txt/own"
        assert own["archive_date"] > own["upload_date"]


def test_what_its_own_ttl_archives_keeps_the_dates_that_it_promised(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        promised = upload(at.http, "own.txt", b"own", archive_ttl="20", destroy_ttl="5")
        at.apply(archive={"afterDays": 100}, destroy={"afterDays": 500})
        at.move(days=23)
        outcome = at.sweep("archive")
        assert outcome.plan is not None
        assert dict(outcome.plan.by) == {"ttl": 1}
        [kept] = at.http.get("/assets", params={"status": "archived"}).json()["items"]
        assert (kept["archive_date"], kept["destroy_date"]) == (promised["archive_date"], promised["destroy_date"])
        at.move(days=2)
        assert at.sweep("destroy").done.items == 1


def test_the_newest_ones_are_left_and_superseded_ones_go(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        for number in range(4):
            upload(at.http, "many.txt", b"version %d" % number)
        at.apply(archive={"afterDays": 0}, match={"versions": "Superseded"})
        assert at.sweep("archive").done.items == 3
        assert [status for *_, status in every(at.http)] == ["archived", "archived", "archived", "active"]
        newest = at.http.get("/assets", params={"status": ["active", "archived"]}).json()["items"]
        assert len(newest) == 2, "each status has its newest one"
        at.apply(destroy={"afterDays": 0}, keepLast=2)
        outcome = at.sweep("destroy")
        assert outcome.plan is not None
        assert (outcome.done.items, dict(outcome.plan.excluded)) == (2, {"keepLast": 1})
        assert [status for *_, status in every(at.http)] == ["destroyed", "destroyed", "archived", "active"]


def test_a_held_version_is_not_condemned(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http, "held.txt", b"held")
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        at.sweep("archive")
        at.services.database.write(lambda connection: connection.execute(versions.update().values(held=1)))
        outcome = at.sweep("destroy")
        assert outcome.plan is not None
        assert (outcome.done.items, dict(outcome.plan.excluded)) == (0, {"held": 1})


def test_a_preview_says_what_a_run_of_that_instant_would_do_and_why(stack: Stack) -> None:
    ada, grace = stack.user("ada"), stack.user("grace")
    with governed(stack, ada) as at:
        upload(at.http, "due.txt", b"due")
        upload(at.http, "own.txt", b"own", archive_ttl="20")
        at.move(days=1)
        upload(at.http, "later.txt", b"later")
        now = at.clock()
        policy = at.apply(
            mode="Preview", workspaces={"names": ["ada_space"]}, archive={"afterDays": 10}, guard={"maxItems": 1, "maxPercent": 100}
        )

        def preview(days: float) -> dict[str, Any]:
            as_of = now + timedelta(days=days)
            reply = at.http.post("/policies/preview", json=dump(policy), params={"as_of": as_of.isoformat()})
            [plan] = reply.json()["plans"]
            swept = at.sweep("archive", as_of=as_of)
            assert swept.plan is not None
            assert (swept.state, swept.plan.digest, swept.plan.as_of) == ("preview", plan["digest"], moment(plan["as_of"]))
            found: dict[str, Any] = plan
            return found

        soon = preview(9.5)
        assert (soon["matched"], soon["due"]) == ({"items": 3, "bytes": 11}, {"items": 1, "bytes": 3})
        assert (soon["reasons"], soon["excluded"], soon["guard"]) == ({policy.key: 1}, {"ownTtl": 1}, None)
        [shown] = soon["sample"]
        assert (shown["workspace"], shown["asset_path"], shown["by"]) == ("ada_space", "text/txt/due", policy.key)
        late = preview(19.5)
        assert (late["due"], late["reasons"]) == ({"items": 3, "bytes": 11}, {policy.key: 2, "ttl": 1})
        assert late["guard"] == {"limit": "maxItems", "allowed": 1, "items": 3, "matched": 3}
        assert late["digest"] != soon["digest"]
        assert {status for *_, status in every(at.http)} == {"active"}, "nothing is done"
        with stack.client(grace) as others:
            assert others.post("/policies/preview", json=dump(policy)).status_code == 403


def test_the_guard_stops_a_run_whole_until_its_plan_is_approved(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        for number in range(3):
            upload(at.http, f"f{number}.txt", b"x%d" % number)
        spec: dict[str, Any] = {"archive": {"afterDays": 0}, "guard": {"maxItems": 2, "maxPercent": 100}}
        at.apply(**spec)
        stopped = at.sweep("archive")
        assert (stopped.state, stopped.done.items) == ("guarded", 0)
        assert stopped.guard == {"limit": "maxItems", "allowed": 2, "items": 3, "matched": 3}
        assert {status for *_, status in every(at.http)} == {"active"}
        assert stopped.plan is not None
        at.apply(**spec, annotations={"holdfast.dev/approve-plan": f"0123, {stopped.plan.digest}"})
        at.move(hours=5)
        upload(at.http, "late.txt", b"late")
        assert (at.sweep("archive").state, len(every(at.http))) == ("done", 4)
        assert [status for *_, status in every(at.http)] == ["archived"] * 3 + ["active"]
        again = at.sweep("archive")
        assert (again.state, again.done.items) == ("done", 1), "an approval counts once, and what is left is within the guard"


def test_an_approval_of_a_plan_that_is_another_by_then_does_nothing(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        uploads = [upload(at.http, f"f{number}.txt", b"x%d" % number) for number in range(3)]
        at.apply(archive={"afterDays": 0}, guard={"maxItems": 1})
        stopped = at.sweep("archive")
        assert stopped.plan is not None
        assert at.http.post(f"/filearchive/{path(uploads[0])}").status_code == 200
        assert at.sweep("archive", approve=[stopped.plan.digest]).state == "changed"
        assert [status for *_, status in every(at.http)] == ["archived", "active", "active"]
        assert at.sweep("archive", approve=[stopped.plan.digest]).state == "guarded", "and it is planned anew"


def interrupted(at: Governed, **spec: Any) -> str:
    """A plan of five versions that was approved, and of which two are done. Its digest."""
    for number in range(5):
        upload(at.http, f"f{number}.txt", b"x%d" % number, labels='{"go": "yes"}')
    upload(at.http, "other.txt", b"other", labels='{"go": "no"}')
    at.apply(archive={"afterDays": 0}, guard={"maxItems": 1}, match={"labels": {"go": "yes"}}, **spec)
    guarded = at.sweep("archive")
    assert guarded.plan is not None
    digest, seen = guarded.plan.digest, list[int]()
    stopped = at.sweep("archive", approve=[digest], progress=lambda done, _due: seen.append(done), stop=lambda: bool(seen))
    assert (guarded.state, stopped.state, stopped.done.items) == ("guarded", "stopped", 2)
    return digest


def test_an_approved_run_that_was_interrupted_goes_on_without_another_approval(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.lifecycle.sweeping.BATCH", 2)
    with governed(stack, stack.user("ada")) as at:
        digest = interrupted(at)
        at.move(hours=5)
        upload(at.http, "late.txt", b"late", labels='{"go": "yes"}')
        outcome = at.sweep("archive", approve=[digest])
        assert (outcome.state, outcome.done.items) == ("done", 3)
        with at.services.database.read() as connection:
            kept = connection.execute(select(runs.c.state, runs.c.trigger, runs.c.item_count).order_by(runs.c.id)).all()
        assert list(kept) == [("approved", "manual", 0), ("stopped", "approval", 2), ("done", "approval", 3)]
        upload(at.http, "later.txt", b"later", labels='{"go": "yes"}')
        assert at.sweep("archive", approve=[digest]).state == "guarded", "an approval counts once"


def test_the_rest_of_an_approved_plan_is_not_more_than_was_approved(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.lifecycle.sweeping.BATCH", 2)
    with governed(stack, stack.user("ada")) as at:
        digest = interrupted(at)
        [other] = at.http.get("/assets", params={"prefix": "text/txt/other"}).json()["items"]
        assert at.http.put(f"/labels/{path(other)}", json={"go": "yes"}).status_code == 200
        assert at.sweep("archive", approve=[digest]).state == "changed"
        assert [status for *_, status in every(at.http)].count("archived") == 2


def test_the_rest_of_an_approved_plan_is_of_the_same_policy(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.lifecycle.sweeping.BATCH", 2)
    with governed(stack, stack.user("ada")) as at:
        digest = interrupted(at)
        at.apply(archive={"afterDays": 0}, guard={"maxItems": 2}, match={"labels": {"go": "yes"}})
        assert at.sweep("archive", approve=[digest]).state == "changed"
        assert [status for *_, status in every(at.http)].count("archived") == 2


def test_an_approved_run_that_fails_is_not_tried_again_and_again(stack: Stack) -> None:
    def broken() -> None:
        raise ValueError("a fault")

    with governed(stack, stack.user("ada")) as at:
        for number in range(2):
            upload(at.http, f"f{number}.txt", b"x%d" % number)
        at.apply(archive={"afterDays": 0}, guard={"maxItems": 1})
        guarded = at.sweep("archive")
        assert guarded.plan is not None
        failpoints.arm("sweep.batch.before", broken)
        try:
            with pytest.raises(ValueError, match="a fault"):
                at.sweep("archive", approve=[guarded.plan.digest])
        finally:
            failpoints.disarm()
        with at.services.database.read() as connection:
            kept = connection.execute(select(runs.c.state, runs.c.error).order_by(runs.c.id)).all()
        assert list(kept) == [("approved", None), ("failed", "ValueError: a fault")]
        assert at.sweep("archive", approve=[guarded.plan.digest]).state == "guarded"


def test_a_run_can_be_bound_to_a_plan(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0}, mode="Preview")
        shown = at.sweep("archive")
        assert (shown.state, shown.run) == ("preview", None)
        assert shown.plan is not None
        at.apply(archive={"afterDays": 0})
        assert at.sweep("archive", digest="0" * 64, as_of=shown.plan.as_of).state == "changed"
        assert at.sweep("archive", digest=shown.plan.digest).state == "changed", "it was planned for another instant"
        assert at.sweep("archive", digest=shown.plan.digest, as_of=shown.plan.as_of).done.items == 1


def test_a_run_says_which_of_its_workspaces_are_not_there(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        names = [f"nobody{number}_space" for number in range(7)]
        for mode, named in (
            ("Preview", ["ada_space", "nobody_space"]),
            ("Enforce", ["ada_space", "nobody_space"]),
            ("Preview", names),
        ):
            policy = at.apply(archive={"afterDays": 0}, workspaces={"names": named}, mode=mode)
            said = report(at.sweep("archive"), policy.key, Action.ARCHIVE)
            expected = ["nobody_space"] if named is not names else names[:5]
            assert said.reasons == [f"There is no workspace {name}." for name in expected]
        guarded = at.apply(archive={"afterDays": 0}, workspaces={"names": ["ada_space", "nobody_space"]}, guard={"maxItems": 0})
        upload(at.http, "another.txt", b"another")
        said = report(at.sweep("archive"), guarded.key, Action.ARCHIVE)
        assert said.reasons == ["1 of 2 versions, and maxItems is 0.", "There is no workspace nobody_space."]


def test_an_instant_to_come_is_for_previews(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 10})
        later = at.clock() + timedelta(days=11)
        for asked in ({}, {"digest": "0" * 64}, {"approve": ["0" * 64]}):
            with pytest.raises(Invalid, match="previewed only"):
                at.sweep("archive", as_of=later, **asked)
        shown = at.sweep("archive", as_of=later, preview=True)
        assert (shown.state, shown.plan and shown.plan.due_items) == ("preview", 1)
        assert [status for *_, status in every(at.http)] == ["active"]
        with at.services.database.read() as connection:
            assert connection.execute(select(runs)).all() == []


def test_policies_that_disagree_are_told_and_the_later_date_wins(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 1})
        at.apply("slow", archive={"afterDays": 10})
        at.apply("preview", archive={"afterDays": 100}, mode="Preview")
        at.move(days=2)
        outcome = at.sweep("archive")
        assert outcome.plan is not None
        assert (outcome.done.items, dict(outcome.plan.conflicts)) == (0, {"default/slow": 1})
        at.move(days=8)
        assert at.sweep("archive", "slow").done.items == 1


def test_a_run_stops_between_batches_when_it_is_asked_to_and_when_its_policy_changes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.lifecycle.sweeping.BATCH", 2)
    with governed(stack, stack.user("ada")) as at:
        for number in range(7):
            upload(at.http, f"f{number}.txt", b"x%d" % number)
        at.apply(archive={"afterDays": 0})
        seen: list[int] = []
        outcome = at.sweep("archive", progress=lambda done, _due: seen.append(done), stop=lambda: len(seen) == 1)
        assert (outcome.state, outcome.done.items) == ("stopped", 2)
        outcome = at.sweep("archive", progress=lambda _done, _due: at.apply(archive={"afterDays": 0}, suspend=True))
        assert (outcome.state, outcome.done.items) == ("stopped", 2)
        assert at.sweep("archive").state == "suspended"
        at.apply(archive={"afterDays": 0})
        assert at.sweep("archive").done.items == 3
        with at.services.database.read() as connection:
            kept = [tuple(row) for row in connection.execute(select(runs.c.state, runs.c.item_count).order_by(runs.c.id))]
        assert kept == [("stopped", 2), ("stopped", 2), ("done", 3)]


def test_a_policy_that_changes_while_it_is_told_is_read_again(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at, ThreadPoolExecutor(1) as pool:
        upload(at.http)
        at.apply(archive={"afterDays": 0})
        with stack.database.engine.begin() as connection:
            key = {"namespace": "default", "name": "one", "generation": 1, "enforcing": False, "resource": {"spec": {}}}
            connection.execute(insert(policies).values(**key, changed_at=at.clock()))
            sweeping = pool.submit(at.sweep, "archive")  # has read the folder, and waits for the row
            wait([sweeping], 1)
            at.apply(archive={"afterDays": 0}, suspend=True)
        assert sweeping.result().state == "suspended"
        with at.services.database.read() as reading:
            assert reading.scalars(select(policies.c.enforcing)).all() == [False]


def test_two_runs_of_one_policy_do_not_overlap(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        upload(at.http)
        at.apply(archive={"afterDays": 0})

        def another(_done: int, _due: int) -> None:
            with pytest.raises(Conflict) as refused:
                at.sweep("archive")
            assert refused.value.slug == "run-under-way"

        assert at.sweep("archive", progress=another).done.items == 1


def test_what_cannot_be_run_is_said(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        with pytest.raises(NotFound):
            at.sweep("archive")
        policy = at.apply(archive={"afterDays": 0})
        with pytest.raises(Invalid, match="has no destroy"):
            at.sweep("destroy")
        (at.services.settings.policies_folder / "default.broken.yaml").write_text("spec: {")
        with pytest.raises(Invalid, match=r"default\.broken\.yaml"):
            at.sweep("archive", policy.metadata.name)


def test_own_ttls_that_no_policy_is_about_are_carried_out_in_the_background(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        promised = upload(at.http, "own.txt", b"own", archive_ttl="3", destroy_ttl="4")
        upload(at.http, "governed.md", b"# governed", archive_ttl="3")
        upload(at.http, "none.txt", b"none")
        at.apply(archive={"afterDays": 1}, match={"mediaTypes": ["text/markdown"]})
        assert at.sweep("archive").done.items == 0
        settle(at.services)
        assert {status for *_, status in every(at.http)} == {"active"}
        at.move(days=3)
        settle(at.services)
        assert [status for *_, status in every(at.http)] == ["active", "active", "archived"]
        [own] = at.http.get("/assets", params={"status": "archived"}).json()["items"]
        assert (own["archive_date"], own["destroy_date"]) == (promised["archive_date"], promised["destroy_date"])
        assert at.sweep("archive").done.items == 1
        at.move(days=4)
        settle(at.services)
        [gone] = at.http.get("/assets", params={"status": "destroyed"}).json()["items"]
        assert (gone["asset_path"], gone["phase"]) == ("text/txt/own", "condemned")
        with at.services.database.read() as connection:
            told = [tuple(row) for row in connection.execute(select(runs.c.policy, runs.c.action, runs.c.item_count))]
        assert sorted(told, key=str) == [
            ("default/one", "archive", 0),
            ("default/one", "archive", 1),
            (None, "archive", 1),
            (None, "destroy", 1),
        ]


def test_an_asset_says_when_it_ends_and_by_what(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.policies.inforce.FRESH_SECONDS", 0)
    with governed(stack, stack.user("ada")) as at:
        upload(at.http, "many.txt", b"first")
        many = upload(at.http, "many.txt", b"second")
        upload(at.http, "own.txt", b"own", archive_ttl="1", destroy_ttl="1")
        upload(at.http, "never.md", b"# never")
        at.apply(match={"mediaTypes": ["text/plain"]}, archive={"afterDays": 10}, destroy={"afterDays": 20}, keepLast=1)
        at.sweep("archive")
        ends = {
            (item["asset_path"], item["version_id"]): item["expires"]
            for item in at.http.get("/assets?versions=all").json()["items"]
        }
        assert [one and one["by"] for one in ends.values()] == [None, "default/one", None, "ttl"]
        assert ends["text/txt/many", many["version_id"]] is None, "the newest one is kept"
        [first] = [one for (path, _), one in ends.items() if path == "text/txt/many" and one]
        assert (
            moment(first["at"]) - moment(many["upload_date"])
            < timedelta(days=30)
            < timedelta(seconds=60) + moment(first["at"]) - moment(many["upload_date"])
        )
        assert at.http.get(f"/filedownload/{path(many)}").json()["metadata"]["expires"] is None
        soon, later = [(at.clock() + timedelta(days=days)).isoformat() for days in (5, 31)]
        listed = [
            at.http.get("/assets", params={"versions": "all", "expiring_before": date}).json()["items"] for date in (soon, later)
        ]
        assert [[item["asset_path"] for item in items] for items in listed] == [["text/txt/own"], ["text/txt/many", "text/txt/own"]]


def test_a_whole_run_is_taken_back_but_for_what_has_changed_since(stack: Stack) -> None:
    ada = stack.user("ada")
    with governed(stack, ada) as at:
        uploads = [upload(at.http, f"f{number}.txt", b"x%d" % number) for number in range(4)]
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        archived = at.sweep("archive").run
        condemned = at.sweep("destroy").run
        assert at.http.post(f"/filerestore/{path(uploads[0])}").status_code == 200
        [shown] = at.http.get("/runs", params={"action": "destroy"}).json()["items"]
        assert (shown["id"], shown["done"], shown["state"]) == (condemned, {"items": 4, "bytes": 8}, "done")
        items = at.http.get(f"/runs/{condemned}").json()["items"]
        assert [item["undoable"] for item in items] == [False, True, True, True]

        reply = at.http.post(f"/runs/{condemned}/undo")
        assert reply.status_code == 202
        settle(at.services)
        assert {status for *_, status in every(at.http)} == {"archived"}
        assert at.http.get(f"/runs/{condemned}").json()["undone"] == 3
        assert at.http.get(f"/filedownload/{path(uploads[1])}").status_code == 200
        at.http.post(f"/runs/{condemned}/undo")
        settle(at.services)
        assert at.http.get(f"/runs/{condemned}").json()["undone"] == 3, "nothing is taken back twice"

        at.http.post(f"/runs/{archived}/undo")
        settle(at.services)
        assert {status for *_, status in every(at.http)} == {"archived"}, "their restoring has been another act since"
        trail = at.http.get("/audit", params={"operation": "restore"}).json()["items"]
        assert [(row["username"], row["details"].get("run")) for row in trail] == [("ada", condemned)] * 3 + [("ada", None)]


def test_runs_are_shown_to_whom_they_concern(stack: Stack) -> None:
    ada, grace = stack.user("ada"), stack.user("grace")
    with governed(stack, ada) as at, stack.client(grace) as others:
        upload(at.http, "mine.txt", b"mine")
        upload(others, "hers.txt", b"hers")
        upload(others, "too.txt", b"too")
        at.apply(archive={"afterDays": 0})
        run = at.sweep("archive").run
        mine, hers = at.http.get(f"/runs/{run}").json(), others.get(f"/runs/{run}").json()
        assert [item["asset_path"] for item in mine["items"]] == ["text/txt/mine"]
        assert [item["asset_path"] for item in hers["items"]] == ["text/txt/hers", "text/txt/too"]
        assert (mine["done"], hers["done"]) == ({"items": 1, "bytes": 4}, {"items": 2, "bytes": 7})
        assert not {"plan", "skipped", "error", "guard"} & {name for name, value in mine.items() if value is not None}
        assert others.post(f"/runs/{run}/undo").status_code == 202
        settle(at.services)
        assert [status for *_, status in every(at.http)] == ["archived"], "each admin takes back what is his"
        assert [status for *_, status in every(others)] == ["active", "active"]


def test_a_platform_admin_is_shown_each_item_once_however_long_the_pages_are(stack: Stack) -> None:
    ada, grace, root = stack.user("ada"), stack.user("grace"), platform_admin(stack, "root")
    with governed(stack, ada) as at, stack.client(grace) as others, stack.client(root) as admin:
        upload(others, "first.txt", b"first")  # rows of both workspaces alternate
        upload(at.http, "second.txt", b"second")
        upload(others, "third.txt", b"third")
        upload(at.http, "fourth.txt", b"fourth")
        at.apply(archive={"afterDays": 0})
        run = at.sweep("archive").run

        def items(http: Http, **params: Any) -> list[tuple[str, str]]:
            page = http.get(f"/runs/{run}", params=params).json()
            found = [(item["workspace"], item["asset_path"]) for item in page["items"]]
            cursor = page["next_cursor"]
            return found + (items(http, **{**params, "cursor": cursor}) if cursor else [])

        of_ada = [("ada_space", "text/txt/second"), ("ada_space", "text/txt/fourth")]
        of_grace = [("grace_space", "text/txt/first"), ("grace_space", "text/txt/third")]
        for limit in (1, 2, 3, 4):
            assert items(admin, limit=limit) == of_ada + of_grace
            assert (items(at.http, limit=limit), items(others, limit=limit)) == (of_ada, of_grace)


def test_own_ttls_are_left_to_a_policy_that_is_told_meanwhile(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.lifecycle.own.BATCH", 2)
    with governed(stack, stack.user("ada")) as at:
        for number in range(5):
            upload(at.http, f"f{number}.txt", b"x%d" % number, archive_ttl="1")
        at.move(days=2)
        keep = at.apply(archive={"afterDays": 100}, precedence="PolicyFirst")
        failpoints.arm("sweep.batch.after", lambda: telling.remember(at.services.database, [keep], at.clock()))
        try:
            assert sweep_own(at.services).items == 2
        finally:
            failpoints.disarm()
        assert [status for *_, status in every(at.http)].count("active") == 3


def test_a_policy_that_is_removed_and_made_again_is_another_one(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        known, told = inforce.Known(), list[int]()
        for days in (10, 20):
            telling.remember(at.services.database, [at.apply(archive={"afterDays": days})], at.clock())
            with at.services.database.read() as connection:
                [rule] = known.look(connection)
            assert rule.policy.spec.archive is not None
            told.append(rule.policy.spec.archive.after_days)
            telling.remember(at.services.database, [], at.clock())
        assert told == [10, 20]


def test_what_is_not_what_was_stored_any_more_is_not_condemned(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        spoilt, sound = upload(at.http, "spoilt.txt", b"spoilt"), upload(at.http, "sound.txt", b"sound")
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        at.sweep("archive")
        [key] = keys(stack, spoilt)
        at.services.objects.delete(key)
        outcome = at.sweep("destroy")
        assert (outcome.done.items, dict(outcome.done.skipped)) == (1, {"notVerified": 1})
        assert [(item["asset_path"]) for item in at.http.get("/assets?status=destroyed").json()["items"]] == [sound["asset_path"]]


def test_a_version_whose_own_end_is_over_is_not_made_readable_by_archiving_it(stack: Stack) -> None:
    with governed(stack, stack.user("ada")) as at:
        over = upload(at.http, "over.txt", b"over", archive_ttl="1", destroy_ttl="1")
        at.apply(archive={"afterDays": 5}, precedence="PolicyFirst")
        at.move(days=5)
        assert at.http.get(f"/filedownload/{path(over)}").status_code == 410
        assert at.sweep("archive").done.items == 1
        assert at.http.get(f"/filedownload/{path(over)}").status_code == 410
