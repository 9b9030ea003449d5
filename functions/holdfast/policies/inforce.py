"""The policies in force, in SQL: what a run was told last, so that every function can say who goes when.

The source is elsewhere (a folder of YAML, the cluster's resources); whoever reads that, the server of the embedded default or a
job, writes here what it found.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, and_, delete, false, insert, null, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import Pool

from holdfast.database.engine import Database
from holdfast.database.tables import policies as t
from holdfast.policies.due import Rule
from holdfast.policies.model import AssetPolicy, dump

FRESH_SECONDS = 5
"""For so long a process may go by what it read last, where it only shows something."""

_WITHDRAWN: Mapping[str, Any] = {}
"""Instead of a resource: the policy is known no more."""


def remember(database: Database, policies: Iterable[AssetPolicy], now: datetime) -> None:
    """Makes these the policies that are known, and no others. Generations rise where a spec has changed, and where a policy comes
    back. Deletes no row: who runs a policy may not. ``clear`` does it later."""
    wanted = {(p.metadata.namespace, p.metadata.name): p for p in policies}

    def act(connection: Connection) -> None:
        known = {(row.namespace, row.name): row for row in connection.execute(select(t))}
        for key in known.keys() - wanted.keys():
            if known[key].resource != _WITHDRAWN:
                gone = {"resource": _WITHDRAWN, "enforcing": False, "preview": null(), "changed_at": now}
                connection.execute(update(t).where(_is(key)).values(gone))
        for key, policy in wanted.items():
            row, resource = known.get(key), dump(policy)
            if row is None:
                new = {"namespace": key[0], "name": key[1], "generation": 1, "changed_at": now}
                connection.execute(insert(t).values(resource=resource, enforcing=policy.enforcing, **new))
            elif row.resource != resource:
                changed = row.resource.get("spec") != resource["spec"]
                values = {"resource": resource, "enforcing": policy.enforcing, "generation": row.generation + changed}
                connection.execute(update(t).where(_is(key)).values(changed_at=now if changed else row.changed_at, **values))

    while _differs(database, wanted):  # mostly nothing has changed, and then nothing is written
        with suppress(IntegrityError):  # another process was telling the same at the same time
            database.write(act)


def forget(database: Database, there: Collection[str], before: datetime) -> int:
    """Forgets the policies whose keys are not ``there``, unless they were told, or told otherwise, after ``before``: who looks at a
    mounted ConfigMap may see an older one than a job was told of. How many that were."""
    stale = t.c.changed_at < before
    with database.read() as connection:
        known = connection.execute(select(t.c.namespace, t.c.name).where(stale)).all()
    gone = [_is((row.namespace, row.name)) for row in known if f"{row.namespace}/{row.name}" not in there]
    return database.write(lambda connection: connection.execute(delete(t).where(or_(*gone), stale)).rowcount) if gone else 0


def clear(database: Database) -> int:
    """Removes what is left of policies that are known no more. How many that were."""
    with database.read() as connection:
        found = connection.execute(select(t.c.namespace, t.c.name, t.c.generation, t.c.resource).where(t.c.enforcing == false()))
        withdrawn = [row for row in found if row.resource == _WITHDRAWN]
    # By the generation, too, as a policy may have come back since.
    gone = [and_(_is((row.namespace, row.name)), t.c.generation == row.generation) for row in withdrawn]
    return database.write(lambda connection: connection.execute(delete(t).where(or_(*gone))).rowcount) if gone else 0


def note_preview(database: Database, policy: AssetPolicy, summaries: Mapping[str, Any]) -> None:
    """Keeps what the newest plans found, by action, for whoever asks for the policy's status."""
    key = (policy.metadata.namespace, policy.metadata.name)
    database.write(lambda connection: connection.execute(update(t).where(_is(key)).values(preview=dict(summaries))))


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
    return [Rule(AssetPolicy.model_validate(resource)) for resource in rows]


def _differs(database: Database, wanted: Mapping[tuple[str, str], AssetPolicy]) -> bool:
    with database.read() as connection:
        known = {
            (row.namespace, row.name): row.resource for row in connection.execute(select(t.c.namespace, t.c.name, t.c.resource))
        }
    shown = {key: resource for key, resource in known.items() if resource != _WITHDRAWN}
    return shown != {key: dump(policy) for key, policy in wanted.items()}


def _is(key: tuple[str, str]) -> Any:
    return and_(t.c.namespace == key[0], t.c.name == key[1])
