"""A process dies at each fail point of each scenario, and the one that recovers dies at each of its own: nothing is lost, nothing
is half there, nothing is there twice, nothing is left over (invariants 1 to 3 of the architecture).

What is checked after each schedule, and once more over all workspaces, is in ``Explorer``; how many pairs there are, in
``pairing.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.crash.dying import Hit
from tests.crash.explorer import Course, Explorer, Trace, batches
from tests.crash.pairing import ALL, DISTINCT, KINDS, PAIRS, wanted
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.stacks import LAKEFS, SQL, SQLITE, STANDIN, Stack

PAIRED_EVERYWHERE = {"second version"}
PAIRED = PAIRED_EVERYWHERE | {"add files to an older version", "upload that its client breaks off"}
STORED = ("intent.store.after", 1)


pytestmark = pytest.mark.usefixtures("frozen")


@pytest.mark.timeout(0 if KINDS else 900)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN, LAKEFS], indirect=True)
def test_a_process_dies_at_every_fail_point(stack: Stack, scenario: Scenario, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    explorer = Explorer(stack)
    course = explorer.course(scenario)
    traces = die_once(explorer, scenario, course)
    singles = explorer.schedules
    pairs = list(pairs_of(stack, scenario, traces))
    for batch in batches(pairs):
        for (first, second), stage in zip(batch, explorer.stages(scenario, len(batch)), strict=True):
            explorer.die_twice(scenario, course, stage, first, second)
        explorer.settle()
    told = f"{singles} schedules (every fail point), {explorer.schedules - singles} pairs ({PAIRS})"
    missed = f", {len(explorer.missed)} of them came to no second death" if explorer.missed else ""
    tell(f"{stack.name}, {scenario.name}: {told}{missed}, {time.monotonic() - began:.0f} s")
    assert singles >= len(course.hits) > 0
    assert len(explorer.missed) < explorer.schedules / 10


def die_once(explorer: Explorer, scenario: Scenario, course: Course) -> list[Trace]:
    traces = []
    for batch in batches(course.hits):
        for at, stage in zip(batch, explorer.stages(scenario, len(batch)), strict=True):
            traces.append(explorer.die_once(scenario, course, stage, at))
        explorer.settle()
    if STORED in course.hits:
        later = [trace.at for trace in kinds_of(traces) if course.hits.index(trace.at) >= course.hits.index(STORED)]
        for at, stage in zip(later, explorer.stages(scenario, len(later)), strict=True):
            explorer.die_and_be_asked(scenario, course, stage, at)
        explorer.settle()
    return traces


def pairs_of(stack: Stack, scenario: Scenario, traces: Sequence[Trace]) -> Iterator[tuple[Hit, Hit]]:
    quickest = stack.name == SQLITE
    paired = PAIRED if quickest or KINDS else PAIRED_EVERYWHERE
    for trace in traces if ALL else kinds_of(traces):
        if DISTINCT or (KINDS and quickest):
            seconds = [*trace.recovering, *trace.asked_again]
        else:
            seconds = [second for second in trace.recovering if second[1] == 1 and scenario.name in paired]
        for second in seconds:
            if wanted(trace.at, second):
                yield trace.at, second


def kinds_of(traces: Sequence[Trace]) -> list[Trace]:
    found: dict[object, Trace] = {}
    for trace in traces:
        found.setdefault((trace.left, tuple(trace.recovering)), trace)
    return list(found.values())
