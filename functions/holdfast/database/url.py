"""A database's URL without SQLAlchemy, read as SQLAlchemy's ``make_url`` reads it (a property test compares the two)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

_FORM = re.compile(
    r"(?P<driver>[\w+]+)://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<address>[^/?]+)\]|(?P<name>[^/:?]+))?(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """The parts, unquoted; None is what the URL does not say."""

    driver: str
    """``sqlite`` or ``mysql+pymysql``; what stands before the plus is the backend."""
    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    """The schema's name; on SQLite the file, which is relative unless it begins with a slash."""
    query: Mapping[str, str]

    @property
    def is_sqlite(self) -> bool:
        return self.driver.partition("+")[0] == "sqlite"


def parse(url: str) -> DatabaseURL:
    """Raises ValueError for what is no URL."""
    found = _FORM.match(url)
    if found is None:
        raise ValueError("not a database URL")
    part = found.groupdict()
    return DatabaseURL(
        driver=part["driver"],
        user=_unquoted(part["user"]),
        password=_unquoted(part["password"]),
        host=part["name"] or part["address"],
        port=None if part["port"] is None else int(part["port"]),
        database=_unquoted(part["database"]),
        query=dict(parse_qsl(part["query"] or "")),
    )


def _unquoted(part: str | None) -> str | None:
    return None if part is None else unquote(part)
