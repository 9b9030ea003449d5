"""Shared users: people whom a workspace's admin lets into his workspace, with some of its rights and never with ``admin`` (000).

Every act asks for the admin's rights in its own transaction: an admin who was deleted or demoted changes nothing any more, whatever
his token says. Users of other workspaces are not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database.tables import users
from holdfast.errors import Conflict, Forbidden, Invalid, NotFound
from holdfast.identity import names, passwords
from holdfast.identity.access import PERMISSIONS, Actor, Claims, authorise
from holdfast.identity.users import end, name_taken

if TYPE_CHECKING:
    from holdfast.services import Services

GRANTABLE = PERMISSIONS - {"admin"}


def grantable(permissions: Iterable[str]) -> str:
    """The permissions as they are kept. Raises Invalid for ``admin`` and for what is no permission."""
    asked = set(permissions)
    if "admin" in asked:
        raise Invalid("A shared user cannot have the permission 'admin'.", slug="permissions")
    if unknown := asked - GRANTABLE:
        raise Invalid(f"There is no permission '{min(unknown)}'; there are {', '.join(sorted(GRANTABLE))}.", slug="permissions")
    return ",".join(sorted(asked))


def create(services: Services, claims: Claims, username: str, password: str, permissions: Iterable[str]) -> None:
    """A new user of the caller's workspace. Raises Invalid, Conflict, Forbidden."""
    now = services.clock()
    with services.database.read() as connection:
        authorise(connection, claims, "admin")
    names.checked(username)
    granted = grantable(permissions)
    kept = passwords.hashed(passwords.checked(password))

    def act(connection: Connection) -> None:
        admin = authorise(connection, claims, "admin")
        if name_taken(connection, username):
            raise _taken(username)
        connection.execute(
            insert(users).values(
                username=username,
                name_folded=names.user_key(username),
                password_hash=kept,
                workspace_id=admin.workspace_id,
                permissions=granted,
                created_at=now,
            )
        )
        _record(connection, services, admin, "create-shared-user", username, permissions=granted)

    try:
        services.database.write(act)
    except IntegrityError as error:
        raise _taken(username) from error


def change(services: Services, claims: Claims, username: str, permissions: Iterable[str]) -> None:
    """Gives a shared user these permissions instead of his own, from his next request on. Raises Invalid, NotFound, Forbidden."""

    def act(connection: Connection) -> None:
        admin = authorise(connection, claims, "admin")
        granted = grantable(permissions)
        user_id, before = _shared(connection, admin, username)
        connection.execute(update(users).where(users.c.id == user_id).values(permissions=granted))
        _record(connection, services, admin, "change-shared-user", username, permissions=granted, before=before)

    services.database.write(act)


def delete(services: Services, claims: Claims, username: str) -> None:
    """Ends a shared user; his name is free again, what he uploaded stays. Raises NotFound, Forbidden."""

    def act(connection: Connection) -> None:
        admin = authorise(connection, claims, "admin")
        user_id, _ = _shared(connection, admin, username)
        end(connection, services.clock(), user_id)
        _record(connection, services, admin, "delete-shared-user", username)

    services.database.write(act)


def members(services: Services, claims: Claims, after: str, limit: int) -> list[dict[str, Any]]:
    """The workspace's shared users by name, the first ``limit`` of those after ``after``. Raises Forbidden."""
    with services.database.read() as connection:
        admin = authorise(connection, claims, "admin")
        rows = connection.execute(
            select(users.c.username, users.c.permissions, users.c.created_at)
            .where(users.c.workspace_id == admin.workspace_id, users.c.username > after)
            .where(users.c.deleted_at.is_(None), users.c.permissions != "admin")
            .order_by(users.c.username)
            .limit(limit)
        ).all()
    return [
        {"username": row.username, "permissions": permission_list(row.permissions), "created_at": isoformat(row.created_at)}
        for row in rows
    ]


def permission_list(kept: str) -> list[str]:
    """The permissions as a reply shows them."""
    return [permission for permission in kept.split(",") if permission]


def _shared(connection: Connection, admin: Actor, username: str) -> tuple[int, str]:
    row = connection.execute(
        select(users.c.id, users.c.permissions)
        .where(users.c.workspace_id == admin.workspace_id, users.c.username == username, users.c.deleted_at.is_(None))
        .with_for_update()
    ).first()
    if row is None:
        raise NotFound(f"There is no shared user '{username}' in your workspace.")
    if row.permissions == "admin":
        raise Forbidden("The workspace's own admin is no shared user.", slug="owner")
    return row.id, row.permissions


def _record(connection: Connection, services: Services, admin: Actor, operation: str, shared_user: str, **details: Any) -> None:
    at = services.clock()
    record(
        connection,
        entry(
            operation,
            at,
            workspace=admin.workspace,
            username=admin.username,
            issuer=admin.issuer,
            shared_user=shared_user,
            **details,
        ),
    )


def _taken(username: str) -> Conflict:
    return Conflict(f"The name '{username}' is taken.", slug="name-taken")
