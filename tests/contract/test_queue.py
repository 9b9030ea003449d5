"""The durable queue, on every database: every job is done, in its order, and by one worker at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select, select, update
from sqlalchemy.dialects import mysql
from tests.databases import KINDS, emptied, fresh_url, with_tables
from tests.servers.mariadb import MariaDB

from holdfast.database.engine import Database
from holdfast.database.tables import jobs
from holdfast.database.types import db_later, db_now
from holdfast.jobs import queue
from holdfast.jobs.queue import MAX_ATTEMPTS, Job

LEASE = 60

CLAIM_AND_SAY_SO = """
import sys, time
from holdfast.database.engine import Database
from holdfast.jobs import queue
job = queue.claim(Database(sys.argv[1]), ["a"], 1)
print(job.id, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", params=KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[Database]:
    with with_tables(fresh_url(request, request.param)) as database:
        yield database


@pytest.fixture
def database(tables: Database) -> Database:
    return emptied(tables, jobs)


def add(database: Database, kind: str = "a", **how: Any) -> int:
    return database.write(lambda connection: queue.enqueue(connection, kind, how.pop("payload", {}), **how))


def claimed(database: Database, *kinds: str) -> Job:
    job = queue.claim(database, kinds or ["a"], LEASE)
    assert job is not None
    return job


def row(database: Database, job_id: int) -> Any:
    with database.read() as connection:
        return connection.execute(select(jobs, db_now().label("now")).where(jobs.c.id == job_id)).one()


def change(database: Database, job_id: int, **values: Any) -> None:
    database.write(lambda connection: connection.execute(update(jobs).where(jobs.c.id == job_id).values(values)))


def test_a_job_keeps_what_it_was_given(database: Database) -> None:
    payload = {"path": "image/jpg/ä 🪸", "n": [1, None, True]}
    number = add(database, payload=payload, workspace_id=7, user_id=8)

    job = claimed(database)

    assert (job.id, job.kind, job.payload, job.workspace_id, job.user_id, job.attempts) == (number, "a", payload, 7, 8, 1)
    assert queue.done(database, job)
    assert (row(database, number).state, row(database, number).claim) == ("done", None)
    assert queue.claim(database, ["a"], LEASE) is None


def test_a_job_of_a_transaction_that_failed_is_never_there(database: Database) -> None:
    def act(connection: Any) -> None:
        queue.enqueue(connection, "a", {})
        queue.enqueue_many(connection, "a", [{}, {}])
        raise LookupError

    with pytest.raises(LookupError):
        database.write(act)
    assert queue.claim(database, ["a"], LEASE) is None


def test_many_at_once_are_as_many_one_by_one(database: Database) -> None:
    database.write(
        lambda connection: queue.enqueue_many(connection, "a", [{"n": n} for n in range(300)], workspace_id=7, priority=3)
    )
    one = add(database, priority=3)
    with database.read() as connection:
        rows = connection.execute(select(jobs).order_by(jobs.c.id)).all()
    assert [r.payload for r in rows] == [*({"n": n} for n in range(300)), {}]
    assert {(r.kind, r.workspace_id, r.priority, r.state, r.attempts) for r in rows[:-1]} == {("a", 7, 3, "pending", 0)}
    assert abs(rows[0].run_after - row(database, one).run_after) < timedelta(seconds=60)
    database.write(lambda connection: queue.enqueue_many(connection, "a", []))


def test_the_highest_priority_comes_first_then_the_oldest(database: Database) -> None:
    numbers = [add(database, priority=priority) for priority in (5, 0, 10, 5, 10)]
    hour_ago = add(database, priority=5, delay=-3600)
    add(database, priority=10, delay=3600)

    order = [claimed(database).id for _ in range(6)]

    assert order == [numbers[2], numbers[4], hour_ago, numbers[0], numbers[3], numbers[1]]
    assert queue.claim(database, ["a"], LEASE) is None


def test_a_job_is_not_claimed_before_its_time(database: Database) -> None:
    number = add(database, delay=3600)
    assert queue.claim(database, ["a"], LEASE) is None
    change(database, number, run_after=db_now())
    assert claimed(database).id == number


def test_a_kind_that_nobody_knows_stays_pending_and_is_in_nobodys_way(database: Database) -> None:
    unknown = add(database, "from-a-newer-release", priority=10)
    known = add(database, "a", priority=1)
    assert claimed(database, "a", "b").id == known
    assert queue.claim(database, ["a", "b"], LEASE) is None
    assert row(database, unknown).state == "pending"


def test_eight_workers_do_each_of_many_jobs_exactly_once(database: Database) -> None:
    database.write(lambda connection: queue.enqueue_many(connection, "a", [{"n": n} for n in range(200)]))
    start = threading.Barrier(8)

    def work(_: int) -> list[int]:
        mine: list[int] = []
        start.wait()
        while (job := queue.claim(database, ["a"], LEASE)) is not None:
            mine.append(job.payload["n"])
            assert queue.done(database, job)
        return mine

    with ThreadPoolExecutor(8) as threads:
        done = [n for mine in threads.map(work, range(8)) for n in mine]
    assert Counter(done) == Counter(range(200))
    with database.read() as connection:
        assert set(connection.execute(select(jobs.c.state, jobs.c.attempts))) == {("done", 1)}


def test_a_killed_workers_job_is_done_by_another(database: Database) -> None:
    number = add(database)
    url = database.url.render_as_string(hide_password=False)
    process = subprocess.Popen([sys.executable, "-c", CLAIM_AND_SAY_SO, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{number}\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    while (job := queue.claim(database, ["a"], LEASE)) is None:
        threading.Event().wait(0.05)

    assert (job.id, job.attempts) == (number, 2)
    assert queue.done(database, job)


def end_lease(database: Database, job: Job) -> None:
    change(database, job.id, lease_until=db_later(-1))


@pytest.mark.parametrize(
    "late",
    [
        queue.done,
        lambda database, job: queue.fail(database, job, "late"),
        lambda database, job: queue.postpone(database, job, "late"),
        lambda database, job: queue.heartbeat(database, job, LEASE),
    ],
    ids=["done", "fail", "postpone", "heartbeat"],
)
@pytest.mark.parametrize("since", ["claimed", "done"])
def test_what_a_late_worker_says_changes_nothing(database: Database, late: Callable[[Database, Job], bool], since: str) -> None:
    add(database)
    slow = claimed(database)
    end_lease(database, slow)
    quick = claimed(database)
    if since == "done":
        assert queue.done(database, quick)
    before = row(database, slow.id)

    assert late(database, slow) is False

    assert row(database, slow.id)[: len(jobs.c)] == before[: len(jobs.c)]


def test_a_heartbeat_keeps_the_job(database: Database) -> None:
    add(database)
    job = claimed(database)
    end_lease(database, job)
    assert queue.heartbeat(database, job, LEASE) is True
    assert queue.claim(database, ["a"], LEASE) is None
    assert row(database, job.id).lease_until > row(database, job.id).now


def test_what_failed_comes_again_later_and_later(database: Database) -> None:
    number, waits = add(database), []
    for attempt in range(1, 6):
        job = claimed(database)
        assert job.attempts == attempt
        assert queue.fail(database, job, f"error {attempt}")
        assert queue.claim(database, ["a"], LEASE) is None
        now = row(database, number)
        assert (now.state, now.error, now.claim) == ("pending", f"error {attempt}", None)
        waits.append((now.run_after - now.now) / timedelta(seconds=1))
        change(database, number, run_after=db_now())
    for attempt, wait in enumerate(waits, 1):
        assert queue.backoff(attempt, 1) - 30 <= wait <= queue.backoff(attempt, 0)


def test_what_fails_too_often_is_dead_and_keeps_its_last_error(database: Database) -> None:
    number = add(database)
    change(database, number, attempts=MAX_ATTEMPTS - 1)
    assert queue.fail(database, claimed(database), "the last " + "x" * 5000)
    dead = row(database, number)
    assert (dead.state, dead.attempts, dead.error[:9]) == ("dead", MAX_ATTEMPTS, "the last ")
    assert dead.finished_at is not None
    assert queue.claim(database, ["a"], LEASE) is None


def test_what_kills_its_workers_too_often_is_dead(database: Database) -> None:
    number = add(database)
    change(database, number, attempts=MAX_ATTEMPTS - 1)
    end_lease(database, claimed(database))
    assert queue.claim(database, ["a"], LEASE) is None
    assert row(database, number).state == "dead"
    assert row(database, number).error


def test_what_could_not_be_tried_is_never_given_up(database: Database) -> None:
    number = add(database)
    for _ in range(MAX_ATTEMPTS + 2):
        assert queue.postpone(database, claimed(database), "the store is away")
        assert queue.claim(database, ["a"], LEASE) is None
        change(database, number, run_after=db_now())
    assert claimed(database).attempts == 1


def explained(database: Database, query: Select[Any]) -> Any:
    statement = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    with database.read() as connection:
        return connection.exec_driver_sql(f"EXPLAIN {statement}").mappings().one()


def test_a_claim_reads_a_few_rows_of_a_long_queue(mariadb: MariaDB) -> None:
    with with_tables(mariadb.create_database()) as database:

        def fill(connection: Any) -> None:
            for priority in range(3):
                queue.enqueue_many(connection, "a", [{}] * 1500, priority=priority, delay=priority - 1)
            queue.enqueue_many(connection, "a", [{}] * 1500, priority=9, delay=3600)
            connection.execute(update(jobs).where(jobs.c.id % 2 == 0).values(state="done"))
            connection.execute(update(jobs).where(jobs.c.id % 11 == 0).values(state="running", lease_until=db_later(60)))

        database.write(fill)
        with database.read() as connection:
            connection.exec_driver_sql("ANALYZE TABLE jobs").all()

        some_due, none_due, expired = (
            explained(database, query) for query in (queue.due(["a", "b"], 1), queue.due(["a", "b"], 9), queue.expired())
        )
        assert some_due["key"] == none_due["key"] == "ix_jobs_state_priority_run_after"
        assert expired["key"] == "ix_jobs_state_lease_until"
        assert not any("filesort" in plan["Extra"] for plan in (some_due, none_due, expired))
        # Where nothing is due, or no lease has run out, that is seen at the first entry of the index.
        assert [(plan["type"], int(plan["rows"])) for plan in (none_due, expired)] == [("range", 1)] * 2
        assert explained(database, queue.highest())["Extra"] == "Select tables optimized away"
        assert explained(database, queue.highest(below=9))["Extra"] == "Select tables optimized away"
