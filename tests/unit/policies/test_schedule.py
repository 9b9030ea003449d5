"""When a policy's actions run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.policies.schedule import BadSchedule, an_hour_later, next_run, resolve
from holdfast.policies.words import Action

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_daily_random_follows_from_the_policys_name_and_destroy_comes_an_hour_after_archive() -> None:
    archive = resolve("media/finished", "@daily-random", "Etc/UTC", Action.ARCHIVE)
    destroy = resolve("media/finished", "@daily-random", "Etc/UTC", Action.DESTROY)
    assert archive == resolve("media/finished", "@daily-random", "Etc/UTC", Action.ARCHIVE)
    minute, hour, *days = archive.split()
    assert days == ["*", "*", "*"]
    assert destroy == f"{minute} {(int(hour) + 1) % 24} * * *"


def test_daily_random_spreads_policies_over_the_day() -> None:
    hours = [int(resolve(f"media/p{number}", "@daily-random", "Etc/UTC", Action.ARCHIVE).split()[1]) for number in range(1000)]
    assert all(hours.count(hour) > 10 for hour in range(24))


@pytest.mark.parametrize(
    ("archive", "destroy"),
    [
        ("15 3 * * *", "15 4 * * *"),
        ("15 23 * * *", "15 0 * * *"),
        ("0 */6 * * *", "0 1,7,13,19 * * *"),
        ("0 22-23 * * *", "0 0,23 * * *"),
        ("30 2 * * 0", "30 3 * * 0"),
        ("30 23 * * 0", "59 23 * * 0"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("0 8-18/5 1 JAN MON-FRI", "0 9,14,19 1 JAN MON-FRI"),
    ],
)
def test_an_hour_later_stays_on_the_schedules_days(archive: str, destroy: str) -> None:
    assert an_hour_later(archive) == destroy


@given(st.integers(0, 59), st.integers(0, 23))
def test_destroy_runs_an_hour_after_archive_on_any_daily_schedule(minute: int, hour: int) -> None:
    archive = next_run(f"{minute} {hour} * * *", "Etc/UTC", NOW)
    destroy = next_run(an_hour_later(f"{minute} {hour} * * *"), "Etc/UTC", archive)
    assert (destroy - archive).total_seconds() == 3600


def test_macros_are_what_kubernetes_takes_them_for() -> None:
    assert resolve("a/b", "@weekly", "Etc/UTC", Action.ARCHIVE) == "0 0 * * 0"


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "never",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 0 30 2 *",
        "0 0 L * *",
        "TZ=Etc/UTC 0 0 * * *",
        "@every 1h",
        "@reboot",
    ],
)
def test_what_is_no_schedule_is_said_to_be_none(schedule: str) -> None:
    with pytest.raises(BadSchedule, match="schedule"):
        resolve("a/b", schedule, "Etc/UTC", Action.ARCHIVE)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "localtime", "Local"])
def test_what_is_no_time_zone_is_said_to_be_none(zone: str) -> None:
    with pytest.raises(BadSchedule, match="IANA time zone"):
        resolve("a/b", "@daily", zone, Action.ARCHIVE)


def test_the_next_run_is_in_utc_and_reckoned_in_the_policys_zone() -> None:
    assert next_run("0 3 * * *", "Europe/Berlin", NOW) == datetime(2026, 11, 27, 2, tzinfo=UTC)
