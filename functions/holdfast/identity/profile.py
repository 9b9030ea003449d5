"""What somebody does about himself: see who he is, change his password, revoke his tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from holdfast.audit.trail import entry, record
from holdfast.database.tables import revoked_tokens, users
from holdfast.identity import login, passwords
from holdfast.identity.access import Actor, Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services


def me(services: Services, claims: Claims) -> dict[str, Any]:
    """Who the caller is and what he may do now. Raises Unauthenticated."""
    with services.database.read() as connection:
        actor = authorise(connection, claims)
    return {
        "username": actor.username,
        "branch": actor.workspace,
        "permissions": sorted(actor.permissions),
        "platform_admin": actor.platform_admin,
    }


def change_password(services: Services, claims: Claims, old: str, new: str, address: str | None) -> str:
    """Puts ``new`` in the place of ``old``, voids all of the caller's tokens, and gives him a new one. Wrong old passwords are
    throttled with his failed logins. Raises Unauthenticated, Forbidden, TooManyRequests, Invalid."""
    with services.database.read() as connection:
        authorise(connection, claims)
    passwords.checked(new)
    return login.change_password(services, claims.username, old, new, address)


def revoke(services: Services, claims: Claims, expires: datetime) -> None:
    """Voids the very token that the claims came with; ``expires`` is when it would have ended. Raises Unauthenticated."""

    def act(connection: Connection) -> None:
        actor = authorise(connection, claims)
        # Locked, so that of two that revoke one token at once the second finds it revoked.
        connection.execute(select(users.c.id).where(users.c.id == actor.user_id).with_for_update())
        authorise(connection, claims)
        connection.execute(insert(revoked_tokens).values(jti=claims.jti, expires_at=expires))
        _record(connection, services, actor, all=False)

    services.database.write(act)


def revoke_all(services: Services, claims: Claims) -> None:
    """Voids every token that the caller has, this one too. Raises Unauthenticated."""

    def act(connection: Connection) -> None:
        actor = authorise(connection, claims)
        connection.execute(update(users).where(users.c.id == actor.user_id).values(token_epoch=users.c.token_epoch + 1))
        _record(connection, services, actor, all=True)

    services.database.write(act)


def _record(connection: Connection, services: Services, actor: Actor, **details: Any) -> None:
    at = services.clock()
    record(
        connection,
        entry("revoke-token", at, workspace=actor.workspace or None, username=actor.username, issuer=actor.issuer, **details),
    )
