"""Sets of ids as spans, ``(first, last)``, both included; sorted, and no two of them touch.

A seal names its rows one by one, since rows of other chains stand between them and a lower id may be committed after a higher one.
Ids that follow one another are most of the cases, so that the name of thousands is a few characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def spans(ids: Iterable[int]) -> list[Span]:
    """Of ids that rise."""
    found: list[Span] = []
    first = last = None
    for one in ids:
        if last is not None and one == last + 1:
            last = one
            continue
        if first is not None and last is not None:
            found.append((first, last))
        first = last = one
    if first is not None and last is not None:
        found.append((first, last))
    return found


def gaps(within: Span, taken: Iterable[Span]) -> list[Span]:
    """What of ``within`` is in none of ``taken``."""
    found: list[Span] = []
    start, end = within
    for first, last in taken:
        if last < start or first > end:
            continue
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    if start <= end:
        found.append((start, end))
    return found


def written(taken: Iterable[Span]) -> str:
    """``4+96,3,2+1`` for 4 to 100, 103, 105 and 106: how far from the end of the span before, and how many ids more."""
    parts, end = [], 0
    for first, last in taken:
        parts.append(f"{first - end}+{last - first}" if last > first else str(first - end))
        end = last
    return ",".join(parts)


def read(text: str) -> Iterator[Span]:
    """The spans that ``written`` wrote. Raises ValueError for what it never writes."""
    end = 0
    for part in text.split(","):
        skip, _, more = part.partition("+")
        first = end + _positive(skip)
        end = first + (_positive(more) if "+" in part else 0)
        yield first, end


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or (number := int(text)) == 0:
        raise ValueError(f"no spans of ids: {text!r}")
    return number
