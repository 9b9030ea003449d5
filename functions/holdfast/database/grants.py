"""What the database user of each role may do on MySQL and MariaDB: least rights, as data and as GRANT statements.

    read      functions that only read. What they add is rows of the trail
    write     functions that change something, and the commands of ``holdfast admin`` that do
    sweep     a policy's run, its preview included. It can delete no row of any table
    purge     erases bytes. It deletes no row either: what was erased stays on record
    worker    what runs beside the requests; it alone removes what is kept for a while only
    migrate   makes tables and the other users; it owns the database

Of the trail nobody but the owner can change a row, and only the worker can remove one, which retention does.

A right that the release before needs stays for one release longer, as the two run side by side during an upgrade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from holdfast.database.tables import metadata

Role = Literal["read", "write", "sweep", "purge", "worker"]
Rights = Mapping[str, frozenset[str]]
"""By table, such as SELECT."""

_MIGRATE = "ALTER, CREATE, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, UPDATE"

_MORE: Mapping[Role, Mapping[str, str]] = {
    "read": {
        "INSERT": "audit",
    },
    "write": {
        "INSERT": "assets audit branches commit_entries commit_groups commits files hold_versions holds intents invitations jobs "
        "leases login_failures quarantine revoked_tokens strays upload_parts upload_pieces upload_sessions usage_counters users "
        "versions workspaces",
        "UPDATE": "assets branches commit_groups files holds intents invitations leases login_failures quarantine upload_pieces "
        "upload_sessions usage_counters users versions workspaces",
        # What a released hold covered, strays that are put back, and parts of an upload that are sent anew.
        "DELETE": "hold_versions strays upload_parts",
    },
    "sweep": {
        "INSERT": "audit leases policies run_items run_workspaces runs usage_counters verifications",
        # `assets` for their locks, as SELECT … FOR UPDATE asks for it.
        "UPDATE": "assets leases policies run_workspaces runs usage_counters verifications versions",
    },
    "purge": {
        "INSERT": "audit compactions erasures leases usage_counters",
        "UPDATE": "assets compactions erasures leases upload_sessions usage_counters versions workspaces",
    },
    "worker": {
        "INSERT": "assets audit audit_chains audit_seals audit_unseen branches commit_entries commit_groups commits files "
        "hold_versions intents jobs leases quarantine run_items run_workspaces runs strays upload_parts usage_counters "
        "verifications versions",
        "UPDATE": "assets audit_chains branches commit_groups files holds intents jobs leases quarantine run_workspaces runs "
        "upload_pieces upload_sessions usage_counters verifications versions workspaces",
        "DELETE": "audit audit_seals audit_unseen commit_groups files hold_versions intents jobs login_failures policies "
        "revoked_tokens strays upload_parts upload_pieces upload_sessions",
    },
}
"""What each role may do besides reading, by verb. ``tests/roles`` run every function and command as their roles."""


def rights(role: Role) -> Rights:
    """What the role may do, by table."""
    found = {table: {"SELECT"} for table in (*metadata.tables, "alembic_version")}
    for verbs, tables in _MORE[role].items():
        for table in tables.split():
            found[table].update(verbs.split())
    return {table: frozenset(some) for table, some in found.items()}


def grants(role: Role | Literal["migrate"], database: str, user: str) -> list[str]:
    """The statements. ``user`` is written as SQL has it: ``'holdfast'@'%'``."""
    if role == "migrate":
        return [f"GRANT CREATE USER ON *.* TO {user};", f"GRANT {_MIGRATE} ON `{database}`.* TO {user} WITH GRANT OPTION;"]
    return [f"GRANT {', '.join(sorted(some))} ON `{database}`.`{table}` TO {user};" for table, some in sorted(rights(role).items())]
