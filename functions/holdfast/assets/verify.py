"""Does the registry say what is so? Compares it with the commits and the bytes, and itself with itself. Changes nothing.

Every version that is not being erased: its files' objects are there with their size (``deep``: with their sha256, or their CRC-32
where that is all that is known), and the commit that is said to have brought a file holds it. Of one that is being purged some may
be there, of an erased one none. Every object in the store belongs to a file or to an upload under way; what the quarantine keeps is
there. The counters, those of holds among them, and the ``newest`` marks are what counting and looking give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, and_, case, func, or_, select, true

from holdfast.assets import hashing
from holdfast.assets.forming import entry_of
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement, Remark
from holdfast.storage.objects.hashing import sums_of
from holdfast.usage import counting

if TYPE_CHECKING:
    from holdfast.services import Services

BATCH = 500


def verify(services: Services, *, deep: bool = False) -> Iterator[Disagreement | Remark | int]:
    """Yields each disagreement, after each batch the number of files looked at so far (for progress), and remarks about what could
    not be looked at. Raises StoreUnavailable, DatabaseUnavailable. An object that appears or goes while it runs is looked at again
    before it is called wrong."""
    yield from _files(services, deep)
    yield from _orphans(services)
    yield from _counters(services)
    yield from _quarantined(services)
    yield from _newest(services)
    yield from _held(services)
    yield from _usage(services)


def _files(services: Services, deep: bool) -> Iterator[Disagreement | Remark | int]:
    seen, last, unhashed = 0, 0, 0
    f, v = t.files.c, t.versions.c
    while True:
        statement = (
            select(t.files, v.version_id, v.asset_path, v.phase, t.workspaces.c.name.label("workspace"))
            .join(t.versions, v.id == f.version)
            .join(t.workspaces, t.workspaces.c.id == f.workspace_id)
            .where(f.id > last, or_(v.phase.is_(None), v.phase == "condemned"))
            .order_by(f.id)
            .limit(BATCH)
        )
        with services.database.read() as connection:
            batch = connection.execute(statement).all()
        for file in batch:
            yield from _file(services, file, deep)
        if not batch:
            break
        seen, last = seen + len(batch), batch[-1].id
        unhashed += sum(file.sha256 is None for file in batch)
        yield seen
    if unhashed:
        yield Remark(f"The sha256 of {unhashed} files is not known yet.")


def _file(services: Services, file: Row[Any], deep: bool) -> Iterator[Disagreement]:
    subject = f"{file.workspace}: {file.path} {file.version_id}"
    size = services.objects.size(file.object_key)
    if size is None and _is_being_erased(services, file.version):
        return
    if size is None:
        yield Disagreement("bytes-missing", subject, f"no object {file.object_key}")
    elif size != file.size:
        yield Disagreement("size-differs", subject, f"{size} bytes, registered are {file.size}")
    elif deep:
        yield from _bytes(services, file, subject)
    if file.sha256 is None:
        with services.database.read() as connection:
            told = hashing.mismatches(connection, file)
        yield from (Disagreement(hashing.MISMATCH, subject, f"when it was to be hashed: {problem}") for problem in told)
    entry = services.versions.entry(file.commit_id, file.workspace, file.path)
    if entry is None:
        yield Disagreement("commit-lacks-file", subject, f"commit {file.commit_id} has nothing at the path")
    elif replace(entry, sha256=entry.sha256 or file.sha256) != entry_of(file):  # it may have been made before the hash was known
        yield Disagreement("commit-differs", subject, f"commit {file.commit_id} holds {entry.key} of upload {entry.upload_id}")


def _bytes(services: Services, file: Row[Any], subject: str) -> Iterator[Disagreement]:
    sums = sums_of(services.objects, file.object_key)
    if file.sha256 is not None and (found := sums and sums.sha256) != file.sha256:
        yield Disagreement("hash-differs", subject, f"sha256 {found or 'of nothing'}, registered is {file.sha256}")
    elif file.crc32 is not None and (found_crc := sums and sums.crc32) != file.crc32:
        said = "of nothing" if found_crc is None else f"{found_crc:08x}"
        yield Disagreement("checksum-differs", subject, f"CRC-32 {said}, registered is {file.crc32:08x}")


def _is_being_erased(services: Services, version: int) -> bool:
    with services.database.read() as connection:
        return connection.scalar(select(t.versions.c.phase).where(t.versions.c.id == version)) in ("purging", "erased")


def _orphans(services: Services) -> Iterator[Disagreement]:
    keys = iter(services.objects.keys("data/"))
    while batch := list(islice(keys, BATCH)):
        for key, erased in _unknown(services, batch):
            if services.objects.size(key) is None:
                continue
            if erased:
                yield Disagreement("not-erased", key, "an object of a version that is said to be erased")
            else:
                yield Disagreement("orphan", key, "an object that nothing in the registry knows")


def _unknown(services: Services, keys: Sequence[str]) -> list[tuple[str, bool]]:
    """Those of the keys that belong neither to a version nor to an upload that is under way or being erased, and whether they
    belonged to a version that is erased."""
    by_upload = {key: key.split("/")[1] for key in keys if key.count("/") == 2}
    with services.database.read() as connection:
        owned = {
            key: phase == "erased"
            for key, phase in connection.execute(
                select(t.files.c.object_key, t.versions.c.phase)
                .join(t.versions, t.versions.c.id == t.files.c.version)
                .where(t.files.c.object_key.in_(keys))
            )
        }
        unerased = select(t.files.c.id).where(t.files.c.upload_id == t.intents.c.upload_id, t.files.c.version.is_(None)).exists()
        busy = set(
            connection.scalars(
                select(t.intents.c.upload_id).where(
                    t.intents.c.upload_id.in_(set(by_upload.values())),
                    or_(
                        t.intents.c.state.in_(["open", "stored", "grouped", "quarantined", "failed"]),
                        and_(t.intents.c.unchanged == true(), unerased),
                    ),
                )
            )
        )
        session = t.upload_sessions.c
        busy.update(
            connection.scalars(
                select(session.upload_id).where(session.upload_id.in_(set(by_upload.values())), session.erased_at.is_(None))
            )
        )
    return [(key, key in owned) for key in keys if owned.get(key, by_upload.get(key) not in busy)]


def _quarantined(services: Services) -> Iterator[Disagreement]:
    """What is said to be kept is there, and nothing else is."""
    q, i, f = t.quarantine.c, t.intents.c, t.files.c
    kept = select(q.upload_id).where(q.state == "kept")
    held = select(i.upload_id).where(i.state == "quarantined")
    with services.database.read() as connection:
        differing = connection.execute(
            select(i.upload_id, i.state).where(or_(i.upload_id.in_(kept), i.state == "quarantined"))
            .where(or_(i.state != "quarantined", i.upload_id.not_in(kept)))
        ).all()  # fmt: skip
        files = connection.execute(select(f.object_key, f.size, f.upload_id).where(f.upload_id.in_(held)).order_by(f.id)).all()
    for row in differing:
        yield Disagreement("quarantine-differs", row.upload_id, f"the upload is {row.state}, which the quarantine does not say")
    for file in files:
        size = services.objects.size(file.object_key)
        if size != file.size and _is_quarantined(services, file.upload_id):
            yield Disagreement("quarantine-differs", file.object_key, f"{size} bytes are there, registered are {file.size}")


def _is_quarantined(services: Services, upload_id: str) -> bool:
    with services.database.read() as connection:
        return connection.scalar(select(t.intents.c.state).where(t.intents.c.upload_id == upload_id)) == "quarantined"


def _counters(services: Services) -> Iterator[Disagreement]:
    w, v = t.workspaces.c, t.versions.c
    stored = case((or_(v.phase.is_(None), v.phase != "erased"), v.total_bytes), else_=0)
    kept = case((v.id.is_(None), 0), (or_(v.phase.is_(None), v.phase != "erased"), 1), else_=0)  # without id: an empty workspace
    statement = (
        select(
            w.name,
            w.used_bytes,
            w.used_versions,
            func.coalesce(func.sum(stored), 0).label("bytes"),
            func.coalesce(func.sum(kept), 0).label("versions"),
        )
        .join(t.versions, v.workspace_id == w.id, isouter=True)
        .group_by(w.id, w.name, w.used_bytes, w.used_versions)
    )
    with services.database.read() as connection:
        for row in connection.execute(statement):
            if (row.used_bytes, row.used_versions) != (int(row.bytes), int(row.versions)):
                counted, said = f"{row.bytes} bytes in {row.versions}", f"{row.used_bytes} bytes in {row.used_versions}"
                yield Disagreement("counter-differs", row.name, f"{counted} versions, the counters say {said}")


def _newest(services: Services) -> Iterator[Disagreement]:
    v = t.versions.c
    top = select(v.asset_id, v.status, func.max(v.number).label("number")).group_by(v.asset_id, v.status).subquery("top")
    statement = (
        select(v.asset_path, v.version_id, v.newest, v.number, top.c.number.label("highest"), t.workspaces.c.name)
        .join(top, (top.c.asset_id == v.asset_id) & (top.c.status == v.status))
        .join(t.workspaces, t.workspaces.c.id == v.workspace_id)
        .where(v.newest != case((v.number == top.c.number, 1), else_=0))
    )
    with services.database.read() as connection:
        for row in connection.execute(statement):
            subject = f"{row.name}: {row.asset_path} {row.version_id}"
            yield Disagreement("newest-differs", subject, f"number {row.number}, the highest of its status is {row.highest}")


def _held(services: Services) -> Iterator[Disagreement]:
    v = t.versions.c
    counted = select(t.hold_versions.c.version, func.count().label("holds")).group_by(t.hold_versions.c.version).subquery()
    holds = func.coalesce(counted.c.holds, 0)
    statement = (
        select(v.asset_path, v.version_id, v.held, holds.label("holds"), t.workspaces.c.name)
        .join(counted, counted.c.version == v.id, isouter=True)
        .join(t.workspaces, t.workspaces.c.id == v.workspace_id)
        .where(v.held != holds)
    )
    with services.database.read() as connection:
        for row in connection.execute(statement):
            subject = f"{row.name}: {row.asset_path} {row.version_id}"
            yield Disagreement("held-differs", subject, f"{row.holds} holds cover it, the counter says {row.held}")


def _usage(services: Services) -> Iterator[Disagreement]:
    with services.database.read() as connection:
        right, said = counting.counted(connection), counting.said(connection)
        wrong = sorted(key for key in right.keys() | said.keys() if right.get(key) != said.get(key))
        names = {row.id: row.name for row in connection.execute(select(t.workspaces.c.id, t.workspaces.c.name))} if wrong else {}
    for key in wrong:
        (versions, size), (its_versions, its_size) = right.get(key, (0, 0)), said.get(key, (0, 0))
        detail = f"{size} bytes in {versions} versions, the counter says {its_size} bytes in {its_versions}"
        yield Disagreement("usage-differs", f"{names[key[0]]}: {key[1]} {key[2]}", detail)
