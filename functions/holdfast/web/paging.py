"""Pages by key: a cursor says after which row the next page begins, so that any depth costs the same.

A cursor is opaque to clients, and no secret: a list's own conditions decide what its reader may see, the cursor only where he is in
it. It is bound to the filters it was made under, because a position means nothing under others.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Query
from starlette.requests import Request

from holdfast.errors import Invalid

Value = str | int | datetime
MAX_CURSOR = 4096
"""Characters. The longest key column is 1024 characters, thus less than this when written as UTF-8 in base64."""

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of one page.")]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; with the same filters.")]


def encode(position: Sequence[Value], filters: Mapping[str, Any]) -> str:
    """The cursor for the rows after ``position``, the sort key of a page's last row. ``filters`` is plain data."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in position]
    text = json.dumps([_digest(filters), *values], separators=(",", ":"), ensure_ascii=False)
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(cursor: str, filters: Mapping[str, Any], shape: Sequence[type[str] | type[int] | type[datetime]]) -> tuple[Any, ...]:
    """The position that ``encode`` wrote, each value of its type in ``shape``. Raises Invalid for anything else."""
    refused = Invalid("The cursor does not belong to this list.", slug="invalid-cursor")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(urlsafe_b64decode(padded))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise refused from error
    if not isinstance(found, list) or len(found) != 1 + len(shape):
        raise refused
    if found[0] != _digest(filters):
        raise Invalid("The cursor was made under other filters; begin again without it.", slug="invalid-cursor")
    try:
        return tuple(_value(value, kind) for value, kind in zip(found[1:], shape, strict=True))
    except ValueError as error:
        raise refused from error


def row_after(cursor: str | None, filters: Mapping[str, Any]) -> int | None:
    """Of a list whose sort key is one number: the row after which to go on; None for the first page. Raises Invalid."""
    return int(decode(cursor, filters, (int,))[0]) if cursor else None


def cursor_after(row: int | None, filters: Mapping[str, Any]) -> str | None:
    """The cursor from which ``row_after`` gives this row; None where no row follows."""
    return None if row is None else encode((row,), filters)


def _value(value: Any, kind: type[str] | type[int] | type[datetime]) -> Value:
    if kind is datetime and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    if kind is int and type(value) is int and -(2**63) <= value < 2**63:
        return value
    if kind is str and isinstance(value, str):
        value.encode()  # a lone surrogate, which no database takes, is a ValueError
        return value
    raise ValueError(value)


def _digest(filters: Mapping[str, Any]) -> str:
    text = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def link(request: Request, next_cursor: str | None) -> dict[str, str]:
    """The reply's ``Link`` header (RFC 8288) with this request's own query and the next cursor; nothing on the last page."""
    if next_cursor is None:
        return {}
    query = [(key, value) for key, value in parse_qsl(request.url.query, keep_blank_values=True) if key != "cursor"]
    path = (request.scope.get("raw_path") or quote(request.scope["path"]).encode()).decode("ascii")
    return {"Link": f'<{path}?{urlencode([*query, ("cursor", next_cursor)])}>; rel="next"'}
