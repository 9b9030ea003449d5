"""Uploads that come another way than by a form, as resumable ones do: versions whose files' sha256 are not known yet, and what a
scanner did not let in."""

from __future__ import annotations

import zlib
from typing import Any

from sqlalchemy import Connection, select
from tests.stacks import Stack, User
from tests.waiting import until

from holdfast.assets import intents, metadata, names, quarantine
from holdfast.assets.intents import Opening, StoredFile, Storing
from holdfast.database import tables as t
from holdfast.identity.access import authorise
from holdfast.scanning.port import Verdict

RIGHT = object()
"""As ``crc32``: of the bytes themselves."""


def publish(
    stack: Stack,
    user: User,
    *files: tuple[str, bytes],
    to: dict[str, Any] | None = None,
    crc32: object = RIGHT,
    unhashed: bool = True,
) -> dict[str, Any]:
    """Publishes ``files``, the first of which is the primary one unless they are added ``to`` a version, and returns the version's
    metadata. Nothing runs in the background."""
    services = stack.own
    upload_id = store(stack, user, *files, to=to, crc32=crc32, unhashed=unhashed)
    until(lambda: services.committer.run(user.workspace_id))  # another may linger with the lease
    with stack.database.read() as connection:
        intent = connection.execute(select(t.intents).where(t.intents.c.upload_id == upload_id)).one()
        assert intent.state == "published", intent.problem
        found = metadata.load(connection, user.branch, [intent.version])[intent.version]
    return {**found, "unchanged": intent.unchanged}


def store(
    stack: Stack,
    user: User,
    *files: tuple[str, bytes],
    to: dict[str, Any] | None = None,
    crc32: object = RIGHT,
    unhashed: bool = True,
    verdict: Verdict | None = None,
) -> str:
    """As ``publish``, up to where it is stored, or not let in. Returns the upload_id."""
    services = stack.own
    with stack.database.read() as connection:
        actor = authorise(connection, services.tokens.verify(user.token))
    path = names.asset_path(files[0][0], "text/plain") if to is None else to["asset_path"]
    opening = Opening(actor, intents.ADD_FILES if to else intents.UPLOAD, path if to else "")
    [begun] = stack.database.write(lambda connection: intents.begin_all(connection, [opening], services.clock()))
    intents.reserve(stack.database, begun.upload_id, len(files))
    stored = []
    for number, (name, content) in enumerate(files):
        writer = services.objects.writer(intents.key(begun.upload_id, number), "application/octet-stream")
        view = memoryview(content)
        while view:
            view = view[writer.feed(view) :]
            writer.flush()
        done = writer.finish()
        vouched = zlib.crc32(content) if crc32 is RIGHT else crc32
        assert vouched is None or isinstance(vouched, int)
        sha256 = None if unhashed else done.sha256
        stored.append(StoredFile(number, to is None and number == 0, name, "text/plain", done.size, sha256, vouched))
    storing = Storing(begun.upload_id, actor, path, stored, target_version=None if to is None else to["version_id"])

    def act(connection: Connection) -> None:
        assert intents.store_all(connection, [storing], services.clock()) == [True]
        quarantine.take(services, connection, begun.upload_id, verdict)

    stack.database.write(act)
    return begun.upload_id


def jobs(stack: Stack, kind: str = "hash-file") -> list[tuple[str, int]]:
    """State and number of attempts of each job of the kind."""
    j = t.jobs.c
    with stack.database.read() as connection:
        rows = connection.execute(select(j.state, j.attempts).where(j.kind == kind).order_by(j.id))
        return [(row.state, row.attempts) for row in rows]


def hashes(stack: Stack, version: dict[str, Any]) -> dict[str, str | None]:
    """By name, what is registered of the version's current files."""
    f, v = t.files.c, t.versions.c
    wanted = select(f.filename, f.sha256).join(t.versions, v.id == f.version).where(f.replaced_at.is_(None))
    of_version = (v.asset_path == version["asset_path"], v.version_id == version["version_id"])
    with stack.database.read() as connection:
        return {file.filename: file.sha256 for file in connection.execute(wanted.where(*of_version))}
