"""Which times of a policy's schedule are served. One whose run failed, or was stopped by the end of its process, is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from holdfast.database.tables import runs as t
from holdfast.errors import Conflict
from holdfast.policies.words import Action

TRIES = 4
"""Runs for one time of the schedule, at most."""
PAUSE = timedelta(minutes=1)
"""After the first that failed; twice as long after each further one."""
_LOST = frozenset({"stopped", "failed"})


def again(runs: Sequence[tuple[str, datetime | None]], now: datetime) -> bool:
    """Whether another run is to serve the time that these were to serve. ``runs``: how and when each ended. Pure."""
    if len(runs) >= TRIES or any(state not in _LOST for state, _ in runs):
        return False
    ended = [at for _, at in runs if at is not None]
    return not ended or now >= max(ended) + PAUSE * 2 ** (len(runs) - 1)


def served(connection: Connection, policy: str, action: Action, now: datetime) -> datetime | None:
    """The latest time of the schedule that runs were started for; None if there was none, or one is to be started again."""
    mine = (t.c.policy == policy, t.c.action == str(action))
    latest = connection.scalar(select(func.max(t.c.slot)).where(*mine))
    if latest is None:
        return None
    rows = connection.execute(select(t.c.state, t.c.finished_at).where(*mine, t.c.slot == latest)).all()
    return None if again([(row.state, row.finished_at) for row in rows], now) else latest


def check(connection: Connection, policy: str, action: Action, slot: datetime, now: datetime) -> None:
    """Under the run's lease: raises Conflict when another process served ``slot`` since it was found due."""
    latest = served(connection, policy, action, now)
    if latest is not None and latest >= slot:
        raise Conflict("Another process has served this time of the schedule.", slug="run-already-served")
