"""The sealer, and retention, die at each of their fail points: the chain verifies, and the next one goes on where it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from tests.crash.aging import expire_leases
from tests.crash.dying import Hit, Say, live
from tests.stacks import SQL, SQLITE, Stack

from holdfast.audit import retention, sealing
from holdfast.audit.trail import entry, record
from holdfast.audit.verify import verify
from holdfast.clock import system
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.disagreement import Disagreement
from holdfast.services import Services

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


class Sealers:
    """What children do, on a trail that every round makes longer, with logins that are old enough to go."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def write(self, services: Services) -> None:
        old = system() - timedelta(days=200)
        rows = [
            entry(operation, old if operation == "login" else system(), workspace=workspace, username=None)
            for operation in ("login", "upload")
            for workspace in ("ada_space", "eve_space")
        ]
        services.database.write(lambda connection: record(connection, *rows))

    def act(self, say: Say) -> None:
        services = self.stack.services()
        for _ in range(2):  # the second round prunes what the first one sealed
            self.write(services)
            self._skip_an_id()
            self.write(services)
            services.database.write(lambda c: c.execute(update(t.audit_unseen).values(seen_at=db_later(-sealing.FORGOTTEN - 1))))
            sealing.seal(services)
            retention.clean(services)
        services.close()

    def _skip_an_id(self) -> None:
        services = self.stack.services()
        with services.database.engine.connect() as connection:
            connection.begin()
            record(connection, entry("upload", system(), workspace="w1", username=None))
            connection.rollback()
        services.close()

    def recover(self) -> None:
        with self.stack.database.engine.begin() as connection:
            expire_leases(connection)
        live(self._seal)

    def _seal(self, say: Say) -> None:
        services = self.stack.services()
        sealing.seal(services)
        retention.clean(services)
        services.close()

    def check(self) -> None:
        found = [one for one in verify(self.stack.own) if isinstance(one, Disagreement)]
        assert found == []
        assert sealing.oldest(self.stack.own) is None
        with self.stack.database.read() as connection:
            rows = connection.scalar(select(func.count()).select_from(t.audit))
            sealed = connection.scalar(select(func.sum(t.audit_seals.c.row_count)))
        assert rows == sealed


def test_it_dies_at_every_fail_point(stack: Stack) -> None:
    sealers = Sealers(stack)
    assert stack.own.signing  # one key for all of them
    course = [at for at in live(sealers.act).hits if at[0].startswith("audit.")]
    points = {"audit.lease.after", "audit.seal.before", "audit.seal.after", "audit.prune.before", "audit.prune.after"}
    if stack.name != SQLITE:  # which gives the ids of what was rolled back again
        points |= {"audit.forget.before", "audit.forget.after"}
    assert {name for name, _ in course} == points
    assert sum(die(sealers, at) for at in course) >= len(points)


def die(sealers: Sealers, at: Hit) -> bool:
    sealers.recover()
    died = live(sealers.act, at).died
    assert [one for one in verify(sealers.stack.own) if isinstance(one, Disagreement)] == [], at
    sealers.recover()
    sealers.check()
    return died
