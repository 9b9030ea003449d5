"""What a workspace's quota leaves to an upload: committed bytes are counted, and those that unfinished uploads have in the store.

Whoever takes bytes asks before they come. So requests that are under way at the same time may go above the quota by what each of
them brings, and the next one is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from holdfast.database.tables import upload_sessions as s
from holdfast.database.tables import users
from holdfast.database.tables.uploads import BY_OWNER
from holdfast.database.types import along
from holdfast.errors import TooLarge
from holdfast.identity.access import Actor

UNFINISHED = ("open", "completing")


def left(connection: Connection, actor: Actor, *mine: str) -> int | None:
    """Bytes that the quota leaves to the uploads ``mine``, with those that they have already; None, without a question, where there
    is no quota."""
    if actor.quota_bytes is None:
        return None
    others = int(connection.scalar(_received(actor.workspace_id, mine)) or 0)
    return max(0, actor.quota_bytes - actor.used_bytes - others)


def check(connection: Connection, actor: Actor, size: int, *mine: str) -> None:
    """Raises TooLarge (quota-exceeded) if the uploads ``mine`` may not have ``size`` bytes together."""
    room = left(connection, actor, *mine)
    if room is not None and size > room:
        raise exceeded()


def exceeded() -> TooLarge:
    return TooLarge("The workspace's quota is used up. Unfinished uploads count: finish or cancel them.", slug="quota-exceeded")


def _received(workspace_id: int, mine: Collection[str]) -> Select[Any]:
    """Bytes that unfinished uploads of the workspace have in the store, or promised to bring there, besides the uploads ``mine``:
    from its users, deleted ones too, to the unfinished uploads of each, for which there is an index."""
    theirs = and_(s.c.workspace_id == users.c.workspace_id, s.c.user_id == users.c.id)
    found = (
        select(func.sum(s.c.offset))
        .select_from(users.join(s, theirs))
        .where(users.c.workspace_id == workspace_id, s.c.state.in_(UNFINISHED), s.c.upload_id.not_in(mine))
    )
    for dialect in ("mysql", "mariadb"):
        found = found.prefix_with("STRAIGHT_JOIN", dialect=dialect)
    return along(found, s, BY_OWNER)
