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
from holdfast.database.tables.erasures import compactions, erasures, verifications
from holdfast.database.tables.holds import hold_versions, holds
from holdfast.database.tables.quarantine import quarantine
from holdfast.database.tables.runs import policies, run_items, run_workspaces, runs
from holdfast.database.tables.seals import audit_chains, audit_seals, audit_unseen
from holdfast.database.tables.uploads import upload_parts, upload_pieces, upload_sessions
from holdfast.database.tables.usage import usage

__all__ = [
    "assets",
    "audit",
    "audit_chains",
    "audit_seals",
    "audit_unseen",
    "branches",
    "commit_entries",
    "commit_groups",
    "commits",
    "compactions",
    "erasures",
    "files",
    "hold_versions",
    "holds",
    "intents",
    "invitations",
    "jobs",
    "leases",
    "login_failures",
    "metadata",
    "policies",
    "quarantine",
    "revoked_tokens",
    "run_items",
    "run_workspaces",
    "runs",
    "strays",
    "upload_parts",
    "upload_pieces",
    "upload_sessions",
    "usage",
    "users",
    "verifications",
    "versions",
    "workspaces",
]
