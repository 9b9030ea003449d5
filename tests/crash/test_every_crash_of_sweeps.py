"""A sweep dies at each of its fail points, and the one that follows at each of its own: at the end everything that was due is done,
and once, nothing else is, and the runs say what they did. The same of a run's undoing, which the queue has done again.

How many pairs there are is in ``pairing.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import select
from tests.crash.dying import Hit, live
from tests.crash.explorer import Explorer, Stage, batches
from tests.crash.pairing import ALL, DISTINCT, KINDS, PAIRS
from tests.crash.sweeps import PREPARED, WORKS, Work, check, few_at_once, newest_run
from tests.stacks import SQL, SQLITE, Stack

from holdfast.database import tables as t

PAIRED = {"destroy"}
HASHING = "verify."
POINTS = ("sweep.", "undo.", HASHING)
"""How the fail points that are died at begin: those of the runs, and of hashing what is to be destroyed."""


@dataclass(frozen=True)
class Trace:
    """Deaths, and what came of them. ``left``: the runs' states and counts when the last process died."""

    deaths: tuple[Hit, ...]
    left: tuple[tuple[str, int], ...]
    recovering: tuple[Hit, ...]


class Sweeps(Explorer):
    def course(self, work: Work) -> tuple[Hit, ...]:  # type: ignore[override]
        """The fail points that it comes by when nobody dies."""
        [stage] = self.stages(PREPARED, 1)
        hits = self.die(work, stage).recovering
        self.settle()
        return hits

    def die(self, work: Work, stage: Stage, *deaths: Hit) -> Trace:
        """One process after the other dies at ``deaths``, until the last one comes to its end."""
        self.schedules += bool(deaths)
        since = newest_run(self.stack)
        asked = work.ready(self.stack, stage)
        begun = newest_run(self.stack)
        for at in deaths:
            if not live(lambda _say: work.act(self._services, asked), at).died:
                self.missed.append(deaths)
            self._age()
        with self.stack.database.read() as connection:
            made = select(t.runs.c.state, t.runs.c.item_count).where(t.runs.c.id > begun).order_by(t.runs.c.id)
            left = tuple((row.state, row.item_count) for row in connection.execute(made))
        hits = tuple(hit for hit in live(lambda _say: work.act(self._services, asked)).hits if hit[0].startswith(POINTS))
        check(self.stack, stage, work, since)
        return Trace(deaths, left, hits)


@pytest.mark.timeout(0 if KINDS else 900)
@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_sweep_dies_at_every_fail_point(
    stack: Stack, work: Work, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    few_at_once(monkeypatch.setattr)
    began, sweeps = time.monotonic(), Sweeps(stack)
    course = sweeps.course(work)
    traces = die(sweeps, work, [(at,) for at in course])
    singles = sweeps.schedules
    assert singles == len(course) > 0
    quickest, paired = stack.name == SQLITE, work.name in PAIRED
    if DISTINCT or (KINDS and (quickest or paired)) or (quickest and paired):
        die(sweeps, work, list(pairs_of(traces)))
    pairs = f"{sweeps.schedules - singles} pairs ({PAIRS})"
    tell(f"{stack.name}, {work.name}: {singles} schedules, {pairs}, {time.monotonic() - began:.0f} s")
    assert sweeps.missed == []


def die(sweeps: Sweeps, work: Work, schedules: Sequence[tuple[Hit, ...]]) -> list[Trace]:
    traces = []
    for batch in batches(schedules):
        for deaths, stage in zip(batch, sweeps.stages(PREPARED, len(batch)), strict=True):
            traces.append(sweeps.die(work, stage, *deaths))
        sweeps.settle()
    return traces


def pairs_of(traces: Sequence[Trace]) -> Iterator[tuple[Hit, ...]]:
    kinds = {(trace.left, trace.recovering): trace for trace in reversed(traces)}
    for trace in traces if ALL else kinds.values():
        for second in trace.recovering:
            if DISTINCT or (second[1] == 1 and not second[0].startswith(HASHING)):
                yield (*trace.deaths, second)
