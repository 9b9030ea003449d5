"""Finishing or undoing whatever a crash left. Runs by itself in the background, and as ``holdfast reconcile``.

Nothing here is special knowledge about crashes: an upload from which nothing was heard is given up, what is stored or half done
is handed to its workspace's committer, and what is to be erased is a job in the queue. Running it at any time, from any number of
processes, does no harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, union

from holdfast.assets.intents import GivenUp, fail_all
from holdfast.database import tables as t
from holdfast.database.types import db_later

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

BATCH = 500


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found: uploads given up, workspaces whose committer was run, workspaces that another process commits for."""

    given_up: int
    committed: int
    busy: int


def reconcile(services: Services) -> Reconciled:
    """One pass. Raises StoreUnavailable and DatabaseUnavailable, after it did what can be done all the same."""
    given_up = _give_up(services)
    with services.database.read() as connection:
        stored = select(t.intents.c.workspace_id).where(t.intents.c.state.in_(["stored", "grouped"]))
        open_groups = select(t.commit_groups.c.workspace_id).where(t.commit_groups.c.state == "open")
        waiting = connection.scalars(union(stored, open_groups)).all()
    ran, failed = [], None
    for workspace_id in waiting:
        try:
            ran.append(services.committer.run(workspace_id))
        except Exception as error:  # the others' workspaces are not to wait for this one
            log.warning("workspace %s cannot be reconciled", workspace_id, exc_info=error)
            failed = failed or error
    if failed is not None:
        raise failed
    return Reconciled(given_up, sum(ran), len(ran) - sum(ran))


def _give_up(services: Services) -> int:
    timeout = services.settings.intent_timeout_seconds
    silent = (
        select(t.intents.c.upload_id)
        .where(t.intents.c.state == "open", t.intents.c.heartbeat_at < db_later(-timeout))
        .order_by(t.intents.c.heartbeat_at)
        .limit(BATCH)
    )

    def act(connection: Connection) -> int:
        found = connection.scalars(silent).all()
        fail_all(connection, found, "open", GivenUp(), timeout)
        return len(found)

    count = 0
    while done := services.database.write(act):
        count += done
    return count
