"""Writing down in SQL which policies are known, and what their previews found.

The source is elsewhere (a folder of YAML, the cluster's resources); whoever reads that, the server of the embedded default or a
job, tells here what it found. ``holdfast.policies.inforce`` reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, false, insert, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.database.engine import Database
from holdfast.database.tables import policies as t
from holdfast.policies.model import AssetPolicy, dump

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


def _differs(database: Database, wanted: Mapping[tuple[str, str], AssetPolicy]) -> bool:
    with database.read() as connection:
        known = {
            (row.namespace, row.name): row.resource for row in connection.execute(select(t.c.namespace, t.c.name, t.c.resource))
        }
    shown = {key: resource for key, resource in known.items() if resource != _WITHDRAWN}
    return shown != {key: dump(policy) for key, policy in wanted.items()}


def _is(key: tuple[str, str]) -> Any:
    return and_(t.c.namespace == key[0], t.c.name == key[1])
