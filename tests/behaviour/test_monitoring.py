"""How an installation stands, as its worker reads it: what waits is counted with its age, and nothing else is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, update
from tests.behaviour.erased import NOW, condemned, row
from tests.behaviour.moments import upload
from tests.stacks import SQL, SQLITE, Stack

from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.jobs import queue
from holdfast.lifecycle.purging import purge
from holdfast.monitoring import metrics, reading
from holdfast.monitoring.reading import ERASURES, INTENTS, LastRun, Waiting, read

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
HOUR = 3600
YESTERDAY = datetime(2026, 11, 25, 1, tzinfo=UTC)


def write(stack: Stack, *statements: Any) -> None:
    def act(connection: Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    stack.database.write(act)


def run(policy: str | None, state: str, finished: datetime | None, **other: Any) -> dict[str, Any]:
    fixed: dict[str, Any] = {"policy": policy, "action": "archive", "trigger": "schedule", "as_of": YESTERDAY, "skipped": {}}
    return {**fixed, "state": state, "started_at": YESTERDAY, "finished_at": finished, **other}


@BOTH
def test_nothing_waits_in_an_installation_that_is_idle(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http, "kept.txt", b"kept")
    standing = read(stack.services())
    assert (standing.jobs, standing.due) == ({}, {})
    assert standing.intents == dict.fromkeys(INTENTS, Waiting())
    assert standing.erasures == dict.fromkeys(ERASURES, Waiting())
    assert standing.groups == standing.overdue == Waiting()
    assert (standing.workspaces, standing.stored_bytes, standing.stored_versions) == (1, 4, 1)
    assert standing.purge_ended is None
    assert standing.runs == []


@BOTH
def test_jobs_are_counted_by_kind_and_state_and_only_a_due_one_gets_old(stack: Stack) -> None:
    def add(connection: Connection) -> None:
        for kind, delay in (("early", 0), ("early", 0), ("early", HOUR), ("late", HOUR), ("dead", 0)):
            queue.enqueue(connection, kind, {}, delay=delay)

    stack.database.write(add)
    j = t.jobs.c
    with stack.database.read() as connection:
        first = connection.scalars(select(j.id).where(j.kind == "early").order_by(j.id)).first()
    write(
        stack,
        update(t.jobs).where(j.kind == "dead").values(state="dead"),
        update(t.jobs).where(j.id == first).values(run_after=db_later(-HOUR)),
    )
    standing = read(stack.services())
    assert standing.jobs == {("early", "pending"): 3, ("late", "pending"): 1, ("dead", "dead"): 1}
    assert standing.due["early"].count == 2
    assert standing.due["early"].seconds >= HOUR
    assert standing.due["late"] == Waiting(0, 0.0)


@BOTH
def test_no_count_reads_more_rows_than_it_may(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.database.write(lambda connection: queue.enqueue_many(connection, "a", [{}] * 5))
    monkeypatch.setattr(reading, "MOST", 3)
    assert read(stack.services()).jobs == {("a", "pending"): 3}


@BOTH
def test_an_upload_that_is_stored_and_not_committed_gets_old(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        one, two, _ = (upload(http, name, name.encode()) for name in ("one.txt", "two.txt", "three.txt"))
    i = t.intents.c
    write(
        stack,
        update(t.intents).where(i.asset_path == one["asset_path"]).values(state="stored", heartbeat_at=db_later(-HOUR)),
        update(t.intents).where(i.asset_path == two["asset_path"]).values(state="stored", heartbeat_at=db_later(-60)),
        update(t.commit_groups).values(state="open", created_at=db_later(-2 * HOUR)),
    )
    standing = read(stack.services())
    assert standing.intents["stored"].count == 2
    assert HOUR <= standing.intents["stored"].seconds < 2 * HOUR
    assert standing.intents["open"] == standing.intents["grouped"] == Waiting()
    assert standing.groups.count == 3
    assert standing.groups.seconds >= 2 * HOUR


@BOTH
def test_what_a_purge_should_have_begun_with_is_overdue_unless_it_is_held(stack: Stack) -> None:
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        doomed, held = condemned(http, "doomed.txt"), condemned(http, "held.txt")
    v = t.versions.c
    past = {"purge_after": services.clock() - timedelta(hours=3)}
    write(
        stack,
        update(t.versions).where(v.id == row(stack, doomed).id).values(past),
        update(t.versions).where(v.id == row(stack, held).id).values(**past, held=1),
    )
    overdue = read(services).overdue
    assert overdue.count == 1
    assert overdue.seconds >= 3 * HOUR
    assert purge(services).erased == 1
    standing = read(services)
    assert standing.overdue == standing.erasures["pending"] == standing.erasures["gone"] == Waiting()
    assert standing.purge_ended is not None


@BOTH
def test_an_object_that_does_not_go_gets_old(stack: Stack) -> None:
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        condemned(http)
    purge(services)
    write(stack, update(t.erasures).values(state="gone", requested_at=services.clock() - timedelta(days=2)))
    gone = read(services).erasures["gone"]
    assert gone.count == 1
    assert gone.seconds >= 48 * HOUR


@BOTH
def test_the_last_run_of_each_policy_that_is_there_is_told_with_its_last_success(stack: Stack) -> None:
    known = {"namespace": "ns", "generation": 1, "resource": {}, "enforcing": True, "changed_at": YESTERDAY}
    later = YESTERDAY + timedelta(hours=1)
    rows = [
        run("ns/well", "failed", YESTERDAY),
        run("ns/well", "done", later),
        run("ns/failing", "done", YESTERDAY),
        run("ns/failing", "failed", later, error="x"),
        run("ns/never", "guarded", later),
        run("ns/gone", "failed", later),
        run(None, "running", None, action="destroy"),
    ]
    write(stack, *(insert(t.policies).values(**known, name=name) for name in ("well", "failing", "never")))
    write(stack, *(insert(t.runs).values(one) for one in rows))
    assert read(stack.services()).runs == [
        LastRun("", "destroy", "running", YESTERDAY, None),
        LastRun("ns/failing", "archive", "failed", later, YESTERDAY),
        LastRun("ns/never", "archive", "guarded", later, None),
        LastRun("ns/well", "archive", "done", later, later),
    ]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_every_statement_finds_its_rows_by_an_index(stack: Stack) -> None:
    """Workspaces and policies are read whole: there are few."""
    services = stack.services()
    write(stack, insert(t.runs).values(run(None, "failed", YESTERDAY)))
    asked: list[tuple[str, Any]] = []
    with services.database.read() as connection:
        reader = connection.engine
    event.listen(reader, "before_cursor_execute", lambda _c, _u, sql, values, *_: asked.append((sql, values)))
    read(services)
    selects = [(sql, values) for sql, values in asked if "FROM" in sql]
    assert len(selects) > 10
    with services.database.engine.connect() as connection:
        plans = [
            str(step[3])
            for sql, values in selects
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
        ]
    scans = {plan for plan in plans if re.match(r"SCAN (?!anon|\()", plan) and "USING COVERING INDEX" not in plan}
    assert scans <= {"SCAN workspaces", "SCAN policies"}


@BOTH
def test_what_cannot_be_seen_is_not_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = metrics.StandingMetrics()
    monkeypatch.setattr(metrics, "STANDING", seen)
    services = stack.services()
    metrics.observe(services)
    names = {family.name for family in seen.collect()}
    assert {"holdfast_jobs", "holdfast_observation_timestamp_seconds"} <= names

    def away(_services: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(metrics, "read", away)
    with pytest.raises(OSError, match="away"):
        metrics.observe(services)
    assert {family.name for family in seen.collect()} == {"holdfast_dependency_up"}
