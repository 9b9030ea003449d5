"""Uploads as 001 and 003 know them: a file with an id, which may need a credential to be read, and may belong to a group.

A file is its session, which is kept for it; what its client said of it is in the session's ``details``. A credential is kept as a
hash only, as passwords are, and never repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select, true, update

from holdfast.assets import reading
from holdfast.assets.acting import act
from holdfast.assets.dates import check_readable
from holdfast.assets.links import Target
from holdfast.assets.transitions import Archive, Destroy
from holdfast.clock import isoformat
from holdfast.database import leases
from holdfast.database.tables import intents as i
from holdfast.database.tables import quarantine as q
from holdfast.database.tables import upload_sessions as s
from holdfast.database.tables import versions as v
from holdfast.database.tables import workspaces
from holdfast.errors import Conflict, Forbidden, Gone, Invalid, NotFound, Problem
from holdfast.identity import passwords
from holdfast.identity.access import Actor, Claims, authorise, demand
from holdfast.scanning.port import Result
from holdfast.uploads import abandoned, ending, finishing, outcome, sessions, unfinished
from holdfast.uploads.outcome import Outcome, Progress

if TYPE_CHECKING:
    from holdfast.services import Services

STATUS: Mapping[Progress, str] = {
    "open": "PENDING",
    "working": "STARTED",
    "done": "SUCCESS",
    "failed": "FAILURE",
    "ended": "FAILURE",
}
"""001's words."""
EXAMPLE: Mapping[str, Any] = {
    "id": "0f8fad5bd9cb469fa16570867728950e",
    "upload_id": "0f8fad5bd9cb469fa16570867728950e",
    "path": "video/mp4/film",
    "filename": "film.mp4",
    "size": 2000000,
    "content_type": "video/mp4",
    "detail": {"scene": 7},
    "credential": False,
    "download_url": "https://holdfast.example.org/api/v1/file/link/0f8fad5bd9cb469fa16570867728950e?signature=5d41402a",
    "status": "SUCCESS",
    "asset_path": "video/mp4/film",
    "version_id": "9f86d081884c7d659a2feaa0c55ad015",
    "sha256": None,
    "scan_result": "clean",
    "appointment_id": None,
    "user_id": None,
    "created_at": "2026-11-21T14:03:00.000000+00:00",
}
"""A file as ``described`` has it."""
STATUS_EXAMPLE: Mapping[str, Any] = {
    "status": "STARTED",
    "progress": {"received": 2000000, "size": 2000000, "step": "storing"},
}
"""What ``status`` says of it before."""
LINK_MINUTES = 5
MOST_PAIRS, MOST_CHARACTERS = 32, 1000
MOST_LEVELS = 24
"""Of a JSON object. MariaDB takes no more than 32, with those that are around it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file: its session, and what has become of it."""

    session: Row[Any]
    outcome: Outcome

    @property
    def private(self) -> bool:
        return bool((self.session.details or {}).get("credential"))


def credential(given: Mapping[str, Any]) -> str | None:
    """A credential's pairs as the text that is hashed; None when there are none. Raises Invalid."""
    pairs = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    text = json.dumps(pairs, sort_keys=True, separators=(",", ":"))
    if len(pairs) > MOST_PAIRS or len(text) > MOST_CHARACTERS:
        raise Invalid(f"A credential has at most {MOST_PAIRS} pairs and {MOST_CHARACTERS} characters.", field="credential")
    return text if pairs else None


def json_object(name: str, text: str | None) -> dict[str, Any]:
    """A field that holds a JSON object, as every database keeps it and every reader is told it; an empty one when it is missing.
    Raises Invalid."""
    if not text:
        return {}
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()  # neither NaN nor half a surrogate pair is in JSON
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid(f"{name} is a JSON object.", field=name)
    if _depth(found) > MOST_LEVELS:
        raise Invalid(f"{name} has at most {MOST_LEVELS} levels.", field=name)
    return found


def _depth(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


def find(
    services: Services, connection: Connection, claims: Claims, file_id: str, permission: str, *, of_open: str | None = None
) -> tuple[Actor, Record]:
    """Who asks, and the file, or an upload of his own in chunks or parts that takes bytes. ``of_open``: a permission that is enough
    for the latter. Raises Unauthenticated, Forbidden, NotFound."""
    either = frozenset({permission, of_open or permission})
    actor = authorise(connection, claims, either)
    takes_bytes = and_(s.c.state == "open", s.c.expires_at > services.clock())  # what has expired is not there, swept away or not
    opened = and_(takes_bytes, s.c.user_id == actor.user_id, s.c.kind.in_((sessions.CHUNKS, sessions.DIRECT)))
    mine = (s.c.upload_id == file_id, s.c.workspace_id == actor.workspace_id, or_(s.c.kept == true(), opened))
    session = connection.execute(select(s).where(*mine)).first() if len(file_id) == 32 and file_id.isascii() else None
    demand(actor, either if session is not None and session.state == "open" else permission)
    if session is None:
        raise NotFound("There is no such file.")
    return actor, Record(session, outcome.of(connection, session))


def get(
    services: Services, claims: Claims, file_id: str, given: str | None, base_url: str, permission: str = "download"
) -> dict[str, Any]:
    """A file as its reader sees it, with a fresh link if he may download. Blocks. Raises as ``find`` does, and Forbidden without
    its credential."""
    with services.database.read() as connection:
        actor, record = find(services, connection, claims, file_id, permission)
    check(record, given)
    return described(services, actor.workspace, record, base_url, permitted=actor.may("download"))


def completed(services: Services, claims: Claims, upload_id: str, given: str | None, base_url: str) -> dict[str, Any]:
    """As ``get``, for who has completed the upload, whether it is listed or not; with the metadata of its version as ``asset``."""
    with services.database.read() as connection:
        actor, session = sessions.find(connection, claims, upload_id)
        record = Record(session, outcome.of(connection, session))
    check(record, given)
    file = described(services, actor.workspace, record, base_url, permitted=actor.may("download"))
    return {**file, "asset": record.outcome.metadata}


def status(services: Services, claims: Claims, file_id: str, given: str | None) -> dict[str, Any]:
    """How far a file is, with its ``progress`` until it is a version or has failed. Blocks. Raises as ``get`` does."""
    with services.database.read() as connection:
        _, record = find(services, connection, claims, file_id, "list")
        came = unfinished.received(connection, [record.session])
    check(record, given)
    found: dict[str, Any] = {"status": STATUS[record.outcome.progress]}
    if (problem := record.outcome.problem) is not None:
        found |= {"detail": problem.detail, "problem": problem.slug}
    elif record.outcome.progress in ("open", "working"):
        step = unfinished.STEPS[record.session.state]
        found["progress"] = {"received": came[file_id], "size": record.session.length, "step": step}
    return found


def check(record: Record, given: str | None) -> None:
    """Of a private file, whether this is its credential; a public one has none to check. Raises Forbidden."""
    kept = (record.session.details or {}).get("credential")
    if kept and not passwords.verify(given or "", kept):
        raise Forbidden("The file needs its credential.", slug="credential")


def described(services: Services, workspace: str, record: Record, base_url: str, *, permitted: bool) -> dict[str, Any]:
    """001's fields, and ours. ``permitted``: whether its reader has shown the credential, if it needs one."""
    session, metadata = record.session, record.outcome.metadata
    details = session.details or {}
    url = None
    if session.kept and metadata is not None and metadata["status"] != "destroyed":
        if not record.private:
            url = f"{base_url}/api/v1/file/link/{session.upload_id}?signature={services.links.lasting(session.upload_id)}"
        elif permitted:
            url = _link(services, workspace, session, metadata, base_url)
    return {
        "id": session.upload_id,
        "upload_id": session.upload_id,
        "path": metadata["asset_path"] if metadata else None,
        "filename": session.filename,
        "size": session.length,
        "content_type": metadata["content_type"] if metadata else session.content_type,
        "detail": details.get("detail"),
        "credential": record.private,
        "download_url": url,
        "status": STATUS[record.outcome.progress],
        "asset_path": metadata["asset_path"] if metadata else None,
        "version_id": metadata["version_id"] if metadata else None,
        "sha256": metadata["sha256"] if metadata else session.promised_sha256,
        "scan_result": metadata["scan_result"] if metadata else None,
        "appointment_id": session.appointment_id,
        "user_id": session.owner,
        "created_at": isoformat(session.created_at),
    }


def _link(services: Services, workspace: str, session: Row[Any], metadata: Mapping[str, Any], base_url: str) -> str:
    with services.database.read() as connection:
        version = reading.find_in(connection, session.workspace_id, metadata["asset_path"], metadata["version_id"])
        file = reading.file_of(connection, version)
    check_readable(version, services.clock())
    target = Target(file.object_key, file.filename, file.content_type, file.commit_id)
    return services.links.make(services.objects, workspace, version, target, base_url, services.clock(), minutes=LINK_MINUTES)


def public_link(services: Services, file_id: str, signature: str, base_url: str) -> str:
    """Where a public file's lasting link leads now: to a link of a few minutes. Blocks. Raises Forbidden, NotFound, Gone."""
    services.links.check_lasting(file_id, signature)
    with services.database.read() as connection:
        session = connection.execute(select(s).where(s.c.upload_id == file_id, s.c.kept == true())).first()
        record = Record(session, outcome.of(connection, session)) if session is not None else None
        here = (workspaces.c.id == session.workspace_id, workspaces.c.state == "active") if session is not None else None
        workspace = connection.scalar(select(workspaces.c.name).where(*here)) if here is not None else None
    if record is None or workspace is None or record.outcome.metadata is None or record.private:
        raise NotFound("There is no such file.")
    if record.outcome.metadata["status"] == "destroyed":
        raise Gone("The file is gone.")
    return _link(services, workspace, record.session, record.outcome.metadata, base_url)


def listed(
    services: Services,
    claims: Claims,
    base_url: str,
    *,
    before: int | None,
    limit: int,
    appointment_id: str | None,
    owner: str | None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Files of the workspace, the newest first, and where the next page begins. Links of private ones are not in it. Blocks."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "list")
        query = select(s).where(*shown(actor, appointment_id=appointment_id, owner=owner))
        if before is not None:
            query = query.where(s.c.id < before)
        rows = connection.execute(query.order_by(s.c.id.desc()).limit(limit + 1)).all()
        became = outcome.of_all(connection, rows[:limit])
    records = [Record(row, became[row.upload_id]) for row in rows[:limit]]
    items = [described(services, actor.workspace, record, base_url, permitted=False) for record in records]
    return items, rows[limit - 1].id if len(rows) > limit else None


def shown(actor: Actor, *, appointment_id: str | None = None, owner: str | None = None) -> tuple[ColumnElement[bool], ...]:
    """Which sessions are the files that lists of the workspace show, all or only those of a group or of an owner: not those whose
    version is destroyed, until it is restored, nor those that hold malware, unless they were released."""
    destroyed = exists().where(v.c.upload_id == s.c.upload_id, v.c.status == "destroyed")
    # An upload that brought nothing new is a file of the version that was there.
    found = exists().where(
        i.c.upload_id == s.c.upload_id, v.c.id == i.c.version, i.c.unchanged == true(), v.c.status == "destroyed"
    )
    infected = exists().where(q.c.upload_id == s.c.upload_id, q.c.result == Result.INFECTED.value, q.c.state != "released")
    mine = (s.c.workspace_id == actor.workspace_id, s.c.kept == true(), s.c.state != "cancelled")
    wanted = ((s.c.appointment_id, appointment_id), (s.c.owner, owner))
    narrowed = [column == value for column, value in wanted if value is not None]
    return (*mine, *narrowed, ~destroyed, ~found, ~infected)


def remove(services: Services, claims: Claims, file_id: str, given: str | None) -> None:
    """Cancels an upload that is open, for which the right to upload is enough, or that nobody finishes any more; archives and
    destroys the version that came of it, which can be restored as any other, and stays as it is if a hold covers it; forgets one
    that failed. Blocks. Raises Unauthenticated, Forbidden, NotFound, Conflict, Held."""
    with services.database.read() as connection:
        _, record = find(services, connection, claims, file_id, "destroy", of_open="upload")
    check(record, given)
    metadata = record.outcome.metadata
    if metadata is None:
        if record.session.state == "open" and ending.end(services, file_id, "cancelled", "open"):
            return
        if record.outcome.progress in ("open", "working"):  # an open one was completed, or ended, since it was looked at
            raise abandoned.being_finished()
        if record.session.state == "completing":
            abandoned.cancel(services, file_id)
        forget = update(s).where(s.c.upload_id == file_id).values(kept=False)
        services.database.write(lambda connection: connection.execute(forget))
        return
    if metadata["status"] == "active":
        act(services, claims, metadata["asset_path"], metadata["version_id"], Archive(to_destroy=True))
    if metadata["status"] != "destroyed":
        act(services, claims, metadata["asset_path"], metadata["version_id"], Destroy())


def retry(services: Services, claims: Claims, file_id: str, given: str | None) -> Row[Any]:
    """The session of an upload that is complete and was not finished, because the store was away, say: it is to be finished now.
    Blocks. Raises Conflict when it is not complete, AlreadyDone when it is done or somebody is at it, Gone when it failed for good
    and nothing is left of it, and as ``find`` does."""
    with services.database.read() as connection:
        _, record = find(services, connection, claims, file_id, "upload")
        running = leases.taken(connection, finishing.lease(file_id))
    check(record, given)
    if record.session.state == "completing" and not running:
        return record.session
    if record.outcome.progress == "open":
        raise Conflict("The upload is not complete yet: send what is missing, and complete it.", slug="upload-open")
    if record.outcome.progress in ("done", "working"):
        raise AlreadyDone("The upload is done, or being finished.")
    raise Gone("The upload failed, and what was sent is not kept. Begin again.", slug="upload-ended")


class AlreadyDone(Problem):
    status, slug, title = 400, "not-failed", "Not failed"
