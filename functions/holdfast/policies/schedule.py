"""When a policy's actions run: `@daily-random` resolved, destroy an hour after archive, and what Kubernetes would not take. Pure.

Kubernetes reads cron expressions with robfig/cron: five fields, names of months and weekdays, ranges, steps and lists, and macros.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from holdfast.policies.words import Action

DAILY_RANDOM = "@daily-random"
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MOST_MISSED = 100
"""Missed times beyond which Kubernetes complains of a CronJob, in an Event each time that it looks."""
_DAY, _HOUR = 86_400, 3_600
_FIRST, _LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
"""The days that stand for all: three leap days are among them, so that two of a schedule's gaps of four years are."""
_FIELD = re.compile(r"(\*|\?|[0-9]+|[A-Za-z]{3})(-([0-9]+|[A-Za-z]{3}))?(/[0-9]+)?")


class BadSchedule(ValueError):
    """The schedule or its time zone is none."""


def resolve(key: str, schedule: str, time_zone: str, action: Action) -> str:
    """The cron expression of a policy's action, to be read in its time zone.

    Raises:
        BadSchedule: with a sentence that says why.
    """
    if not _is_zone(time_zone):
        raise BadSchedule(f"timeZone {time_zone!r} is no IANA time zone")
    expression = _daily(key) if schedule == DAILY_RANDOM else _MACROS.get(schedule, " ".join(schedule.split()))
    fields = expression.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(part) for field in fields for part in field.split(",")):
        raise BadSchedule(f"schedule {schedule!r} is no cron expression of five fields")
    expression = expression.replace("?", "*")
    next_run(expression, time_zone, datetime(2026, 1, 1, tzinfo=UTC))
    return expression if action is Action.ARCHIVE else an_hour_later(expression)


def next_run(expression: str, time_zone: str, now: datetime) -> datetime:
    """The first instant after ``now`` at which it runs, in UTC. Raises BadSchedule when there is none."""
    try:
        return next(CronSim(expression, now.astimezone(ZoneInfo(time_zone)))).astimezone(UTC)
    except (CronSimError, StopIteration):
        raise BadSchedule(f"schedule {expression!r} is no cron expression, or never comes") from None


def last_run(expression: str, time_zone: str, now: datetime) -> datetime | None:
    """The latest instant up to ``now`` at which it was to run, in UTC; None when it never was. Raises BadSchedule."""
    try:
        local = now.astimezone(ZoneInfo(time_zone)) + timedelta(minutes=1)  # what comes back lies before it
        while (found := next(CronSim(expression, local, reverse=True)).astimezone(UTC)) > now:
            local -= timedelta(minutes=1)
    except CronSimError:
        raise BadSchedule(f"schedule {expression!r} is no cron expression") from None
    except StopIteration:
        return None
    return found


def starting_deadline(expression: str, least: int) -> int:
    """For how many seconds after its time a run that was missed may still start. Always until the next time comes, so that whatever
    is missed is made up for once: a time that a change of the clocks leaves out, and the hour that another adds, included. Else
    ``least`` seconds, or fewer where more than a hundred times would be missed in them. Raises BadSchedule."""
    longest, shortest = _gaps(expression)
    return max(longest + _HOUR, min(least, _MOST_MISSED * shortest))


@lru_cache(maxsize=4096)
def _gaps(expression: str) -> tuple[int, int]:
    """Seconds from a time to the next but one at most, and to the next at least."""
    minute, hour, *days = expression.split()
    times = [int((at - _FIRST).total_seconds()) for at in _until(f"{minute} {hour} * * *", _FIRST + timedelta(days=1))]
    longest, shortest = 0, _LAST.year * 366 * _DAY
    for one, other in _days_between(" ".join(days)):
        found = [day * _DAY + time for day in (0, one, one + other) for time in times]
        longest = max(longest, *(later - earlier for earlier, later in zip(found, found[2:], strict=False)))
        shortest = min(shortest, *(later - earlier for earlier, later in pairwise(found)))
    return longest, shortest


@lru_cache(maxsize=4096)
def _days_between(days: str) -> frozenset[tuple[int, int]]:
    """From any of its days to the next, and from that to the one after it."""
    if days == "* * *":
        return frozenset({(1, 1)})
    between = [(later - earlier).days for earlier, later in pairwise(_until(f"0 0 {days}", _LAST))]
    return frozenset(pairwise(between))


def _until(expression: str, end: datetime) -> list[datetime]:
    """The times from the first of the days that stand for all, in UTC, until ``end``."""
    try:
        return list(takewhile(lambda at: at < end, CronSim(expression, _FIRST - timedelta(minutes=1))))
    except CronSimError:
        raise BadSchedule(f"schedule {expression!r} is no cron expression") from None


def an_hour_later(expression: str) -> str:
    """The same schedule an hour later. Where that would be another day on a schedule that is bound to days, in the 59th minute."""
    minute, hour, *days = expression.split()
    if hour == "*":
        return expression
    hours = _hours(hour)
    if 23 in hours and days != ["*", "*", "*"]:
        return " ".join(["59", hour, *days])
    return " ".join([minute, ",".join(str(one) for one in sorted((one + 1) % 24 for one in hours)), *days])


def _hours(field: str) -> set[int]:
    hours: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = 0 if first == "*" else int(first)
        end = 23 if first == "*" or (step and not last) else int(last or first)
        hours.update(range(start, end + 1, int(step or 1)))
    return hours


def _daily(key: str) -> str:
    minute_of_day = int(sha256(f"schedule {key}".encode()).hexdigest()[:8], 16) % 1440
    return f"{minute_of_day % 60} {minute_of_day // 60} * * *"


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none of that name, or one that leads out of the zones' folder
        return False
    return name not in ("localtime", "Local", "Factory")
