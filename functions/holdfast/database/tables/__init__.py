"""All tables, one module a subject. The migrations (``migrations/``) make them; a test says when the two differ."""

from holdfast.database.tables.base import metadata
from holdfast.database.tables.core import (
    assets,
    audit,
    branches,
    commit_entries,
    commit_groups,
    commits,
    files,
    intents,
    invitations,
    jobs,
    leases,
    login_failures,
    revoked_tokens,
    strays,
    users,
    versions,
    workspaces,
)

__all__ = [
    "assets",
    "audit",
    "branches",
    "commit_entries",
    "commit_groups",
    "commits",
    "files",
    "intents",
    "invitations",
    "jobs",
    "leases",
    "login_failures",
    "metadata",
    "revoked_tokens",
    "strays",
    "users",
    "versions",
    "workspaces",
]
