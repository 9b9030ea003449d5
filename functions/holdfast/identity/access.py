"""May he? Asked of the database at each request, in the transaction of the act: what was taken away is gone at once."""

from __future__ import annotations

from dataclasses import dataclass

PERMISSIONS = frozenset({"upload", "download", "list", "archive", "destroy", "admin"})
"""The rights within a workspace (000). ``admin`` includes the others, and cannot be given to a shared user."""


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
    """A user as the database knows him now, in his workspace."""

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

    def may(self, permission: str) -> bool:
        return permission in self.permissions or "admin" in self.permissions
