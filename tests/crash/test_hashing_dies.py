"""The job that hashes a file dies at each of its fail points; whoever is given it next leaves what the first would have left."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.behaviour.erased import disagreements, keys
from tests.behaviour.unhashed import hashes, jobs, publish
from tests.crash.aging import end_back_off, expire_claims, expire_leases
from tests.crash.dying import Say, live
from tests.stacks import SQL, SQLITE, STANDIN, Stack

from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.services import Services

GOOD = [f"hash.{step}.{moment}" for step in ("read", "write") for moment in ("before", "after")]
BAD = [f"hash.{step}.{moment}" for step in ("read", "tell") for moment in ("before", "after")]

pytestmark = [pytest.mark.usefixtures("frozen"), pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)]


def worked(stack: Stack, at: str | None) -> list[str]:
    """A process does all jobs, and dies at ``at``. The fail points of hashing that it came by."""

    def work(_say: Say) -> None:
        services = Services(stack.settings())
        settle(services)
        services.close()

    life = live(work, (at, 1) if at else None)
    assert life.died == (at is not None)
    with stack.database.engine.begin() as connection:
        expire_leases(connection)
        expire_claims(connection)
        end_back_off(connection)
    return [name for name, _ in life.hits if name.startswith("hash.")]


def test_it_is_hashed_in_the_end(stack: Stack) -> None:
    ada = stack.user("ada")
    for number, at in enumerate(GOOD):
        version = publish(stack, ada, (f"note{number}.txt", b"note"))
        assert worked(stack, at)[-1] == at
        worked(stack, None)
        assert hashes(stack, version) == {f"note{number}.txt": sha256(b"note").hexdigest()}
    assert {state for state, _ in jobs(stack)} == {"done"}
    assert disagreements(stack) == []


def test_what_differs_is_told_once(stack: Stack) -> None:
    ada = stack.user("ada")
    for number, at in enumerate(BAD):
        version = publish(stack, ada, (f"note{number}.txt", b"note"))
        stack.own.objects.delete(keys(stack, version)[0])
        assert worked(stack, at)[-1] == at
        worked(stack, None)
        assert hashes(stack, version) == {f"note{number}.txt": None}
        assert told(stack, version) == 1
        with stack.database.engine.begin() as connection:  # or it would be what the next process comes by first
            connection.execute(update(t.jobs).where(t.jobs.c.state == "pending").values(state="dead"))


def told(stack: Stack, version: dict[str, Any]) -> int:
    a = t.audit.c
    found = select(a.id).where(a.operation == "hash-mismatch", a.asset_path == version["asset_path"])
    with stack.database.read() as connection:
        return len(connection.execute(found).all())
