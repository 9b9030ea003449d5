"""Pieces: bytes of a session that are not enough for a part yet, as small objects; and parts, once they are.

A piece is registered before it is written, and counts once it is ``kept``. Pieces that were joined into a part stay until the
session ends: then one job erases all of them.
"""

from __future__ import annotations

import logging
import secrets
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from holdfast.database.tables import upload_parts, upload_pieces
from holdfast.errors import Invalid
from holdfast.failpoints import hit
from holdfast.storage.objects import ObjectMissing, Part, writing

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

p = upload_pieces.c
TYPE = "application/octet-stream"
SAFE = ("kept", "joining", "joined")
"""States of pieces that count."""


class Damaged(Invalid):
    """What is in the store of an upload is not what was sent, and nobody but its client can send it again."""

    slug = "upload-damaged"

    def __init__(self, detail: str = "What is in the store is not what was sent. Send it again.") -> None:
        super().__init__(detail)


def write(services: Services, upload_id: str, position: int, content: memoryview) -> dict[str, Any]:
    """Stores a piece. Returns its row as it will be once it is kept. Blocks. Raises StoreUnavailable."""
    key = f"data/{upload_id}/p{secrets.token_hex(12)}"
    coming = {"upload_id": upload_id, "object_key": key, "position": position, "state": "coming"}
    hit("session.piece.before")
    services.database.write(lambda connection: connection.execute(insert(upload_pieces).values(coming)))
    hit("session.piece.after")
    stored = writing.write(services.objects.writer(key, TYPE), [content])
    return {"object_key": key, "size": stored.size, "sha256": stored.sha256, "crc32": zlib.crc32(content)}


def keep(connection: Connection, written: dict[str, Any]) -> None:
    """In the caller's transaction: the piece counts from now on."""
    values = {**written, "state": "kept"}
    connection.execute(update(upload_pieces).where(p.object_key == values.pop("object_key")).values(values))


def drop(connection: Connection, written: dict[str, Any]) -> None:
    """In the caller's transaction: the piece never counted, and never will."""
    connection.execute(update(upload_pieces).where(p.object_key == written["object_key"]).values(state="replaced"))


def kept(connection: Connection, upload_id: str) -> Sequence[Row[Any]]:
    """Pieces that are in no part yet, in their order; those whose joining may be under way, too."""
    found = select(upload_pieces).where(p.upload_id == upload_id, p.state.in_(["kept", "joining"])).order_by(p.position, p.id)
    return connection.execute(found).all()


def joined(connection: Connection, pieces: Sequence[Row[Any]], state: str = "joined") -> None:
    """In the caller's transaction: their bytes are in a part by now, or (``replaced``) others took their place."""
    if pieces:
        connection.execute(update(upload_pieces).where(p.id.in_([piece.id for piece in pieces])).values(state=state))


def read(services: Services, pieces: Sequence[Row[Any]]) -> Iterator[bytes]:
    """Their bytes, in the given order. Raises StoreUnavailable, and Damaged when one is gone, or not what it was."""
    for piece in pieces:
        digest = sha256()
        try:
            chunks = services.objects.read(piece.object_key)
        except ObjectMissing as error:
            log.exception("the piece %s is gone", piece.object_key)
            raise Damaged from error
        try:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk
        finally:
            chunks.close()
        if digest.hexdigest() != piece.sha256:
            log.error("the piece %s is damaged", piece.object_key)
            raise Damaged


def register(connection: Connection, upload_id: str, *parts: Part) -> None:
    """In the caller's transaction: parts that are in the store, or are promised to come there."""
    if parts:
        connection.execute(insert(upload_parts), [{"upload_id": upload_id, **asdict(part)} for part in parts])


def replace(connection: Connection, upload_id: str, *parts: Part) -> None:
    """As ``register``, also when the numbers were registered before."""
    forget(connection, upload_id, *(part.number for part in parts))
    register(connection, upload_id, *parts)


def forget(connection: Connection, upload_id: str, *numbers: int) -> None:
    """In the caller's transaction: the parts do not count any more."""
    connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id, upload_parts.c.number.in_(numbers)))


def parts(connection: Connection, upload_id: str) -> list[Part]:
    """Those that count, in their order."""
    found = select(upload_parts).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.number)
    return [Part(row.number, row.offset, row.size, row.sha256, row.crc32, row.tag) for row in connection.execute(found)]
