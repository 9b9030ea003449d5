"""Upload sessions: what a client has begun to send, in SQL, whichever face it came by.

    open ──► completing ──► stored        its bytes are one object, and an intent of the core's write path goes on from there
      │           └───────► failed        what was promised does not hold; the session says why
      ├───────────────────► cancelled
      └───────────────────► expired

A session belongs to the user who opened it: to others it is not there. ``sequential`` ones grow at their end (tus), those of
``chunks`` are sent in pieces of one size in any order (001, 003), and become ``direct`` ones when their client would rather send
parts straight to the store.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, update

from holdfast.assets import dates, labels, names, reading
from holdfast.assets.intents import Wishes
from holdfast.database.tables import upload_sessions as s
from holdfast.database.tables import users
from holdfast.errors import Conflict, Gone, Invalid, NotFound, PreconditionFailed, TooManyRequests, file_too_large
from holdfast.failpoints import hit
from holdfast.identity.access import Actor, Claims, authorise
from holdfast.media import kind
from holdfast.uploads import points as _points  # noqa: F401  declares them
from holdfast.uploads import room

if TYPE_CHECKING:
    from holdfast.services import Services

SEQUENTIAL, CHUNKS, DIRECT = "sequential", "chunks", "direct"
PARTIAL = "partial"
"""What a partial upload of tus has as ``concat`` in its details."""
ENDED = frozenset({"cancelled", "expired", "failed"})

_ID = re.compile("[0-9a-f]{32}")
_SHA256 = re.compile("[0-9a-f]{64}")
MAX_TYPE = 255


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client says before its first byte; all of it checked. ``length`` in bytes, None: not known yet. ``details``: what the
    face keeps with the session."""

    kind: str
    filename: str = ""
    content_type: str = ""
    length: int | None = None
    chunk_size: int | None = None
    wishes: Wishes = field(default_factory=Wishes)
    must_be_new: bool = False
    promised_sha256: str | None = None
    details: Mapping[str, Any] | None = None


def wishes(archive_ttl: object, destroy_ttl: object, label_text: str | None) -> Wishes:
    """TTLs and labels as texts of a client. Raises Invalid."""
    return Wishes(
        dates.parse_ttl("archive_ttl", archive_ttl),
        dates.parse_ttl("destroy_ttl", destroy_ttl),
        labels.parse(label_text) if label_text else None,
    )


def content_type(given: str) -> str:
    """A media type as the client says it, no more than a hint. Raises Invalid for what cannot be kept."""
    if len(given) > MAX_TYPE or not given.isascii() or not given.isprintable():
        raise Invalid(f"A content type is at most {MAX_TYPE} printable ASCII characters.", field="content_type")
    return given


def sha256(given: str | None, field: str = "sha256") -> str | None:
    """A hash in hex that a client promises, in lower case. Raises Invalid."""
    if not given:
        return None
    if not _SHA256.fullmatch(given.lower()):
        raise Invalid(f"{field} is 64 hexadecimal digits.", field=field)
    return given.lower()


def open_session(services: Services, claims: Claims, opening: Opening, *joins: str) -> Row[Any]:
    """Opens a session, which will have the bytes of the uploads that it ``joins``, and returns its row. Blocks. Raises
    Unauthenticated, Forbidden, TooLarge (above the largest file, or what the quota and other unfinished uploads leave),
    TooManyRequests (too many open ones), and as ``check_place`` does, unless it is a partial upload of tus."""
    return open_limited(services, claims, opening, *joins)[0]


def open_limited(services: Services, claims: Claims, opening: Opening, *joins: str) -> tuple[Row[Any], int]:
    """As ``open_session``, and the most bytes that its file may have."""
    now = services.clock()
    upload_id = secrets.token_hex(16)
    partial = (opening.details or {}).get("concat") == PARTIAL
    row = {
        "upload_id": upload_id,
        "kind": opening.kind,
        "state": "open",
        "filename": opening.filename,
        "content_type": opening.content_type,
        "length": opening.length,
        "chunk_size": opening.chunk_size,
        "promised_sha256": opening.promised_sha256,
        "archive_ttl": opening.wishes.archive_ttl,
        "destroy_ttl": opening.wishes.destroy_ttl,
        "labels": opening.wishes.labels,
        "must_be_new": opening.must_be_new,
        "details": dict(opening.details) if opening.details is not None else None,
        "created_at": now,
        "expires_at": expiry(services, now),
    }

    def act(connection: Connection) -> tuple[Row[Any], int]:
        actor = authorise(connection, claims, "upload")
        most = actor.largest_file(services.settings.max_file_bytes)
        if opening.length is not None and opening.length > most:
            raise file_too_large(most)
        left = room.left(connection, actor, *joins)
        if left is not None and (opening.length or 0) > left:
            raise room.exceeded()
        if opening.filename and not partial:
            check_place(connection, actor, opening.filename, opening.content_type, opening.must_be_new)
        # Of two that open one at once the second counts what the first has opened.
        connection.execute(select(users.c.id).where(users.c.id == actor.user_id).with_for_update())
        mine = (s.c.workspace_id == actor.workspace_id, s.c.user_id == actor.user_id, s.c.state == "open")
        if (connection.scalar(select(func.count()).where(*mine)) or 0) >= services.settings.upload_sessions:
            raise TooManyRequests(
                f"There are {services.settings.upload_sessions} unfinished uploads. Finish or cancel one of them.",
                slug="too-many-uploads",
                retry_after=60,
            )
        connection.execute(insert(s).values({**row, "workspace_id": actor.workspace_id, "user_id": actor.user_id}))
        return known(connection, upload_id), most if left is None else min(most, left)

    hit("session.open.before")
    opened = services.database.write(act)
    hit("session.open.after")
    return opened


def check_place(connection: Connection, actor: Actor, filename: str, content_type: str, must_be_new: bool) -> None:
    """Whether a file may live where its name says that it will: when its bytes say another type, that is found out at the end.
    Raises Conflict (a file of another name lives there), PreconditionFailed (it must be new, and is there already)."""
    path = names.asset_path(filename, kind.content_type(filename, b"", content_type))
    other = reading.primary_filename(connection, actor, path)
    if other not in (None, filename):
        raise Conflict(
            f"{path} already holds a file of another name. Rename the file: two names never share an asset path.",
            slug="name-collision",
            asset_path=path,
        )
    if must_be_new and reading.any_kept(connection, actor, path):
        raise PreconditionFailed(f"{path} is already there.", asset_path=path)


def expiry(services: Services, now: datetime) -> datetime:
    """Until when a session that brought bytes now is kept."""
    return now + timedelta(seconds=services.settings.upload_expiry)


def find(connection: Connection, claims: Claims, upload_id: str, *, lock: bool = False) -> tuple[Actor, Row[Any]]:
    """The session, and who asks: its owner. Raises Unauthenticated, Forbidden, NotFound."""
    actor = authorise(connection, claims, "upload")
    if not _ID.fullmatch(upload_id):
        raise NotFound("There is no such upload.")
    row = load(connection, upload_id, lock=lock)
    if row is None or (row.workspace_id, row.user_id) != (actor.workspace_id, actor.user_id):
        raise NotFound("There is no such upload.")
    return actor, row


def load(connection: Connection, upload_id: str, *, lock: bool = False) -> Row[Any] | None:
    """The session, whoever asks."""
    query = select(s).where(s.c.upload_id == upload_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def known(connection: Connection, upload_id: str) -> Row[Any]:
    """A session that is there."""
    row = load(connection, upload_id)
    assert row is not None
    return row


def check_open(row: Row[Any], now: datetime) -> None:
    """Raises Gone for one whose time is over or that was cancelled, Conflict for one that takes no more bytes."""
    if row.state in ENDED or (row.state == "open" and row.expires_at <= now):
        raise Gone("The upload was cancelled, failed, or has expired.", slug="upload-ended")
    if row.state != "open":
        raise Conflict("The upload is complete.", slug="upload-complete")


def state_is(upload_id: str, *states: str) -> tuple[Any, ...]:
    """Conditions of a compare-and-set."""
    return (s.c.upload_id == upload_id, s.c.state.in_(states))


def give_number(connection: Connection, upload_id: str, epoch: int) -> int | None:
    """The next part number, to be used once; None when a later writer has taken over."""
    mine = (*state_is(upload_id, "open", "completing"), s.c.epoch == epoch)
    if not connection.execute(update(s).where(*mine).values(numbers=s.c.numbers + 1)).rowcount:
        return None
    return connection.scalar(select(s.c.numbers).where(s.c.upload_id == upload_id))
