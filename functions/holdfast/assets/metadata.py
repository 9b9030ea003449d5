"""An asset's metadata: what every reply about a version says of it, made from its row and its files' rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, false, select

from holdfast.assets import expiry
from holdfast.clock import isoformat
from holdfast.database.tables import files, versions
from holdfast.policies import inforce
from holdfast.policies.due import Rule
from holdfast.scanning.port import Result


def describe(
    version: Any,
    associated: Iterable[tuple[str, str]],
    branch: str,
    rules: Sequence[Rule] = (),
    rank: int = 1,
    *,
    unchanged: bool = False,
) -> dict[str, Any]:
    """The metadata of ``version``, a row of ``versions``. ``associated`` are (filename, commit id) of its current associated files,
    in their order; ``rules`` the policies in force, which may ask for its ``rank``; ``unchanged`` says that an upload brought
    nothing new."""
    return {
        "asset_path": version.asset_path,
        "version_id": version.version_id,
        "primary_filename": version.primary_filename,
        "associated_filenames": [[filename, commit] for filename, commit in associated],
        "upload_date": isoformat(version.upload_date),
        "archive_date": isoformat(version.archive_date),
        "destroy_date": isoformat(version.destroy_date),
        "branch": branch,
        "status": version.status,
        "size": version.size,
        "content_type": version.content_type,
        "sha256": version.sha256,
        "scan_result": version.scan_result or Result.NOT_SCANNED,
        "labels": version.labels,
        "unchanged": unchanged,
        "phase": version.phase,
        "purge_after": isoformat(version.purge_after),
        "held": version.held > 0,
        "expires": expiry.described(expiry.expires(version, branch, rules, rank)),
    }


def describe_all(connection: Connection, branch: str, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """The metadata of all ``rows`` of ``versions``, in their order: a statement if there are associated files, and one if policies
    in force ask for ranks."""
    associated = _associated(connection, [row.id for row in rows if row.file_count > 1])
    rules = inforce.shown(connection)
    ranks = expiry.ranks(connection, {row.asset_id for row in rows}, rules)
    return [describe(row, associated.get(row.id, ()), branch, rules, ranks.get((row.asset_id, row.number), 1)) for row in rows]


def load(connection: Connection, branch: str, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The metadata of the versions with these row ids, by id: at most two statements. ``branch`` is the workspace's name."""
    rows = connection.execute(select(versions).where(versions.c.id.in_(ids))).all() if ids else []
    return dict(zip((row.id for row in rows), describe_all(connection, branch, rows), strict=True))


def _associated(connection: Connection, ids: Sequence[int]) -> Mapping[int, Sequence[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    if ids:
        current = (files.c.version.in_(ids), files.c.replaced_at.is_(None), files.c.primary == false())
        statement = select(files.c.version, files.c.filename, files.c.commit_id).where(*current).order_by(files.c.id)
        for version, filename, commit in connection.execute(statement):
            found.setdefault(version, []).append((filename, commit))
    return found
