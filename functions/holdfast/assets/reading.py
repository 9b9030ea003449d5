"""Finding versions and their files. Other workspaces' are not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, case, select, true

from holdfast.assets.names import parse_asset_path
from holdfast.audit.trail import entry, record
from holdfast.database.tables import assets, files, versions
from holdfast.errors import NotFound, Problem
from holdfast.identity.access import Actor

if TYPE_CHECKING:
    from holdfast.services import Services

_VERSION_ID = re.compile("[0-9A-Za-z]{1,64}")


def find(connection: Connection, actor: Actor, asset_path: str, version_id: str | None = None) -> Row[Any]:
    """The row of the version in the actor's workspace; without ``version_id`` the asset's newest active one. Raises NotFound, and
    Malformed for what can be no asset path."""
    return find_in(connection, actor.workspace_id, asset_path, version_id)


def find_in(connection: Connection, workspace_id: int, asset_path: str, version_id: str | None) -> Row[Any]:
    """As ``find``, in a workspace whose row id is known."""
    check_names(asset_path, version_id)
    found = select(versions).where(versions.c.workspace_id == workspace_id, versions.c.asset_path == asset_path)
    if version_id is None:
        found = found.where(versions.c.status == "active", versions.c.newest == true())
    else:
        found = found.where(versions.c.version_id == version_id)
    version = connection.execute(found).first()
    if version is None:
        raise NotFound("There is no such version." if version_id else "There is no such asset, or no version of it is active.")
    return version


def primary_filename(connection: Connection, actor: Actor, asset_path: str) -> str | None:
    """The name of the files that the asset is of; None when there is no such asset."""
    here = (assets.c.workspace_id == actor.workspace_id, assets.c.asset_path == asset_path)
    return connection.scalar(select(assets.c.primary_filename).where(*here))


def any_kept(connection: Connection, actor: Actor, asset_path: str) -> bool:
    """Whether the asset has a version that is not destroyed: then it is not new."""
    v = versions.c
    mine = (v.workspace_id == actor.workspace_id, v.status.in_(("active", "archived")), v.newest == true())
    return connection.execute(select(v.id).where(*mine, v.asset_path == asset_path).limit(1)).first() is not None


def check_names(asset_path: str, version_id: str | None = None) -> None:
    """Raises Malformed or NotFound for what cannot be there, before a database has to make sense of it."""
    parse_asset_path(asset_path)
    if version_id is not None and not _VERSION_ID.fullmatch(version_id):
        raise NotFound("There is no such version.")


def impossible(asset_path: str, version_id: str) -> Problem | None:
    """What ``check_names`` would raise."""
    try:
        check_names(asset_path, version_id)
    except Problem as problem:
        return problem
    return None


def file_of(connection: Connection, version: Row[Any], filename: str | None = None) -> Row[Any]:
    """The row of its current file of that name; of the primary one without a name. Raises NotFound."""
    found = select(files).where(files.c.version == version.id, files.c.replaced_at.is_(None))
    found = found.where(files.c.primary == true() if filename is None else files.c.filename == filename)
    file = connection.execute(found).first()
    if file is None:
        raise NotFound("The version has no such file.")
    return file


def versions_of(
    connection: Connection, actor: Actor, asset_path: str, filename: str, *, before: int | None, limit: int
) -> list[Row[Any]]:
    """The versions of an asset that have a file of that name, primary or associated, the newest first, archived and destroyed ones
    included: rows of ``versions`` with the file's ``path``, ``filename``, ``object_key``, ``file_type``, ``commit_id`` and
    ``last_modified`` besides. ``before`` is the number of the last version on the page before. Raises NotFound when no version has
    such a file."""
    check_names(asset_path)
    here = (assets.c.workspace_id == actor.workspace_id, assets.c.asset_path == asset_path)
    asset_id = connection.scalar(select(assets.c.id).where(*here))
    of_name = (versions.c.asset_id == asset_id, files.c.filename == filename, files.c.replaced_at.is_(None))
    found = (
        select(
            versions,
            files.c.path,
            files.c.filename,
            files.c.object_key.label("file_key"),
            files.c.content_type.label("file_type"),
            files.c.commit_id,
            case((files.c.upload_id == versions.c.upload_id, versions.c.upload_date), else_=files.c.stored_at).label(
                "last_modified"
            ),
        )
        .join(files, files.c.version == versions.c.id)
        .where(*of_name)
        .order_by(versions.c.number.desc())
        .limit(limit)
    )
    rows = list(connection.execute(found.where(versions.c.number < before) if before is not None else found))
    if not rows and before is None:
        raise NotFound("No version of the asset has such a file." if asset_id is not None else "There is no such asset.")
    return rows


def audit_read(services: Services, actor: Actor, operation: str, **about: Any) -> None:
    """Puts a read on the trail, where the setting says so, in a transaction of its own. ``about``: as ``trail.entry`` takes it."""
    if services.settings.audit_reads:
        row = entry(
            operation,
            services.clock(),
            workspace=actor.workspace,
            username=actor.username,
            issuer=actor.issuer,
            **about,
        )
        services.database.write(lambda connection: record(connection, row))
