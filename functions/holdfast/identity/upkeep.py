"""What identity keeps for a while only: removed by the background reconciliation once it means nothing any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete

from holdfast.database.tables import login_failures, revoked_tokens
from holdfast.identity.throttle import FORGOTTEN
from holdfast.identity.tokens import LEEWAY

if TYPE_CHECKING:
    from holdfast.services import Services


def clean(services: Services) -> int:
    """Removes revocations of tokens that have expired, and failed logins that are forgotten. How many rows that were."""
    now = services.clock()

    def act(connection: Connection) -> int:
        expired = connection.execute(
            delete(revoked_tokens).where(revoked_tokens.c.expires_at < now - timedelta(seconds=2 * LEEWAY))
        )
        forgotten = connection.execute(delete(login_failures).where(login_failures.c.last_at < now - FORGOTTEN))
        return expired.rowcount + forgotten.rowcount

    return services.database.write(act)
