"""A sweep that is held up until its lease has run out, or that loses its database: another one of the same policy does the work,
none of it twice, and no run stays under way for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import make_url
from tests.crash.dying import Say, live
from tests.crash.line import line
from tests.crash.pausing import pause_at, rest
from tests.crash.sweeps import BATCH, WORKS, Work, check, few_at_once, newest_run, prepared, run_out
from tests.stacks import SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.disagreement import Disagreement
from holdfast.errors import Unavailable
from holdfast.lifecycle.lease import TakenOver


@pytest.fixture(autouse=True)
def _batches(monkeypatch: pytest.MonkeyPatch) -> None:
    few_at_once(monkeypatch.setattr)


def points(work: Work) -> list[str]:
    """Where it comes by."""
    prefix = "undo." if work.name == "undo" else "sweep."
    found = [name for name in failpoints.names() if name.startswith(prefix)]
    return [name for name in found if work.name != "own TTLs" or not name.startswith("sweep.plan.")]


def failure(act: Callable[[], None]) -> Exception | None:
    try:
        act()
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_sweep_that_lost_its_lease_stops(stack: Stack, work: Work) -> None:
    slow, other = stack.services(), stack.services()
    between = [point for point in points(work) if "commit" not in point]  # within a transaction the successor just waits
    with ThreadPoolExecutor(1) as pool:
        for number, point in enumerate(between):
            stage = prepared(stack, f"user{number}")
            since = newest_run(stack)
            asked = work.ready(stack, stage)
            with pause_at(point) as pause:
                held_up = pool.submit(work.act, slow, asked)
                pause.wait()
                run_out(stack)
                work.act(other, asked)
                pause.let_go()
                error = held_up.exception()
            # What the background does is done by whoever has the lease or the claim: to have lost it is no trouble.
            told = work.name not in {"own TTLs", "undo"} and point != "sweep.end.after"
            assert isinstance(error, TakenOver) if told else error is None, (point, error)
            check(stack, stage, work, since)
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []


@pytest.mark.parametrize("stack", [SQL], indirect=True)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_database_that_goes_away_in_the_middle(stack: Stack, work: Work) -> None:
    there = make_url(stack.values["database_url"])
    with line(there.host or "", there.port or 0) as wire:
        url = there.set(port=wire.port).render_as_string(hide_password=False)
        for number, point in enumerate(points(work)):
            stage = prepared(stack, f"user{number}")
            since = newest_run(stack)
            asked = work.ready(stack, stage)
            wire.mend()
            failpoints.arm(point, wire.cut)
            error = failure(partial(work.act, stack.services(database_url=url), asked))
            failpoints.disarm()
            assert isinstance(error, Unavailable) or (error is None and point == "sweep.end.after"), (point, error)
            run_out(stack)
            work.act(stack.own, asked)
            check(stack, stage, work, since)
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_run_whose_process_died_can_be_undone_although_none_follows(stack: Stack) -> None:
    [work] = [work for work in WORKS if work.name == "destroy"]
    stage = prepared(stack, "ada")
    asked = work.ready(stack, stage)
    rest(stack)  # a thread that writes during a fork would hold SQLite's lock in the child for ever
    dying = live(partial(_act, stack, work, asked), ("sweep.batch.before", 2))
    assert dying.died
    run = newest_run(stack)
    with stack.client(stage.user) as http:
        assert http.post(f"/runs/{run}/undo").json()["type"].endswith("/run-under-way")
        settle(stack.own)
        assert http.get(f"/runs/{run}").json()["state"] == "running", "its lease has not run out"
        run_out(stack)
        settle(stack.own)
        told = http.get(f"/runs/{run}").json()
        assert (told["state"], told["done"]["items"]) == ("stopped", BATCH)
        assert http.post(f"/runs/{run}/undo").status_code < 300
        settle(stack.own)
        assert http.get(f"/runs/{run}").json()["undone"] == BATCH


def _act(stack: Stack, work: Work, asked: Any, _say: Say) -> None:
    work.act(stack.services(), asked)
