"""What each process's database user may do: least rights, as GRANT statements for MySQL and MariaDB.

``functions``  the endpoints. They add to the audit trail and read it; nobody's request can change or remove a row of it.
``worker``     what runs beside the requests (``holdfast worker``): it prunes the trail and writes its seals, and changes no row
               of it either.

Migrations need a user who may make tables.
"""

from __future__ import annotations

from typing import Literal

from holdfast.database.tables import audit, audit_chains, audit_seals, audit_unseen, metadata

Role = Literal["functions", "worker"]

_ALL = "SELECT, INSERT, UPDATE, DELETE"
_SEALS = {audit_chains.name, audit_seals.name, audit_unseen.name}


def grants(role: Role, database: str, user: str) -> list[str]:
    """The statements, one a table. ``user`` is written as SQL has it: ``'holdfast'@'%'``."""
    rights = {name: _rights(role, name) for name in sorted(metadata.tables)} | {"alembic_version": "SELECT"}
    return [f"GRANT {right} ON `{database}`.`{table}` TO {user};" for table, right in rights.items()]


def _rights(role: Role, table: str) -> str:
    if table == audit.name:
        return "SELECT, INSERT" if role == "functions" else "SELECT, INSERT, DELETE"
    return "SELECT" if table in _SEALS and role == "functions" else _ALL
