"""The worker runs what the queue holds, keeps its lease meanwhile, and stops without leaving anything half done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select, update
from tests.databases import KINDS, emptied, fresh_url, with_tables

from holdfast.database.engine import Database
from holdfast.database.tables import jobs
from holdfast.database.types import db_now
from holdfast.jobs import queue
from holdfast.jobs.queue import Job
from holdfast.jobs.worker import Handler, Worker
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.storage.objects.port import StoreUnavailable

PATIENCE = 60


@pytest.fixture(scope="module", params=KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[str]:
    url = fresh_url(request, request.param)
    with with_tables(url):
        yield url


@pytest.fixture
def services(tables: str) -> Iterator[Services]:
    services = Services(Settings(database_url=tables))
    emptied(services.database, jobs)
    yield services
    services.close()


@pytest.fixture
def make(services: Services) -> Iterator[Callable[..., Worker]]:
    """Workers that are stopped at the end, if a test did not."""
    made: list[Worker] = []

    def start(handlers: dict[str, Handler], **how: Any) -> Worker:
        worker = Worker(services, handlers, **{"first_wait": 0.02, "longest_wait": 0.1} | how)
        worker.start()
        made.append(worker)
        return worker

    yield start
    for worker in made:
        worker.stop()


def add(database: Database, kind: str = "a", **how: Any) -> int:
    return database.write(lambda connection: queue.enqueue(connection, kind, how.pop("payload", {}), **how))


def row(database: Database, job_id: int) -> Any:
    with database.read() as connection:
        return connection.execute(select(jobs, db_now().label("now")).where(jobs.c.id == job_id)).one()


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE * 20):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come to that")


def test_it_runs_each_job_with_its_handler(services: Services, make: Callable[..., Worker]) -> None:
    seen: list[tuple[str, Any]] = []
    numbers = [add(services.database, kind, payload={"n": n}) for n, kind in enumerate("aabb")]

    make(
        {"a": lambda _, job: seen.append(("a", job.payload["n"])), "b": lambda _, job: seen.append(("b", job.payload["n"]))},
        threads=3,
    )

    until(lambda: all(row(services.database, number).state == "done" for number in numbers))
    assert sorted(seen) == [("a", 0), ("a", 1), ("b", 2), ("b", 3)]


def test_a_handler_gets_the_services(services: Services) -> None:
    add(services.database)
    got: list[object] = []
    assert Worker(services, {"a": lambda given, _: got.append(given)}).run_one() is True
    assert got == [services]


def test_run_one_says_when_there_is_nothing_to_do(services: Services) -> None:
    worker = Worker(services, {"a": lambda *_: None})
    assert worker.run_one() is False
    add(services.database, "b")
    assert worker.run_one() is False


def test_a_job_of_its_own_process_wakes_it_at_once(services: Services, make: Callable[..., Worker]) -> None:
    ran = threading.Event()
    make({"a": lambda *_: ran.set()}, first_wait=3600, longest_wait=3600)
    for _ in range(3):
        ran.clear()
        add(services.database)
        assert ran.wait(PATIENCE)
    ran.clear()
    services.database.write(lambda connection: queue.enqueue_many(connection, "a", [{}]))
    assert ran.wait(PATIENCE)


def test_what_another_process_added_it_finds_by_looking(tables: str, make: Callable[..., Worker]) -> None:
    ran = threading.Event()
    make({"a": lambda *_: ran.set()})
    elsewhere = Database(tables)
    add(elsewhere)
    elsewhere.close()
    assert ran.wait(PATIENCE)


def test_it_keeps_its_lease_while_a_handler_runs(services: Services, make: Callable[..., Worker]) -> None:
    number = add(services.database)
    running, go_on = threading.Event(), threading.Event()

    def slow(_: Services, job: Job) -> None:
        running.set()
        go_on.wait(PATIENCE)

    make({"a": slow}, lease_seconds=2)
    assert running.wait(PATIENCE)
    first = row(services.database, number)
    until(lambda: row(services.database, number).now > first.lease_until)
    assert queue.claim(services.database, ["a"], 60) is None, "it would have run out without a heartbeat"
    go_on.set()
    until(lambda: row(services.database, number).state == "done")
    assert row(services.database, number).attempts == 1


def test_stopping_lets_a_running_handler_finish_and_claims_no_more(services: Services, make: Callable[..., Worker]) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(_: Services, job: Job) -> None:
        running.set()
        go_on.wait(PATIENCE)

    first = add(services.database)
    worker = make({"a": slow}, threads=1)
    assert running.wait(PATIENCE)
    second = add(services.database)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    assert stopping.is_alive()
    go_on.set()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert [row(services.database, number).state for number in (first, second)] == ["done", "pending"]


def test_what_a_handler_raises_is_kept_and_the_next_job_runs(services: Services, make: Callable[..., Worker]) -> None:
    def bad(_: Services, job: Job) -> None:
        raise LookupError("no such thing")

    number, other = add(services.database), add(services.database, "b")
    make({"a": bad, "b": lambda *_: None}, threads=1)
    until(lambda: row(services.database, other).state == "done")
    failed = row(services.database, number)
    assert (failed.state, failed.attempts, failed.error) == ("pending", 1, "LookupError: no such thing")
    assert failed.run_after > failed.now


def test_a_store_that_is_away_is_no_failed_attempt(services: Services) -> None:
    def away(_: Services, job: Job) -> None:
        raise StoreUnavailable

    number = add(services.database)
    assert Worker(services, {"a": away}).run_one()
    postponed = row(services.database, number)
    assert (postponed.state, postponed.attempts) == ("pending", 0)
    assert "StoreUnavailable" in postponed.error
    assert postponed.run_after > postponed.now


def test_a_worker_that_lost_its_lease_changes_nothing(services: Services) -> None:
    number = add(services.database)
    taken: list[Job | None] = []

    def slow(_: Services, job: Job) -> None:
        services.database.write(lambda c: c.execute(update(jobs).where(jobs.c.id == job.id).values(lease_until=db_now())))
        taken.append(queue.claim(services.database, ["a"], 60))

    assert Worker(services, {"a": slow}).run_one()
    [other] = taken
    assert other is not None
    assert (row(services.database, number).state, row(services.database, number).claim) == ("running", other.claim)


def test_it_goes_on_when_the_queue_comes_back(services: Services, make: Callable[..., Worker]) -> None:
    ran = threading.Event()
    rename = "ALTER TABLE jobs RENAME TO jobs_elsewhere", "ALTER TABLE jobs_elsewhere RENAME TO jobs"
    services.database.write(lambda connection: connection.exec_driver_sql(rename[0]))
    worker = make({"a": lambda *_: ran.set()}, threads=1)
    try:
        threading.Event().wait(0.3)  # long enough for it to look, and not needed for the test to hold
        assert worker._threads[0].is_alive()
    finally:
        services.database.write(lambda connection: connection.exec_driver_sql(rename[1]))
    add(services.database)
    assert ran.wait(PATIENCE)


def test_it_is_alive_while_its_threads_turn_also_while_one_is_long_at_a_job(
    make: Callable[..., Worker], services: Services
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(*_: object) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    assert not Worker(services, {}).alive(), "it was not started"
    add(services.database)
    worker = make({"a": long}, threads=1, stalled_seconds=0)
    try:
        assert begun.wait(PATIENCE)
        assert worker.alive()
    finally:
        go_on.set()
    worker = make({}, threads=2)
    assert worker.alive()


def test_a_look_into_the_queue_that_does_not_end_is_a_standstill(services: Services) -> None:
    looking, go_on = threading.Event(), threading.Event()

    class Hanging:
        def listen(self, *_: object) -> None: ...

        def write(self, _act: object) -> None:
            looking.set()
            go_on.wait(PATIENCE)

    hanging = SimpleNamespace(database=Hanging())
    worker = Worker(cast(Services, hanging), {}, threads=1, stalled_seconds=0)
    worker.start()
    try:
        assert looking.wait(PATIENCE)
        until(lambda: not worker.alive())
    finally:
        go_on.set()
        worker.stop()
