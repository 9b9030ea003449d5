"""A process dies while it scans an upload, quarantines it, or while somebody decides about it: what is not clean never gets in, and
whatever was decided is done once and whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from tests.behaviour.erased import disagreements
from tests.behaviour.unhashed import store
from tests.crash.aging import end_back_off, expire_claims, expire_leases
from tests.crash.dying import Say, live
from tests.crash.explorer import Explorer
from tests.crash.scenarios import Caller, Replies, Reply, Scenario
from tests.crash.test_every_crash import die_once
from tests.servers.clamd import MALWARE, Clamd
from tests.stacks import SQL, SQLITE, STANDIN, Stack

from holdfast.assets import quarantine
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.errors import Conflict
from holdfast.scanning.port import Result, Verdict
from holdfast.services import Services

pytestmark = pytest.mark.usefixtures("frozen")


async def _clean(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    return await by.upload(b"harmless", ("side.txt", b"harmless, too"), key=key)


async def _infected(by: Caller, _so_far: Replies, key: str | None) -> Reply:
    return await by.upload(b"harmless", ("side.txt", MALWARE), key=key)


CLEAN = Scenario("a clean upload that is scanned", (), _clean)
INFECTED = Scenario("an infected upload that is not kept", (_clean,), _infected, (422,))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", [CLEAN, INFECTED], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_scanned_upload_dies_at_every_fail_point(
    stack: Stack, scenario: Scenario, clamd: Clamd, tell: Callable[[str], None]
) -> None:
    explorer = Explorer(stack, {"scan": "clamd", "clamd": clamd.tcp, "scan_delete": True})
    course = explorer.course(scenario)
    assert course.status == scenario.again[0]
    assert {"scan.before", "scan.after"} <= {name for name, _ in course.hits}
    die_once(explorer, scenario, course)
    tell(f"{stack.name}, {scenario.name}: {explorer.schedules} schedules")
    assert explorer.schedules >= len(course.hits)
    assert len(explorer.missed) < explorer.schedules / 10


ACTS: dict[str, tuple[Any, str, list[str]]] = {
    "release": (quarantine.release, "released", ["bad.txt"]),
    "delete": (quarantine.delete, "deleted", []),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)
def test_a_decision_is_made_whole_or_not_at_all(stack: Stack, act: str) -> None:
    decide, state, left = ACTS[act]
    for number, at in enumerate(("quarantine.decide.before", "quarantine.decide.after")):
        user = stack.user(f"user{number}")
        upload_id = store(stack, user, ("bad.txt", b"bad"), ("side.txt", b"side"), verdict=Verdict(Result.INFECTED, "Bad"))
        assert live(partial(decided, stack, decide, upload_id), (at, 1)).died
        age(stack)
        settle(stack.services())
        if at.endswith("before"):
            assert states(stack, upload_id) == ("kept", "quarantined")
            decide(stack.own, None, upload_id)
        with pytest.raises(Conflict):
            decide(stack.own, None, upload_id)
        for _ in range(2):
            age(stack)
            settle(stack.services())
        assert states(stack, upload_id) == (state, "published" if left else "erased")
        assert [name for name in published(stack, user.workspace_id) if name != "side.txt"] == left
        assert disagreements(stack) == []


def decided(stack: Stack, decide: Any, upload_id: str, _say: Say) -> None:
    services = Services(stack.settings())
    decide(services, None, upload_id)
    services.close()


def age(stack: Stack) -> None:
    """As if everybody had been dead for a while."""
    with stack.database.engine.begin() as connection:
        expire_leases(connection)
        expire_claims(connection)
        end_back_off(connection)


def states(stack: Stack, upload_id: str) -> tuple[str, str]:
    """Of its row in the quarantine, and of its intent."""
    q, i = t.quarantine.c, t.intents.c
    wanted = select(q.state, i.state).join(t.intents, i.upload_id == q.upload_id).where(q.upload_id == upload_id)
    with stack.database.read() as connection:
        row = connection.execute(wanted).one()
    return row[0], row[1]


def published(stack: Stack, workspace_id: int) -> list[str]:
    f = t.files.c
    with stack.database.read() as connection:
        wanted = select(f.filename).where(f.workspace_id == workspace_id, f.version.is_not(None))
        return list(connection.scalars(wanted))
