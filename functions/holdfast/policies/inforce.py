"""The policies in force, as ``holdfast.policies.telling`` has written them down, so that every function can say who goes when.

The models are imported once there is a policy: most functions have no other use for them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, select, true
from sqlalchemy.pool import Pool

from holdfast.database.engine import Database
from holdfast.database.tables import policies as t
from holdfast.policies.due import Rule

FRESH_SECONDS = 5
"""For so long a process may go by what it read last, where it only shows something."""


def shown(connection: Connection) -> Sequence[Rule]:
    """The enforcing policies as they were at most ``FRESH_SECONDS`` ago: for showing what is to come, not for acting."""
    known = _known.setdefault(connection.engine.pool, Known())
    if time.monotonic() - known.read_at >= FRESH_SECONDS:
        known.look(connection)
    return known.rules


def shown_by(database: Database) -> Sequence[Rule]:
    """The same, without a connection at hand: mostly none is needed."""
    known = _known.get(database.pool)
    if known is not None and time.monotonic() - known.read_at < FRESH_SECONDS:
        return known.rules
    with database.read() as connection:
        return shown(connection)


class Known:
    """What is known of one database's policies: the enforcing ones as ``rules``, made anew when one has changed. Two threads that
    look at the same time read it twice, to the same end."""

    def __init__(self) -> None:
        self.read_at = float("-inf")
        self.rules: Sequence[Rule] = ()
        self._stamp: list[tuple[Any, ...]] = []

    def look(self, connection: Connection) -> Sequence[Rule]:
        """As they are now."""
        # With the moment, as one that was removed and made again may have any generation.
        found = select(t.c.namespace, t.c.name, t.c.generation, t.c.changed_at).where(t.c.enforcing == true())
        stamp = [tuple(row) for row in connection.execute(found.order_by(t.c.namespace, t.c.name))]
        if stamp != self._stamp:
            self.rules, self._stamp = enforcing(connection), stamp
        self.read_at = time.monotonic()
        return self.rules


_known: WeakKeyDictionary[Pool, Known] = WeakKeyDictionary()


def enforcing(connection: Connection) -> list[Rule]:
    """The enforcing policies as rules, by their keys."""
    rows = connection.scalars(select(t.c.resource).where(t.c.enforcing == true()).order_by(t.c.namespace, t.c.name))
    resources = rows.all()
    if not resources:
        return []
    from holdfast.policies.model import AssetPolicy

    return [Rule(AssetPolicy.model_validate(resource)) for resource in resources]
