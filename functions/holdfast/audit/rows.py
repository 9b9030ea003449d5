"""A row of the trail as it is sealed: the same bytes whichever database holds it.

The database hands out a row as two texts of JSON, because that is read several times as fast as its columns one by one: all but the
details, and the details, which MySQL keeps in an order of its own, MariaDB and SQLite as they were written. Both are written anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from holdfast.audit.trail import ACCESS

_TEXTS = ("at", "workspace", "issuer", "username", "operation", "asset_path", "version_id", "request_id")
COLUMNS = f"JSON_ARRAY(id, {', '.join(f'CAST({name} AS CHAR)' for name in _TEXTS)}, success), details"
"""What is selected of a row, which is all of it. A moment is in UTC with microseconds: ``2026-11-21 14:03:00.000000``. Texts are
cast because MariaDB puts none into one array whose collations differ."""

Row = list[Any]
"""The values in that order, the details last."""
ID, AT, WORKSPACE, OPERATION = 0, 1, 2, 5

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Chain(NamedTuple):
    """The rows of one workspace (``""``: of none) that are sealed one after the other. ``chain`` is ``acts``, which are kept for
    ever, or ``access``: who logged in and who read, which retention applies to."""

    workspace: str
    chain: str


def chain_of(row: Row) -> Chain:
    """Where a row is sealed."""
    return Chain(row[WORKSPACE] or "", "access" if row[OPERATION] in ACCESS else "acts")


def grouped(rows: Iterable[Row]) -> dict[Chain, list[Row]]:
    """By chain, in the order of the chains; within one the order stays."""
    found: dict[tuple[str | None, bool], list[Row]] = {}
    for row in rows:
        found.setdefault((row[WORKSPACE], row[OPERATION] in ACCESS), []).append(row)
    return {chain_of(some[0]): some for some in sorted(found.values(), key=lambda some: chain_of(some[0]))}


def read(found: Iterable[tuple[str, str]]) -> list[Row]:
    """Rows from what was selected. Details that are no JSON, which we never write, are taken for a text."""
    return [_row(head, details) for head, details in found]


def canonical(rows: Sequence[Row]) -> bytes:
    """Rows as one array of JSON, in ASCII: without spaces, members of objects by their names."""
    return _encode(rows).encode("ascii")


def _row(head: str, details: str) -> Row:
    try:
        row: Row = json.loads(f"{head[:-1]},{details}]")
    except ValueError:
        row = [*json.loads(head), details]
    return row
