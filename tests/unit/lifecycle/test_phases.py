"""What may be purged when, how much of it at once, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import isoformat
from holdfast.lifecycle import phases

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Version:
    phase: str | None = "condemned"
    purge_after: datetime | None = NOW
    held: int = 0


@pytest.mark.parametrize(
    ("version", "due"),
    [
        (Version(), True),
        (Version(purge_after=LATER), False),
        (Version(purge_after=None), False),
        (Version(held=1), False),
        (Version(phase="purging"), False),
        (Version(phase="erased"), False),
        (Version(phase=None), False),
    ],
)
def test_only_what_is_condemned_over_its_window_and_held_by_nobody_is_due(version: Version, due: bool) -> None:
    assert phases.is_due(version, NOW) is due


@given(st.lists(st.integers(0, 100)), st.none() | st.integers(1, 500))
def test_a_run_begins_as_much_as_it_may_and_one_version_at_least(sizes: list[int], most: int | None) -> None:
    count = phases.within(sizes, most)
    assert count >= min(1, len(sizes))
    if most is None:
        assert count == len(sizes)
    else:
        assert sum(sizes[:count]) <= most or count == 1
        assert count == len(sizes) or sum(sizes[: count + 1]) > most


@pytest.mark.parametrize(
    ("last", "may"), [(None, True), (NOW, False), (NOW - timedelta(hours=19), False), (NOW - timedelta(hours=20), True)]
)
def test_the_store_is_asked_to_compact_once_in_so_many_hours(last: datetime | None, may: bool) -> None:
    assert phases.may_compact(last, NOW, 20) is may


def test_backups_end_so_many_days_after_the_bytes() -> None:
    assert phases.backups_until(NOW, 30) == NOW + timedelta(days=30)
    assert phases.backups_until(NOW, 0) == NOW
    assert phases.backups_until(NOW, None) is None


@dataclass(frozen=True)
class Erased:
    size: int = 5
    found: bool | None = True
    gone_at: datetime | None = NOW
    compacted_at: datetime | None = NOW
    compaction: str | None = "seaweedfs"
    backups_until: datetime | None = None


def test_the_evidence_of_a_version_is_that_of_its_objects_at_their_latest() -> None:
    objects = [Erased(backups_until=NOW), Erased(7, False, NOW, LATER, "vouched", LATER)]
    assert phases.evidence(objects) == {
        "objects": 2,
        "bytes": 12,
        "missing": 1,
        "gone_at": isoformat(NOW),
        "compacted_at": isoformat(LATER),
        "compaction": ["seaweedfs", "vouched"],
        "backups_until": isoformat(LATER),
    }


def test_a_horizon_that_is_not_known_of_every_object_is_not_known_of_the_version() -> None:
    assert phases.evidence([Erased(backups_until=NOW), Erased()])["backups_until"] is None
