"""Jobs that were given up, from the command line of the installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from holdfast.database.tables import jobs
from holdfast.jobs import queue
from holdfast.jobs.queue import MAX_ATTEMPTS
from holdfast.jobs.worker import Worker
from tests.cli.program import Program
from tests.stacks import SQLITE, Stack


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_what_was_given_up_is_listed_tried_again_and_deleted(stack: Stack, tmp_path: Path) -> None:
    variables = {"HOLDFAST_DATA": str(stack.values["data"]), "HOLDFAST_DATABASE_URL": stack.values["database_url"]}
    holdfast = Program(tmp_path, tmp_path, variables)
    assert holdfast.json("admin", "jobs", "list") == []
    first, second = (
        stack.database.write(lambda connection: queue.enqueue(connection, "a", {"n": 1}, workspace_id=7)) for _ in range(2)
    )
    stack.database.write(lambda connection: connection.execute(update(jobs).values(attempts=MAX_ATTEMPTS - 1)))
    broken = [True]

    def act(*_: object) -> None:
        if broken[0]:
            raise ValueError("the cause")

    worker = Worker(stack.own, {"a": act})
    assert [worker.run_one() for _ in range(3)] == [True, True, False]
    listed = holdfast.json("admin", "jobs", "list")
    assert [(one["id"], one["error"], one["workspace_id"], one["payload"]) for one in listed] == [
        (number, "ValueError: the cause", 7, {"n": 1}) for number in (second, first)
    ]
    assert "the cause" in holdfast("admin", "jobs", "list").stdout
    holdfast("admin", "jobs", "retry", "999", code=4)

    tried = holdfast.json("admin", "jobs", "retry", str(first))
    assert (tried["state"], tried["attempts"], tried["finished_at"]) == ("pending", 0, None)
    for decision in ("retry", "delete"):
        holdfast("admin", "jobs", decision, str(first), code=5)
    assert holdfast.json("admin", "jobs", "delete", str(second))["id"] == second
    assert holdfast.json("admin", "jobs", "list") == []
    broken[0] = False
    assert [worker.run_one() for _ in range(2)] == [True, False]
    assert [one["id"] for one in holdfast.json("admin", "jobs", "list", "--state", "done")] == [first]
