"""P9: a sweep of many due versions, against one UPDATE of the same columns; its longest transaction; and a plan's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from holdfast.audit import sealing
from holdfast.database.engine import Database
from holdfast.lifecycle import pace
from holdfast.lifecycle.sweeping import Request, sweep
from holdfast.policies import folder
from holdfast.policies.validating import validated
from holdfast.policies.words import Action
from tests.bench.filling import fill, patient
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import Scale, Servers, environment, installation
from tests.bench.running import Running, processor_seconds, result_of, started

T = TypeVar("T")

AFTER_DAYS, AGE = 30, 60
POLICY = {
    "metadata": {"name": "bench"},
    "spec": {
        "workspaces": {"all": True},
        "archive": {"afterDays": AFTER_DAYS},
        "mode": "Enforce",
        "guard": {"maxItems": 1_000_000_000, "maxPercent": 100},
    },
}
_UPDATE = f"""
UPDATE versions SET status = 'archived', archive_date = UTC_TIMESTAMP(6), destroy_date = archive_date + INTERVAL destroy_ttl DAY,
  revision = revision + 1
WHERE status = 'active' AND active_since <= UTC_TIMESTAMP(6) - INTERVAL {AFTER_DAYS} DAY
"""
_BACK = (
    "UPDATE versions SET status = 'active', archive_date = NULL, revision = 0",
    "DELETE FROM run_items",
)
_QUIET = 100
"""Undo records that are left when the server has cleared away what a round left to be cleared away."""


def sweeps(servers: Servers, scale: Scale) -> list[Result]:
    """P9. Seconds of a whole run, from the policy's YAML to its end, until its audit rows are sealed: by the worker, which runs
    beside as in every installation, and at the end by whoever is first. Processor time is of all of ours and the database's."""
    count = scale.many_assets
    with ExitStack() as closing:
        stack = closing.enter_context(installation(servers))
        engine = closing.enter_context(patient(stack.values["database_url"]))
        ada = stack.user("ada")
        fill(stack.values["database_url"], ada.workspace_id, count, age=AGE, ttls=(None, None))
        services = stack.services()
        folder.put(services.settings.policies_folder, validated(POLICY))
        worker = closing.enter_context(started("holdfast", "worker", environment=environment(stack)))
        bench = _Bench(engine, worker)
        pace.exempt()  # as `holdfast sweep` does

        def ours() -> float:
            with bench.round(0, own=True) as timed, noted(services.database) as times:
                done = sweep(services, services.settings.policies_folder, "default/bench", Action.ARCHIVE, Request()).done
                bench.transactions.append(sorted(times))
                while sealing.oldest(services) is not None:
                    if not sealing.seal(services):
                        time.sleep(0.02)  # the worker is at it
            assert done.items == count
            return timed.seconds

        def peer() -> float:
            with bench.round(1) as timed:
                changed = bench.change(_UPDATE)
            assert changed == count
            return timed.seconds

        figures = in_turn(scale.rounds, ours, peer)
        each = scale.rounds * count / 1000
        longest = [times[-1] * 1000 for times in bench.transactions]
        most = max(times[len(times) * 99 // 100] * 1000 for times in bench.transactions)
        whole = Result(
            f"archiving {count} due versions, audit rows sealed",
            "s",
            *figures,
            Goal("<=", 3.0),
            (bench.cpu[0] / each, bench.cpu[1] / each),
        )
        lock = Result(f"its longest transaction (99 of 100: {most:.0f} ms)", "ms", longest, [], Goal("<=", 200, ratio=False))
        return [whole, lock]


def plans(servers: Servers, scale: Scale) -> list[Result]:
    """P9. What a process grows by while it plans, at the most, over what it has after a plan of nothing."""
    with installation(servers) as stack:
        ada = stack.user("ada")
        with stack.database.engine.begin() as connection:  # a plan reads along none of these, and filling goes twice as fast
            for index in ("newest", "expiring", "archiving"):
                connection.execute(text(f"ALTER TABLE versions DROP INDEX ix_versions_{index}"))
        fill(stack.values["database_url"], ada.workspace_id, scale.planned, age=AGE, ttls=(None, None))
        grown = result_of("tests.bench.planning", {"environment": environment(stack), "policy": POLICY})
        assert grown["due"] == scale.planned
        what = f"RSS growth during a plan of {scale.planned} due versions"
        return [Result(what, "MiB", [grown["mib"]], [], Goal("<=", 200, ratio=False))]


@contextmanager
def noted(database: Database) -> Iterator[list[float]]:
    """The seconds of each transaction within it, from its beginning to its commit."""
    times: list[float] = []
    write = database.write

    def timed(act: Callable[[Connection], T]) -> T:
        began = time.perf_counter()
        try:
            return write(act)
        finally:
            times.append(time.perf_counter() - began)

    database.write = timed  # type: ignore[method-assign]
    try:
        yield times
    finally:
        database.write = write  # type: ignore[method-assign]


@dataclass
class _Timed:
    seconds: float = 0.0


@dataclass
class _Bench:
    """Puts back what a round did, and counts processor time: milliseconds of ours and of the peer's."""

    engine: Engine
    worker: Running
    cpu: list[float] = field(default_factory=lambda: [0.0, 0.0])
    transactions: list[list[float]] = field(default_factory=list)

    @contextmanager
    def round(self, side: int, *, own: bool = False) -> Iterator[_Timed]:
        """``own``: the time of our own processes counts as well."""
        self._settle()
        server, timed = self._server(), _Timed()

        def spent() -> float:
            return processor_seconds(server) + own * (time.process_time() + self.worker.cpu())

        before, began = spent(), time.perf_counter()
        yield timed
        timed.seconds = time.perf_counter() - began
        self.cpu[side] += (spent() - before) * 1000
        for statement in _BACK:
            self.change(statement)

    def change(self, statement: str) -> int:
        """Carries it out in one transaction, and says for how many rows."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement)).rowcount

    def _server(self) -> int:
        with self.engine.connect() as connection:
            return int(Path(str(connection.scalar(text("SELECT @@pid_file")))).read_text())

    def _settle(self) -> None:
        while True:
            with self.engine.connect() as connection:
                [_, left] = connection.execute(text("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")).one()
            if int(left) <= _QUIET:
                return
            time.sleep(0.2)
