"""What is kept for a while only is gone afterwards, and nothing else is."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select, update

from holdfast.assets import upkeep as assets_upkeep
from holdfast.database.tables import commit_groups, files, intents, jobs, versions
from holdfast.database.types import db_later, db_now
from holdfast.jobs import queue
from holdfast.jobs import upkeep as jobs_upkeep
from tests.stacks import Stack

pytestmark = pytest.mark.parametrize("stack", ["sqlite+folder+sql", "mariadb+seaweedfs+sql"], indirect=True)


def count(stack: Stack, table: object) -> int:
    with stack.own.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def test_an_upload_leaves_its_version_and_in_time_nothing_else(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        for name in ("a.txt", "b.txt"):
            assert http.post("/fileupload", files={"primary_file": (name, b"hello")}).status_code == 200
    assert assets_upkeep.clean(stack.own) == 0

    first = stack.own.database.write(
        lambda c: (
            c.execute(
                update(intents).where(intents.c.primary_filename == "a.txt").values(heartbeat_at=db_later(-assets_upkeep.KEPT - 1))
            ).rowcount
        )
    )
    groups = stack.own.database.write(
        lambda c: c.execute(update(commit_groups).values(created_at=db_later(-assets_upkeep.KEPT - 1))).rowcount
    )

    assert assets_upkeep.clean(stack.own) == first + groups == 1 + groups
    assert (count(stack, intents), count(stack, commit_groups)) == (1, 0)
    assert (count(stack, versions), count(stack, files)) == (2, 2)


def test_jobs_that_are_done_are_forgotten_after_a_week_and_dead_ones_are_not(stack: Stack) -> None:
    def add(state: str, seconds: int) -> None:
        row = {"kind": "x", "payload": {}, "state": state, "run_after": db_now(), "created_at": db_now()}
        stack.own.database.write(lambda c: c.execute(insert(jobs).values(**row, finished_at=db_later(seconds))))

    for state, seconds in (("done", -jobs_upkeep.KEPT - 1), ("done", -10), ("dead", -jobs_upkeep.KEPT - 1)):
        add(state, seconds)
    stack.own.database.write(lambda c: queue.enqueue(c, "x", {}))

    assert jobs_upkeep.clean(stack.own) == 1
    assert count(stack, jobs) == 3
