"""docs/seed-faults.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "seed-faults.md"

_ROW = re.compile(r"\| (\d+) \| [^|]+ \| ([^|]+) \|")
_NAMED = re.compile(r"`(test_\w+)`")
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def test_every_fault_is_kept_away_by_tests_that_are_there_or_by_an_issue() -> None:
    rows = {int(number): kept for number, kept in _ROW.findall(PAGE.read_text())}
    assert sorted(rows) == list(range(1, 34))
    defined = {name for file in TESTS.rglob("test_*.py") for name in _DEFINED.findall(file.read_text())}
    for number, kept in rows.items():
        named = _NAMED.findall(kept)
        assert named or re.search(r"\bissue \d+: \w", kept), number
        assert set(named) <= defined, number


def test_every_test_that_is_named_after_a_fault_is_on_the_page() -> None:
    """By its number; of some faults there are more tests than the page has room for."""
    defined = [name for file in TESTS.rglob("test_*.py") for name in _DEFINED.findall(file.read_text())]
    numbers = {int(found[1]) for name in defined if (found := re.match(r"test_fault_(?:000_)?(\d+)_", name))}
    rows = {int(number): kept for number, kept in _ROW.findall(PAGE.read_text())}
    assert not [number for number in numbers if not re.search(rf"`test_fault_(?:000_)?0?{number}_", rows[number])]
