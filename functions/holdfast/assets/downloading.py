"""What a download needs to know: the version, its files, and links to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Row, select

from holdfast.assets import dates, reading
from holdfast.assets.expiry import ranks
from holdfast.assets.links import Target
from holdfast.assets.metadata import describe
from holdfast.database.portable import moment
from holdfast.database.tables import workspaces
from holdfast.errors import Forbidden, NotFound
from holdfast.identity import access
from holdfast.identity.access import Claims, authorise
from holdfast.policies import inforce
from holdfast.policies.due import Rule
from holdfast.web.content import Content

if TYPE_CHECKING:
    from holdfast.services import Services


class Found(NamedTuple):
    """A row of ``versions``, as far as a download needs it."""

    id: int
    asset_id: int
    number: int
    asset_path: str
    version_id: str
    primary_filename: str
    archive_ttl: int | None
    destroy_ttl: int | None
    upload_date: datetime
    active_since: datetime
    archive_date: datetime | None
    destroy_date: datetime | None
    purge_after: datetime | None
    status: str
    phase: str | None
    held: int
    size: int
    content_type: str
    sha256: str | None
    scan_result: str | None
    object_key: str
    file_count: int
    total_bytes: int
    labels: dict[str, str]


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


# Two columns instead of thirty: the driver spends 10 us on each column's description, and next to nothing on a longer text. The
# labels have one of their own, because MariaDB mixes no text of the JSON columns' collation with names'.
_VERSION = (
    f"SELECT JSON_ARRAY({access.COLUMNS}, {', '.join(f'v.{name}' for name in Found._fields[:-1])}) AS found, "  # noqa: S608
    f"v.labels FROM {access.TABLES} LEFT JOIN versions v "
    "ON v.workspace_id = u.workspace_id AND v.asset_path = :asset_path AND v.version_id = :version_id "
    f"WHERE {access.CONDITION}"
)
_ASSOCIATED = (
    "SELECT f.object_key, f.filename, f.content_type, f.commit_id, f.size FROM files f "
    "WHERE f.version = :version AND f.replaced_at IS NULL AND f.object_key <> :primary_key ORDER BY f.id"
)


def download(services: Services, claims: Claims, asset_path: str, version_id: str, base_url: str) -> Download:
    """The hottest read: who asks, whether he may, and the version, in one statement, and another one if there are associated files.
    Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone."""
    now = services.clock()
    impossible = reading.impossible(asset_path, version_id)
    asked = {"asset_path": "", "version_id": ""} if impossible else {"asset_path": asset_path, "version_id": version_id}
    found = services.direct.one(_VERSION, {**access.parameters(claims), **asked})
    row = json.loads(found[0]) if found else []
    actor = access.actor(row or None, claims, "download")
    assert found is not None
    if impossible or row[access.WIDTH] is None:
        raise impossible or NotFound("There is no such version.")
    version = _version([*row[access.WIDTH :], json.loads(found[1])])
    dates.check_readable(version, now)
    others: list[tuple[Target, int]] = []
    if version.file_count > 1:
        of_version = {"version": version.id, "primary_key": version.object_key}
        others = [(Target(*file[:4]), file[4]) for file in services.direct.all(_ASSOCIATED, of_version)]
    reading.audit_read(services, actor, "download", **_of(version), file=version.primary_filename)
    rules = inforce.shown_by(services.database)
    associated = [(file.filename, file.commit_id) for file, _ in others]
    metadata = describe(version, associated, actor.workspace, rules, _rank(services, version, rules))
    primary = Target(version.object_key, version.primary_filename, version.content_type, version.version_id)
    parts = []
    for n, (file, size) in enumerate([(primary, version.size), *others]):
        described = {
            "filename": file.filename,
            "content_type": file.content_type,
            "version_id": file.commit_id,
            "url": services.links.make(services.objects, actor.workspace, version, file, base_url, now),
        }
        parts.append(Part(f"associated_file_{n}" if n else "primary_file", described, file.key, size))
    return Download(metadata, parts)


def _rank(services: Services, version: Found, rules: Sequence[Rule]) -> int:
    if not any(rule.ranks for rule in rules):
        return 1
    with services.database.read() as connection:
        return ranks(connection, [version.asset_id], rules).get((version.asset_id, version.number), 1)


def _version(values: list[Any]) -> Found:
    """What the database put into JSON: moments are text there."""
    dates_at = slice(Found._fields.index("upload_date"), Found._fields.index("status"))
    values[dates_at] = [None if written is None else moment(written) for written in values[dates_at]]
    return Found._make(values)


def content(services: Services, claims: Claims, asset_path: str, version_id: str | None, filename: str | None) -> Content:
    """One file, for somebody with a token. Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "download")
        version = reading.find(connection, actor, asset_path, version_id)
        found = _content(services, connection, version, filename)
    reading.audit_read(services, actor, "content", **_of(version), file=found.filename)
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


def _of(version: Found | Row[Any]) -> dict[str, str]:
    return {"asset_path": version.asset_path, "version_id": version.version_id}
