"""docs/seed-faults.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "seed-faults.md"

_ROW = re.compile(r"\| (\d+) \| [^|]+ \| ([^|]+) \|")
_NAMED = re.compile(r"`(test_\w+)`")
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def tables() -> dict[str, dict[int, str]]:
    """What keeps each fault away, by its number, of each reference."""
    first, second = (dict(_ROW.findall(part)) for part in re.split("(?m)^# The faults of references 003", PAGE.read_text()))
    return {name: {int(number): kept for number, kept in rows.items()} for name, rows in (("000", first), ("003", second))}


def defined() -> list[str]:
    return [name for file in TESTS.rglob("test_*.py") for name in _DEFINED.findall(file.read_text())]


@pytest.mark.parametrize(("reference", "faults"), [("000", 33), ("003", 18)])
def test_every_fault_is_kept_away_by_tests_that_are_there(reference: str, faults: int) -> None:
    rows = tables()[reference]
    assert sorted(rows) == list(range(1, faults + 1))
    there = set(defined())
    for number, kept in rows.items():
        named = _NAMED.findall(kept)
        assert named, number
        assert set(named) <= there, number


@pytest.mark.parametrize(("reference", "spelling"), [("000", "(?:000_)?0?"), ("003", "003_0?")])
def test_every_test_that_is_named_after_a_fault_is_on_the_page(reference: str, spelling: str) -> None:
    """By its number; of some faults there are more tests than the page has room for."""
    numbers = {int(found[1]) for name in defined() if (found := re.match(rf"test_fault_{spelling}(\d{{1,2}})_", name))}
    rows = tables()[reference]
    assert not [number for number in numbers if not re.search(rf"`test_fault_{spelling}{number}_", rows[number])]


def test_every_fault_of_003_has_a_test_that_is_named_after_it() -> None:
    numbers = {int(found[1]) for name in defined() if (found := re.match(r"test_fault_003_(\d+)_", name))}
    assert sorted(numbers) == list(range(1, 19))
