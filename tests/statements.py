"""SQL that one database of the tests has compiled serves the next: each test has databases of its own, and compiling the same
statements anew took a fourth of what the test run computed."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

from holdfast.database import engine


class Statements(LRUCache[Any, Any]):
    """What SQLAlchemy calls a compiled cache, of which it says that engines may share it; but its keys begin with the engine's own
    dialect. Here that is all that can make a difference to the SQL."""

    def __init__(self) -> None:
        super().__init__(5000)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_shared(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_shared(key), value)


def _shared(key: Any) -> Any:
    dialect: Dialect = key[0]
    return (type(dialect), dialect.server_version_info, getattr(dialect, "is_mariadb", False), *key[1:])


def share() -> None:
    """From now on, for all databases of this process."""
    engine.create_engine = partial(create_engine, execution_options={"compiled_cache": Statements()})  # type: ignore[attr-defined]
