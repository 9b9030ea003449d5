"""Are the bytes of an archived version what was stored? Asked before a policy may condemn it, and written down.

``HOLDFAST_VERIFY_BEFORE_DESTROY`` says of which versions: of all (``full``), of a sample (``sampled``), of none (``off``). Whether
a version is in the sample follows from its id, so that asking again does not change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from holdfast import failpoints
from holdfast.database.tables import files, verifications, versions
from holdfast.database.types import among
from holdfast.database.upserting import upsert
from holdfast.settings import Settings
from holdfast.storage.objects.hashing import sha256_of

if TYPE_CHECKING:
    from holdfast.services import Services

_BEFORE, _AFTER = "verify.record.before", "verify.record.after"
failpoints.declare(_BEFORE, _AFTER)


def unfit(services: Services, ids: Collection[int], each: Callable[[], None] = lambda: None) -> dict[int, str]:
    """Of the versions with these row ids those that may not be condemned, and what is wrong with their bytes. Reads all current
    files of those that are to be looked at, a chunk at a time, and calls ``each`` after each. Raises StoreUnavailable, and has
    written nothing then."""
    with services.database.read() as connection:
        there = connection.execute(select(versions.c.id, versions.c.version_id).where(among(versions.c.id, ids))).all()
    now, rows = services.clock(), []
    for version in there:
        hashed = is_looked_at(version.version_id, services.settings)
        problem = _problem(services, version.id, each) if hashed else None
        rows.append({"version": version.id, "at": now, "mode": "hashed" if hashed else "skipped", "problem": problem})

    def act(connection: Connection) -> None:
        upsert(connection, verifications, rows, lambda new: {name: new[name] for name in ("at", "mode", "problem")})

    if rows:
        failpoints.hit(_BEFORE)
        services.database.write(act)
        failpoints.hit(_AFTER)
    return {row["version"]: row["problem"] for row in rows if row["problem"] is not None}


def is_looked_at(version_id: str, settings: Settings) -> bool:
    """Whether the bytes of the version with this id are to be hashed."""
    if settings.verify_before_destroy == "sampled":
        number = int.from_bytes(hashlib.sha256(version_id.encode()).digest()[:8])
        return number % 100 < settings.verify_sample_percent
    return settings.verify_before_destroy == "full"


def _problem(services: Services, version: int, each: Callable[[], None]) -> str | None:
    current = select(files.c.filename, files.c.object_key, files.c.sha256).where(
        files.c.version == version, files.c.replaced_at.is_(None)
    )
    with services.database.read() as connection:
        found = connection.execute(current.order_by(files.c.id)).all()
    for file in found:
        sha256 = sha256_of(services.objects, file.object_key, each)
        if sha256 is None:
            return f"The bytes of {file.filename} are missing."
        if sha256 != file.sha256:
            return f"The bytes of {file.filename} are not those that were stored: sha256 {sha256} instead of {file.sha256}."
    return None
