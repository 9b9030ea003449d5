from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Invalid
from holdfast.web import paging
from tests.unit.web.asking import request

FILTERS = {"status": "active", "prefix": None}
AT = datetime(2026, 11, 21, 14, 3, 0, 123456, UTC)
SHAPE = (datetime, int, str)


def forged(*values: Any) -> str:
    real = json.loads(urlsafe_b64decode(paging.encode((), FILTERS) + "=="))
    return urlsafe_b64encode(json.dumps([*real, *values]).encode()).decode()


def test_a_cursor_comes_back_as_the_position_it_was_made_of() -> None:
    cursor = paging.encode((AT, 7, "image/png/größe"), FILTERS)
    assert paging.decode(cursor, dict(reversed(FILTERS.items())), SHAPE) == (AT, 7, "image/png/größe")


@pytest.mark.parametrize("at", range(3))
def test_a_position_that_lacks_a_value_is_refused(at: int) -> None:
    position: list[Any] = [AT, 7, "a"]
    position[at] = None
    with pytest.raises(Invalid, match="does not belong"):
        paging.decode(paging.encode(position, FILTERS), FILTERS, SHAPE)


def test_a_cursor_used_with_other_filters_is_refused() -> None:
    cursor = paging.encode((AT, 7, "a"), FILTERS)
    with pytest.raises(Invalid, match="other filters"):
        paging.decode(cursor, FILTERS | {"status": "archived"}, SHAPE)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ä",
        "!!!!",
        "bnVsbA",
        urlsafe_b64encode(b"[" * 5000).decode(),
        forged(),
        forged(AT.isoformat(), 7),
        forged(AT.isoformat(), 7, "a", "b"),
        forged("yesterday", 7, "a"),
        forged("2026-11-21T14:03:00", 7, "a"),
        forged(AT.isoformat(), "7", "a"),
        forged(AT.isoformat(), True, "a"),
        forged(AT.isoformat(), 2**63, "a"),
        forged(AT.isoformat(), 7.5, "a"),
        forged(AT.isoformat(), 7, 7),
        forged(AT.isoformat(), 7, "\ud800"),
        forged(AT.isoformat(), 7, ["a"]),
    ],
)
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        paging.decode(cursor, FILTERS, SHAPE)


@given(st.text(max_size=80))
def test_no_text_is_more_than_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        paging.decode(cursor, FILTERS, SHAPE)


def test_the_link_keeps_the_query_and_replaces_the_cursor() -> None:
    asked = request(path="/assets", query="status=active&cursor=old&labels=a%26b", method="GET")
    assert paging.link(asked, "NEW") == {"Link": '</assets?status=active&labels=a%26b&cursor=NEW>; rel="next"'}
    assert paging.link(asked, None) == {}
