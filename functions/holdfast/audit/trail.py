"""Writing the trail. ``entry`` says what happened as data; ``record`` puts any number of entries into the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.requests import request_id

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from holdfast.database.direct import Transaction

ACCESS = frozenset({"login", "list", "content", "download"})
"""Operations that change nothing but say who came and what he read: pruned after the setting ``audit_access_days``. Everything else
is an act, and stays."""

_COLUMNS = ("at", "workspace", "issuer", "username", "operation", "asset_path", "version_id", "success", "details", "request_id")
_INSERT = f"INSERT INTO audit ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"  # noqa: S608


def entry(
    operation: str,
    at: datetime,
    *,
    workspace: str | None,
    username: str | None,
    issuer: str = "",
    asset_path: str | None = None,
    version_id: str | None = None,
    success: bool = True,
    **details: Any,
) -> dict[str, Any]:
    """One row: ``operation`` in the API's words (``upload``, ``archive``, ``destroy``, ``login`` …), ``details`` free JSON."""
    return {
        "at": at,
        "workspace": workspace,
        "issuer": issuer,
        "username": username,
        "operation": operation,
        "asset_path": asset_path,
        "version_id": version_id,
        "success": success,
        "details": details,
        "request_id": request_id.get(),
    }


def record(connection: Connection, *entries: dict[str, Any] | None) -> None:
    """Adds rows to the trail, in the caller's transaction."""
    from sqlalchemy import insert  # here, because the function ``token`` starts without it

    from holdfast.database.tables import audit

    rows: Sequence[dict[str, Any]] = [row for row in entries if row is not None]
    if rows:
        connection.execute(insert(audit), list(rows))


def record_versions(connection: Connection, row: dict[str, Any], which: ColumnElement[bool]) -> None:
    """Adds ``row`` once for each of the rows of ``versions`` that ``which`` chooses, in one statement."""
    from sqlalchemy import insert, literal, select

    from holdfast.database.tables import audit, versions

    columns: dict[str, ColumnElement[Any]] = {name: literal(value, audit.c[name].type) for name, value in row.items()}
    columns |= {"asset_path": versions.c.asset_path, "version_id": versions.c.version_id}
    connection.execute(insert(audit).from_select(list(columns), select(*columns.values()).where(which).order_by(versions.c.id)))


def record_direct(transaction: Transaction, row: dict[str, Any]) -> None:
    """Adds a row to the trail, in a transaction of ``holdfast.database.direct``."""
    transaction.execute(_INSERT, {**row, "details": json.dumps(row["details"])})
