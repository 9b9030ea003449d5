"""How long the parts of a session become."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART
from holdfast.uploads.cutting import SHORT_PARTS, cut, least

MIB = 1 << 20
LARGEST = 5 << 40
"""Bytes of S3's largest object."""


def cuts(size: int, number: int = 1) -> list[int]:
    """The parts of a request of ``size`` bytes, the first with that number; what remains is no part."""
    found = []
    while size >= least(number):
        found.append(cut(number, size))
        size -= found[-1]
        number += 1
    return [*found, size]


@given(st.integers(2 * MIN_PART, 400 * MIB))
def test_what_is_twice_the_shortest_part_is_cut_without_a_rest(size: int) -> None:
    *parts, rest = cuts(size)
    assert rest == 0
    assert sum(parts) == size
    assert all(MIN_PART <= part <= 8 * MIB for part in parts)


@given(st.integers(MIN_PART, 2 * MIN_PART - 1))
def test_of_less_one_part_takes_as_much_as_it_may(size: int) -> None:
    part, rest = cuts(size)
    assert part == min(size, 8 * MIB)
    assert part + rest == size


@given(st.integers(2 * 8 * MIB, 9 << 30))
def test_a_long_request_holds_no_more_than_it_must(size: int) -> None:
    assert cut(1, size) == cut(1, None) == MIN_PART


def test_ten_thousand_parts_hold_the_largest_object() -> None:
    assert sum(map(least, range(1, MAX_PARTS + 1))) >= LARGEST
    assert least(SHORT_PARTS) == MIN_PART
    assert sum(map(least, range(1, SHORT_PARTS + 1))) > 9 << 30
