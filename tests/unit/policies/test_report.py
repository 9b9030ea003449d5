"""What a run tells the operator: it fits into a termination message, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.policies.report import MOST_BYTES, Amount, Report, State, from_message, to_message
from holdfast.policies.words import Action

COUNT = st.integers(0, 2**53)
AMOUNT = st.builds(Amount, items=COUNT, bytes=COUNT)
WORD = st.text("abcdefghijklmnopqrstuvwxyz-é🦀", min_size=1, max_size=64)
REPORT = st.builds(
    Report,
    run=WORD,
    action=st.sampled_from(Action),
    policy=st.just("media/finished-projects"),
    state=st.sampled_from(State),
    matched=AMOUNT,
    planned=AMOUNT,
    archived=COUNT,
    skipped=st.dictionaries(WORD, COUNT, max_size=30),
    conflicts=st.dictionaries(st.from_regex(r"\A[a-z]{1,63}/[a-z]{1,100}\Z"), COUNT, max_size=30),
    seconds=st.floats(0, 1e6),
    digest=st.none() | st.just("sha256:" + "0" * 64),
    as_of=st.none() | st.just(datetime(2026, 11, 26, 3, tzinfo=UTC)),
    reasons=st.lists(st.text(max_size=256), max_size=5),
)


@given(REPORT)
def test_any_report_fits_and_keeps_its_numbers(report: Report) -> None:
    text = to_message(report)
    assert len(text.encode()) <= MOST_BYTES
    read = from_message(text)
    left_out = {"reasons", "conflicts", "skipped"}
    assert read.model_dump(exclude=left_out) == report.model_dump(exclude=left_out)
    assert read.conflicts.items() <= report.conflicts.items()
    assert read.skipped.items() <= report.skipped.items()


def test_what_fits_is_kept_whole() -> None:
    report = Report(
        run="r1",
        action=Action.ARCHIVE,
        policy="media/a",
        state=State.DONE,
        archived=3,
        skipped={"held": 1},
        conflicts={"media/b": 2},
    )
    assert from_message(to_message(report)) == report


def test_the_largest_counts_are_kept_longest() -> None:
    conflicts = {f"media/{'x' * 60}{number:02}": number for number in range(60)}
    report = Report(run="r1", action=Action.DESTROY, policy="media/a", state=State.DONE, conflicts=conflicts, reasons=["slow"])
    read = from_message(to_message(report))
    assert read.reasons == []
    assert sorted(read.conflicts.values()) == list(range(60 - len(read.conflicts), 60))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "OOMKilled",
        '{"run": "r"}',
        '{"run": "r", "action": "purge", "policy": "a/b", "state": "done"}',
        '{"run": "r", "action": "archive", "policy": "b", "state": "done"}',
        '{"run": "r", "action": "archive", "policy": "a/b", "state": "done", "archived": -1}',
        '{"run": "r", "action": "archive", "policy": "a/b", "state": "done"}' + " " * MOST_BYTES,
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_message(text)
