"""Plain SQL that every database takes, for ``holdfast.database.direct``.

    ``:name``            a parameter
    ``{now}``            the database's present: the clock of leases and claims
    ``{now + :name}``    that many whole seconds later (earlier, when negative)
    ``{index name}``     after a table: it is read along this index, whatever the database thinks of it

What stands in quotes stays as it is. A moment is an aware datetime on the way in, whatever the zone, and UTC on the way out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<quoted>'[^']*'|"[^"]*"|`[^`]*`)"""
    r"""|\{now(?:\s*\+\s*:(?P<later>[a-z_][a-z0-9_]*))?(?P<now>\})"""
    r"""|\{index\s+(?P<index>\w+)\}"""
    r"""|(?<![:\w]):(?P<name>[a-z_][a-z0-9_]*)"""
    r"""|(?P<percent>%)"""
)


@lru_cache(maxsize=1024)
def mysql(statement: str) -> str:
    """In PyMySQL's own style, ``%(name)s``."""

    def put(found: re.Match[str]) -> str:
        if found["quoted"] or found["percent"]:
            return found[0].replace("%", "%%")
        if found["index"]:
            return f"FORCE INDEX ({found['index']})"
        if found["name"]:
            return f"%({found['name']})s"
        return f"DATE_ADD(UTC_TIMESTAMP(6), INTERVAL %({found['later']})s SECOND)" if found["later"] else "UTC_TIMESTAMP(6)"

    return _TOKEN.sub(put, statement)


@lru_cache(maxsize=1024)
def sqlite(statement: str) -> str:
    """In sqlite3's named style, which is ours."""

    def put(found: re.Match[str]) -> str:
        if found["index"]:
            return f"INDEXED BY {found['index']}"
        if not found["now"]:
            return found[0]
        later = f", (:{found['later']}) || ' seconds'" if found["later"] else ""
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{later})"

    return _TOKEN.sub(put, statement)


def utc(moment: datetime) -> datetime:
    """The moment as the databases keep it: in UTC, without saying so. Raises ValueError for one that does not name its zone."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime says nothing")
    return moment.astimezone(UTC).replace(tzinfo=None)


def moment(written: str | bytes) -> datetime:
    """What a database wrote, as an aware datetime."""
    text = written if isinstance(written, str) else written.decode()
    return datetime.fromisoformat(text + "+00:00")  # six times as fast as to replace what it has not
