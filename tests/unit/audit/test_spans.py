from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.spans import gaps, read, spans, written

IDS = st.sets(st.integers(1, 200)).map(sorted)


def every(found: list[tuple[int, int]]) -> list[int]:
    return [one for first, last in found for one in range(first, last + 1)]


def test_what_follows_one_another_is_one_span() -> None:
    assert spans([4, 5, 6, 9, 11, 12]) == [(4, 6), (9, 9), (11, 12)]
    assert written([(4, 100), (103, 103), (105, 106)]) == "4+96,3,2+1"


@given(IDS)
def test_ids_come_back_from_spans_and_from_their_text(ids: list[int]) -> None:
    found = spans(ids)
    assert every(found) == ids
    if ids:
        assert list(read(written(found))) == found


@given(IDS, st.integers(1, 200), st.integers(0, 200))
def test_gaps_are_what_is_not_taken(ids: list[int], first: int, length: int) -> None:
    within = (first, first + length)
    assert every(gaps(within, spans(ids))) == sorted(set(range(first, first + length + 1)) - set(ids))


@pytest.mark.parametrize("text", ["", "0", "-1", "1,,2", "1+0", "1+", "x", "1.5", "1+-3", "²"])
def test_what_was_never_written_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no spans"):
        list(read(text))
