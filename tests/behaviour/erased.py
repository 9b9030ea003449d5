"""Versions on their way out, and what is left of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from tests.asgi import Http
from tests.behaviour.moments import path, upload
from tests.stacks import Stack

from holdfast.assets.verify import verify
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement

NOW: dict[str, Any] = {"undo_days": 0, "compaction_hours": 0}
"""Settings: nothing can be undone, and the store may be asked to compact at any time."""


def condemned(http: Http, name: str = "test.txt", content: bytes = b"first", *others: tuple[str, bytes]) -> dict[str, Any]:
    """A version that was uploaded, archived and destroyed."""
    version = upload(http, name, content, *others)
    return condemn(http, version)


def condemn(http: Http, version: dict[str, Any]) -> dict[str, Any]:
    for step in ("filearchive", "delfile"):
        reply = http.post(f"/{step}/{path(version)}")
        assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def row(stack: Stack, version: dict[str, Any]) -> Row[Any]:
    v = t.versions.c
    statement = select(t.versions).where(v.asset_path == version["asset_path"], v.version_id == version["version_id"])
    with stack.database.read() as connection:
        return connection.execute(statement).one()


def keys(stack: Stack, version: dict[str, Any]) -> list[str]:
    """Of all its objects, replaced ones included."""
    f = t.files.c
    with stack.database.read() as connection:
        return list(connection.scalars(select(f.object_key).where(f.version == row(stack, version).id).order_by(f.id)))


def used(stack: Stack, workspace_id: int) -> tuple[int, int]:
    w = t.workspaces.c
    with stack.database.read() as connection:
        found = connection.execute(select(w.used_bytes, w.used_versions).where(w.id == workspace_id)).one()
    return found.used_bytes, found.used_versions


def disagreements(stack: Stack) -> list[Disagreement]:
    return [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)]
