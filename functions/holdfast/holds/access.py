"""Who may do what with which hold: a workspace's admin in his workspace, a platform admin everywhere."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from holdfast.database.tables import holds, workspaces
from holdfast.errors import Forbidden, Invalid, NotFound
from holdfast.holds.scope import NewHold
from holdfast.identity.access import Actor, demand


def place_in(connection: Connection, actor: Actor, wanted: NewHold) -> tuple[int | None, str | None]:
    """The workspace in which ``actor`` may place the hold, its row id and its name; None for all of them. Raises Forbidden,
    NotFound, Invalid."""
    own = wanted.workspace == actor.workspace or (wanted.workspace is None and not wanted.all_workspaces)
    if own and actor.workspace_id:
        if not actor.platform_admin:
            demand(actor, "admin")
        return actor.workspace_id, actor.workspace
    if not actor.platform_admin:
        raise Forbidden("Only a platform admin places holds in other workspaces.", permission="admin")
    if wanted.all_workspaces:
        return None, None
    if wanted.workspace is None:
        raise Invalid("You have no workspace of your own: name one, or all_workspaces.", field="workspace")
    found = connection.execute(select(workspaces.c.id, workspaces.c.name).where(workspaces.c.name == wanted.workspace)).first()
    if found is None:
        raise NotFound(f"There is no workspace '{wanted.workspace}'.")
    return found.id, found.name


def visible(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    """The holds that ``actor`` may know of: a tenant's admin those that are about his workspace alone. Raises Forbidden."""
    if actor.platform_admin:
        return ()
    demand(actor, "admin")
    return (holds.c.workspace_id == actor.workspace_id,)


def rows() -> Select[Any]:
    """Rows of ``holds``, with their ``workspace``'s name."""
    return select(holds, workspaces.c.name.label("workspace")).join(
        workspaces, workspaces.c.id == holds.c.workspace_id, isouter=True
    )


def find(connection: Connection, actor: Actor, hold_id: str) -> Row[Any]:
    """The hold of that id, as ``rows`` has it. Raises Forbidden, NotFound."""
    here = visible(actor)
    hold = connection.execute(rows().where(holds.c.hold_id == hold_id, *here)).first() if hold_id.isascii() else None
    if hold is None:
        raise NotFound("There is no such hold.")
    return hold
