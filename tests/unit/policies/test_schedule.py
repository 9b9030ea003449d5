"""When a policy's actions run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.policies.schedule import BadSchedule, an_hour_later, next_run, resolve, starting_deadline
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


A_DAY, AN_HOUR = 86_400, 3_600
EVERY = {
    "minute": "* * * * *",
    "five minutes": "*/5 * * * *",
    "hour": "0 * * * *",
    "day": "30 2 * * *",
    "six hours of a working day": "0 9-17 * * MON-FRI",
    "week": "0 0 * * 0",
    "month": "15 4 1 * *",
    "31st": "0 0 31 * *",
    "year": "0 0 1 1 *",
    "leap day": "0 0 29 2 *",
    "two minutes a day": "0,1 0 * * *",
}


@pytest.mark.parametrize("zone", ["Etc/UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("every", EVERY)
def test_what_is_missed_may_start_until_the_next_time_comes(every: str, zone: str) -> None:
    expression, at = EVERY[every], datetime(2026, 10, 24, 12, tzinfo=UTC)
    deadline = starting_deadline(expression, 10)
    for _ in range(1500):
        following = next_run(expression, zone, at)
        if following.year > 2090:
            break
        assert (following - at).total_seconds() < deadline
        at = following


@pytest.mark.parametrize(
    ("every", "seconds"),
    [
        ("minute", 100 * 60),
        ("five minutes", 100 * 300),
        ("hour", A_DAY),
        ("day", 2 * A_DAY + AN_HOUR),
        ("six hours of a working day", 65 * AN_HOUR + AN_HOUR),
        ("week", 14 * A_DAY + AN_HOUR),
        ("month", 62 * A_DAY + AN_HOUR),
        ("31st", 122 * A_DAY + AN_HOUR),
        ("year", 731 * A_DAY + AN_HOUR),
        ("leap day", 8 * 365 * A_DAY + 2 * A_DAY + AN_HOUR),
        ("two minutes a day", A_DAY + AN_HOUR),
    ],
)
def test_how_late_a_missed_run_may_start(every: str, seconds: int) -> None:
    assert starting_deadline(EVERY[every], A_DAY) == seconds


@pytest.mark.parametrize("every", [every for every in EVERY if every != "two minutes a day"])
def test_kubernetes_never_counts_more_than_a_hundred_missed_times(every: str) -> None:
    """As it counts them: how often the time from the first to the second fits into that from the first until now."""
    expression = EVERY[every]
    for now in (NOW, datetime(2027, 3, 1, 8, 59, 59, tzinfo=UTC), datetime(2028, 2, 29, 17, tzinfo=UTC)):
        first = next_run(expression, "Etc/UTC", now - timedelta(seconds=starting_deadline(expression, A_DAY)))
        second = next_run(expression, "Etc/UTC", first)
        assert (now - first) // (second - first) + 1 <= 100


@given(st.integers(10, 10**7), st.sampled_from(sorted(EVERY.values())))
def test_the_setting_makes_a_deadline_longer_and_never_too_short(least: int, expression: str) -> None:
    assert starting_deadline(expression, 10) <= starting_deadline(expression, least)
    assert starting_deadline(expression, least) <= max(least, starting_deadline(expression, 10))
