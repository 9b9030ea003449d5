"""Lists of assets: pages by key along an index, so that the millionth page costs what the first one costs.

The order is by asset path, and by number within it. Each status is read by itself along its index and the results are merged; a
list of several statuses would otherwise have to be sorted by the database.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select, true

from holdfast.assets import labels
from holdfast.assets.metadata import describe_all
from holdfast.assets.reading import audit_read
from holdfast.clock import isoformat
from holdfast.database.tables import versions
from holdfast.database.types import along
from holdfast.errors import Invalid
from holdfast.identity.access import Actor, Claims, authorise
from holdfast.policies import inforce

if TYPE_CHECKING:
    from holdfast.services import Services

_v = versions.c

LOOK, LOOKS = 1000, 10
"""Versions that are looked at together, and how often, for one page of what policies will end."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; None and empty narrow nothing. Sizes in bytes, moments aware; ``media_type`` is a MIME type or
    ``image/*``. ``newest_only``: of each status only an asset's newest version."""

    statuses: Sequence[str] = ("active",)
    newest_only: bool = True
    prefix: str = ""
    media_type: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    uploaded_after: datetime | None = None
    uploaded_before: datetime | None = None
    expiring_before: datetime | None = None
    labels: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key of a page's last row."""

    asset_path: str
    number: int


def parse_label(text: str) -> tuple[str, str]:
    """``key=value`` as a pair. Raises Invalid."""
    key, equals, value = text.partition("=")
    if not equals:
        raise Invalid("A label filter is key=value.", field="label")
    [(key, value)] = labels.check({key: value}).items()
    return key, value


def list_assets(
    services: Services, claims: Claims, filters: Filters, after: Position | None, limit: int
) -> tuple[list[dict[str, Any]], Position | None]:
    """The metadata of the page after ``after``, and where the next one begins; None on the last. Blocks. Raises Unauthenticated,
    Forbidden, Invalid."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "list")
        if filters.expiring_before is not None and inforce.shown(connection):
            found = _expiring(connection, actor, filters, filters.expiring_before, after, limit)
        else:
            found = _page(connection, actor, filters, after, limit)
    audit_read(services, actor, "list", filters=_narrowing(filters))
    return found


def _narrowing(filters: Filters) -> dict[str, Any]:
    """The filters as JSON has them, without those that narrow nothing."""
    narrowing = {name: value for name, value in asdict(filters).items() if value not in (None, "", [], ())}
    return {name: isoformat(value) if isinstance(value, datetime) else value for name, value in narrowing.items()}


def _page(
    connection: Connection, actor: Actor, filters: Filters, after: Position | None, limit: int
) -> tuple[list[dict[str, Any]], Position | None]:
    rows = list_versions(connection, actor, filters, after=after, limit=limit + 1)
    page = rows[:limit]
    found = describe_all(connection, actor.workspace, page)
    return found, Position(page[-1].asset_path, page[-1].number) if len(rows) > limit else None


def _expiring(
    connection: Connection, actor: Actor, filters: Filters, moment: datetime, after: Position | None, limit: int
) -> tuple[list[dict[str, Any]], Position | None]:
    """What ends before ``moment`` by its own dates or by a policy, which only a look at each version can say. A page may have fewer
    than ``limit``, and none, where few of very many do."""
    found: list[dict[str, Any]] = []
    everything = replace(filters, expiring_before=None)
    for _ in range(LOOKS):
        rows = list_versions(connection, actor, everything, after=after, limit=LOOK)
        for row, described in zip(rows, describe_all(connection, actor.workspace, rows), strict=True):
            after = Position(row.asset_path, row.number)
            if described["expires"] is not None and datetime.fromisoformat(described["expires"]["at"]) < moment:
                found.append(described)
                if len(found) == limit:
                    return found, after
        if len(rows) < LOOK:
            return found, None
    return found, after


def list_versions(connection: Connection, actor: Actor, filters: Filters, *, after: Position | None, limit: int) -> list[Row[Any]]:
    """At most ``limit`` rows of ``versions`` in the actor's workspace, those that come after ``after``. Raises Invalid."""
    pages = [
        connection.execute(page_statement(actor.workspace_id, filters, status, after, limit)).all() for status in filters.statuses
    ]
    return list(heapq.merge(*pages, key=lambda row: (row.asset_path, row.number)))[:limit]


def page_statement(workspace_id: int, filters: Filters, status: str, after: Position | None, limit: int) -> Select[Any]:
    """The first ``limit`` rows of ``versions`` of one status after ``after``, along one index. Raises Invalid."""
    found = select(versions).where(_v.workspace_id == workspace_id, _v.status == status, *_narrowed(filters))
    if filters.newest_only:
        found = found.where(_v.newest == true())
    if after is not None:
        # The first condition follows from the second. Databases make a range of it, which they do not always make of an OR.
        found = found.where(
            _v.asset_path >= after.asset_path,
            or_(_v.asset_path > after.asset_path, and_(_v.asset_path == after.asset_path, _v.number > after.number)),
        )
    if filters.expiring_before is None:  # which has an index of its own that may be the better one
        # MariaDB reckons with the number of rows of one status and forgets the limit: it reads from the list's beginning instead.
        found = along(found, versions, "ix_versions_newest" if filters.newest_only else "ix_versions_all")
    return found.order_by(_v.asset_path, _v.number).limit(limit)


def _narrowed(filters: Filters) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = list(_begins(filters.prefix))
    if filters.media_type is not None:
        wanted += _of_type(filters.media_type)
    if filters.min_size is not None:
        wanted.append(_v.size >= filters.min_size)
    if filters.max_size is not None:
        wanted.append(_v.size <= filters.max_size)
    if filters.uploaded_after is not None:
        wanted.append(_v.upload_date > filters.uploaded_after)
    if filters.uploaded_before is not None:
        wanted.append(_v.upload_date < filters.uploaded_before)
    if filters.expiring_before is not None:
        wanted += [_v.destroy_date < filters.expiring_before, _v.held == 0, _v.status != "destroyed"]
    wanted += [_v.labels[key].as_string() == value for key, value in filters.labels]
    return wanted


def _of_type(media_type: str) -> list[ColumnElement[bool]]:
    """An asset's path begins with its media type, so that even ``image/*`` is a range of the index."""
    major, slash, minor = media_type.partition("/")
    if not (major and slash and minor) or not media_type.isascii():
        raise Invalid("A media type is written image/png or image/*.", field="media_type")
    return [*_begins(major + "/"), *([_v.content_type == media_type] if minor != "*" else [])]


def _begins(prefix: str) -> list[ColumnElement[bool]]:
    """The range of paths that begin with ``prefix``; no pattern, so no character in it is special."""
    if not prefix:
        return []
    end = prefix.rstrip(chr(sys.maxunicode))
    if not end:
        return [_v.asset_path >= prefix]
    last = ord(end[-1]) + 1
    following = end[:-1] + chr(0xE000 if last == 0xD800 else last)  # surrogates are no characters
    return [_v.asset_path >= prefix, _v.asset_path < following]
