"""How many versions a sweep's next transaction takes."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.lifecycle.pace import LEAST, SECONDS, exempt, following

sizes = st.integers(LEAST, 1000)


@pytest.mark.parametrize(
    ("size", "done", "seconds", "expected"),
    [
        (100, 100, SECONDS, 100),
        (100, 100, SECONDS / 10, 200),
        (800, 800, SECONDS / 10, 1000),
        (800, 800, SECONDS * 2, 400),
        (400, 400, SECONDS * 100, LEAST),
        (400, 3, SECONDS / 10, 400),
        (400, 3, SECONDS * 2, LEAST),
        (2, 2, SECONDS * 2, 2),
        (100, 100, 0.0, 200),
    ],
)
def test_a_transaction_is_as_large_as_fits_its_time(size: int, done: int, seconds: float, expected: int) -> None:
    assert following(size, done, seconds, 1000) == expected


@given(size=sizes, per_version=st.floats(1e-5, 1e-1))
def test_at_an_even_speed_it_settles_where_the_time_is_kept(size: int, per_version: float) -> None:
    for _ in range(12):
        size = following(size, size, size * per_version, 1000)
    assert LEAST <= size <= 1000
    assert size * per_version <= SECONDS * 1.001 or size == LEAST
    assert following(size, size, size * per_version, 1000) == pytest.approx(size, abs=2)


def test_what_is_loaded_is_looked_at_by_no_collection() -> None:
    gc.unfreeze()
    try:
        exempt()
        assert gc.get_freeze_count() > 1000
        assert len(gc.get_objects()) < 1000
    finally:
        gc.unfreeze()
