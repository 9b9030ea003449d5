"""What a download needs to know: the version, its files, and links to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from holdfast.assets import dates, reading
from holdfast.assets.links import Target
from holdfast.assets.metadata import describe
from holdfast.audit.trail import entry, record
from holdfast.database.tables import workspaces
from holdfast.errors import Forbidden
from holdfast.identity.access import Actor, Claims, authorise
from holdfast.web.content import Content

if TYPE_CHECKING:
    from holdfast.services import Services


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a download: what the reply says of it, and where its bytes are. ``size`` in bytes."""

    name: str
    described: dict[str, Any]
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Download:
    """A version's metadata and its files, the primary one first."""

    metadata: dict[str, Any]
    parts: Sequence[Part]

    def as_json(self) -> dict[str, Any]:
        """The reply without content."""
        return {"metadata": self.metadata, **{part.name: part.described for part in self.parts}}


def download(services: Services, claims: Claims, asset_path: str, version_id: str, base_url: str) -> Download:
    """Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone."""
    now = services.clock()
    with services.database.read() as connection:
        actor = authorise(connection, claims, "download")
        version = reading.find(connection, actor, asset_path, version_id)
        dates.check_readable(version, now)
        others = reading.associated(connection, version)
    _audit_read(services, actor, "download", version, version.primary_filename)
    metadata = describe(version, [(file.filename, file.commit_id) for file in others], actor.workspace)
    primary = Target(version.object_key, version.primary_filename, version.content_type, version.version_id)
    named = [("primary_file", primary, version.size)]
    named += [(f"associated_file_{n}", target(file), file.size) for n, file in enumerate(others, 1)]
    parts = []
    for name, file, size in named:
        url = services.links.make(services.objects, actor.workspace, version, file, base_url, now)
        described = {
            "filename": file.filename,
            "content_type": file.content_type,
            "version_id": file.commit_id,
            "url": url,
        }
        parts.append(Part(name, described, file.key, size))
    return Download(metadata, parts)


def target(file: Row[Any]) -> Target:
    """A row of ``files`` as what a link leads to."""
    return Target(file.object_key, file.filename, file.content_type, file.commit_id)


def content(services: Services, claims: Claims, asset_path: str, version_id: str | None, filename: str | None) -> Content:
    """One file, for somebody with a token. Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "download")
        version = reading.find(connection, actor, asset_path, version_id)
        found = _content(services, connection, version, filename)
    _audit_read(services, actor, "content", version, found.filename)
    return found


def linked_content(services: Services, asset_path: str, query: Mapping[str, str]) -> Content:
    """One file, for somebody with a link of ours. Blocks. Raises Forbidden, NotFound, Gone."""
    workspace = services.links.check(asset_path, query, services.clock())
    with services.database.read() as connection:
        here = (workspaces.c.name == workspace, workspaces.c.state == "active")
        workspace_id = connection.scalar(select(workspaces.c.id).where(*here))
        if workspace_id is None:
            raise Forbidden("The link does not hold any more.", slug="bad-link")
        version = reading.find_in(connection, workspace_id, asset_path, query["version_id"])
        return _content(services, connection, version, query["file"])


def _content(services: Services, connection: Connection, version: Row[Any], filename: str | None) -> Content:
    dates.check_readable(version, services.clock())
    file = reading.file_of(connection, version, filename)
    return Content(
        key=file.object_key,
        size=file.size,
        sha256=file.sha256,
        content_type=file.content_type,
        filename=file.filename,
        modified=version.upload_date,
    )


def _audit_read(services: Services, actor: Actor, operation: str, version: Row[Any], filename: str) -> None:
    if services.settings.audit_reads:
        row = entry(
            operation,
            services.clock(),
            workspace=actor.workspace,
            username=actor.username,
            issuer=actor.issuer,
            asset_path=version.asset_path,
            version_id=version.version_id,
            file=filename,
        )
        services.database.write(lambda connection: record(connection, row))
