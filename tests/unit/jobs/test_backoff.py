"""How long a failed job waits."""

from __future__ import annotations

from holdfast.jobs.queue import MAX_ATTEMPTS, backoff


def test_the_wait_doubles_up_to_an_hour() -> None:
    waits = [backoff(attempt, 0) for attempt in range(1, MAX_ATTEMPTS)]
    assert waits[:4] == [5, 10, 20, 40]
    assert waits == sorted(waits)
    assert max(waits) == waits[-1] == 3600


def test_chance_takes_off_up_to_a_half() -> None:
    assert [backoff(5, chance) for chance in (0, 0.5, 1)] == [80, 60, 40]


def test_half_a_day_goes_by_before_a_job_is_given_up() -> None:
    assert 6 * 3600 < sum(backoff(attempt, 0.5) for attempt in range(1, MAX_ATTEMPTS)) < 24 * 3600


def test_no_number_of_attempts_is_too_large() -> None:
    assert backoff(30_000, 0) == 3600
