"""How long one has to wait, as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.identity import throttle

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, None), (9, None), (10, 60), (11, 120), (12, 240), (15, 1920), (16, 3600), (17, 3600), (10**6, 3600)],
)
def test_the_wait_doubles_up_to_an_hour(failures: int, seconds: int | None) -> None:
    until = throttle.blocked_until(failures, NOW, limit=10, wait=60)
    assert until == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_a_first_wait_longer_than_an_hour_stays_as_it_is() -> None:
    assert throttle.blocked_until(12, NOW, limit=10, wait=7200) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(("left", "seconds"), [(60.0, 60), (59.1, 60), (0.001, 1)])
def test_what_a_client_is_told_is_never_too_short(left: float, seconds: int) -> None:
    assert throttle.seconds_until(NOW + timedelta(seconds=left), NOW) == seconds


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:1:2:3"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_client(one: str, other: str) -> None:
    assert throttle.of_address(one) == throttle.of_address(other) is not None


@pytest.mark.parametrize(("one", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")])
def test_addresses_of_two(one: str, other: str) -> None:
    assert throttle.of_address(one) != throttle.of_address(other)


@pytest.mark.parametrize("none", [None, "", "testclient", "unix:"])
def test_what_is_no_address_is_not_counted(none: str | None) -> None:
    assert throttle.of_address(none) is None


def test_a_name_is_kept_as_a_hash_and_in_one_spelling() -> None:
    assert throttle.of_name("Ada") == throttle.of_name("ada") != throttle.of_name("bob")
    assert len(throttle.of_name("any text, \ud800 even")) == 64
