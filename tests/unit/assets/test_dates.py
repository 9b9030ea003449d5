"""Own TTLs: which dates they make, and when a version's time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.assets import dates
from holdfast.errors import Gone, Invalid

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
ttls = st.none() | st.integers(0, dates.MAX_TTL)


@dataclass
class Version:
    status: str = "active"
    held: int = 0
    destroy_date: datetime | None = None


@given(st.integers(0, dates.MAX_TTL))
def test_a_ttl_is_read_from_json_and_from_a_form(days: int) -> None:
    assert dates.parse_ttl("archive_ttl", days) == days
    assert dates.parse_ttl("archive_ttl", str(days)) == days


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_ttl_is_no_ttl(nothing: object) -> None:
    assert dates.parse_ttl("archive_ttl", nothing) is None


@pytest.mark.parametrize(
    "wrong", [-1, "-1", 36501, "36501", "99999999999999999999", 1.5, "1.5", "1e3", True, False, "ten", " 1", "+1", "٣", [], {}]
)
def test_what_is_no_whole_number_of_days_is_refused(wrong: object) -> None:
    with pytest.raises(Invalid, match="destroy_ttl"):
        dates.parse_ttl("destroy_ttl", wrong)


@given(ttls, ttls)
def test_destroying_is_counted_from_archiving_and_archiving_from_being_active(archive: int | None, destroy: int | None) -> None:
    archive_date, destroy_date = dates.of_active(NOW, archive, destroy)
    assert archive_date == (None if archive is None else NOW + timedelta(days=archive))
    assert destroy_date == (None if archive is None or destroy is None else NOW + timedelta(days=archive + destroy))


def test_a_version_is_readable_until_its_destroy_date_and_not_at_it() -> None:
    version = Version(destroy_date=NOW)
    assert dates.readable(version, NOW - timedelta(microseconds=1))
    assert not dates.readable(version, NOW)
    with pytest.raises(Gone):
        dates.check_readable(version, NOW)


def test_a_hold_keeps_a_version_readable_beyond_its_destroy_date() -> None:
    version = Version(held=1, destroy_date=NOW)
    assert dates.readable(version, NOW + timedelta(days=9))
    assert dates.expires(version) is None


def test_a_destroyed_version_is_unreadable_even_when_held() -> None:
    assert not dates.readable(Version(status="destroyed", held=1), NOW)
    assert dates.expires(Version(status="destroyed", destroy_date=NOW)) is None


def test_a_version_without_own_dates_is_readable_for_ever() -> None:
    assert dates.readable(Version(), datetime.max.replace(tzinfo=UTC))
