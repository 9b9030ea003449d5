"""May he? Asked of the database at each request, in the transaction of the act: what was taken away is gone at once.

One statement says it all: is there such a user, in which workspace, with which rights, and was this token revoked. It is plain SQL
that every database takes, in pieces, so that a hot read can join it with the row that it is after (``holdfast.database.direct``):

    SELECT {COLUMNS}, v.size FROM {TABLES} LEFT JOIN versions v ON v.workspace_id = u.workspace_id AND … WHERE {CONDITION}

with the parameters ``parameters(claims)``; ``actor(row, claims, "download")`` then judges the first ``WIDTH`` columns of the row,
or the absence of a row. This module imports no SQLAlchemy until ``authorise`` is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from holdfast.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause

PERMISSIONS = frozenset({"upload", "download", "list", "archive", "destroy", "admin"})
"""The rights within a workspace (000). ``admin`` includes the others, and cannot be given to a shared user."""

Need = str | frozenset[str]
"""A permission, or several of which one is enough."""

COLUMNS = (
    "u.id, u.username, u.issuer, u.token_epoch, u.permissions, u.platform_admin, "
    "w.id, w.name, w.state, w.quota_bytes, w.max_file_bytes, w.used_bytes, r.jti"
)
TABLES = "users u LEFT JOIN workspaces w ON w.id = u.workspace_id LEFT JOIN revoked_tokens r ON r.jti = :jti"
CONDITION = "u.id = :user_id AND u.deleted_at IS NULL"
WIDTH = COLUMNS.count(",") + 1
"""How many columns ``COLUMNS`` are."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that holds says: which user, and which token it is. Rights are not in it on purpose."""

    user_id: int
    username: str
    issuer: str
    jti: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Actor:
    """A user as the database knows him now, in his workspace. A platform admin without a workspace has ``workspace_id`` 0, which
    no row has, the empty ``workspace``, and no permissions."""

    user_id: int
    username: str
    issuer: str
    workspace_id: int
    workspace: str
    permissions: frozenset[str]
    platform_admin: bool
    quota_bytes: int | None
    max_file_bytes: int | None
    used_bytes: int

    def largest_file(self, otherwise: int, sent: int = 0) -> int:
        """Bytes that his next file may have: his workspace's maximum (``otherwise``, where it has none), and what its quota leaves
        after the ``sent`` ones that are not counted yet."""
        most = otherwise if self.max_file_bytes is None else self.max_file_bytes
        return most if self.quota_bytes is None else min(most, max(0, self.quota_bytes - self.used_bytes - sent))

    def may(self, permission: str) -> bool:
        return permission in self.permissions or "admin" in self.permissions


def authorise(connection: Connection, claims: Claims, *needs: Need) -> Actor:
    """The actor behind ``claims``, who has every permission in ``needs``. One SELECT. Raises Unauthenticated (no such user any
    more, his workspace is deleted, the token is revoked or older than his last password) or Forbidden."""
    row = connection.execute(_statement(), parameters(claims)).first()
    return actor(row, claims, *needs)


def parameters(claims: Claims) -> dict[str, Any]:
    """What ``TABLES`` and ``CONDITION`` have to be told."""
    return {"jti": claims.jti, "user_id": claims.user_id}


def actor(row: Sequence[Any] | None, claims: Claims, *needs: Need) -> Actor:
    """Judges a row that begins with ``COLUMNS``; None says that there was none. Raises as ``authorise`` does."""
    if row is None:
        raise Unauthenticated("There is no such user any more.")
    user_id, username, issuer, epoch, permissions, platform_admin = row[:6]
    workspace_id, workspace, state, quota_bytes, max_file_bytes, used_bytes, revoked = row[6:WIDTH]
    if (username, issuer) != (claims.username, claims.issuer):
        raise Unauthenticated("There is no such user any more.")
    if revoked is not None or epoch != claims.epoch:
        raise Unauthenticated("The token was revoked. Log in again.")
    if state not in {"active", None}:
        raise Unauthenticated("The workspace was deleted.")
    found = Actor(
        user_id=user_id,
        username=username,
        issuer=issuer,
        workspace_id=workspace_id or 0,
        workspace=workspace or "",
        permissions=frozenset(permissions.split(",")) & PERMISSIONS if workspace_id else frozenset(),
        platform_admin=bool(platform_admin),
        quota_bytes=quota_bytes,
        max_file_bytes=max_file_bytes,
        used_bytes=used_bytes or 0,
    )
    demand(found, *needs)
    return found


def demand(actor: Actor, *needs: Need) -> None:
    """Raises Forbidden unless ``actor`` has every permission in ``needs``, and one of each set of alternatives."""
    for need in needs:
        alternatives = {need} if isinstance(need, str) else need
        if not any(actor.may(permission) for permission in alternatives):
            names = "' or '".join(sorted(alternatives))
            raise Forbidden(f"This needs the permission '{names}'.", permission=min(alternatives))


@cache
def _statement() -> TextClause:
    from sqlalchemy import text

    return text(f"SELECT {COLUMNS} FROM {TABLES} WHERE {CONDITION}")  # noqa: S608  constants
