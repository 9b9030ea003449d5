"""Are the bytes of an archived version what was stored? Asked before a policy may condemn it, and written down.

``HOLDFAST_VERIFY_BEFORE_DESTROY`` says of which versions: of all (``full``), or of a sample (``sampled``). Whether a version
is in the sample follows from its id, so that asking again does not change it. Where it is asked and the sha256 of a file
is not known yet, the version waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from holdfast import failpoints
from holdfast.database.tables import files, verifications, versions
from holdfast.database.types import among
from holdfast.database.upserting import upsert
from holdfast.settings import Settings
from holdfast.storage.objects.hashing import sha256_of

if TYPE_CHECKING:
    from holdfast.services import Services

NOT_VERIFIED, NOT_HASHED = "notVerified", "notHashed"
"""Why a run passes a version over: its bytes are not what was stored; it is not known yet what they should be."""

_BEFORE, _AFTER = "verify.record.before", "verify.record.after"
failpoints.declare(_BEFORE, _AFTER)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a version may not be condemned. ``reason``: as a run counts it; ``problem``: in a sentence."""

    reason: str
    problem: str


def unfit(services: Services, ids: Collection[int], each: Callable[[], None] = lambda: None) -> dict[int, Unfit]:
    """Of the versions with these row ids those that may not be condemned. Reads all current
    files of those that are to be looked at, a chunk at a time, and calls ``each`` after each. Raises StoreUnavailable, and has
    written nothing then."""
    with services.database.read() as connection:
        there = connection.execute(select(versions.c.id, versions.c.version_id).where(among(versions.c.id, ids))).all()
    now, rows, wrong = services.clock(), list[dict[str, Any]](), dict[int, Unfit]()
    for version in there:
        hashed = is_looked_at(version.version_id, services.settings)
        found = _look(services, version.id, each) if hashed else None
        if found is not None:
            wrong[version.id] = found
        mode = "skipped" if not hashed else "unhashed" if found is not None and found.reason == NOT_HASHED else "hashed"
        rows.append({"version": version.id, "at": now, "mode": mode, "problem": found and found.problem})

    def act(connection: Connection) -> None:
        upsert(connection, verifications, rows, lambda new: {name: new[name] for name in ("at", "mode", "problem")})

    if rows:
        failpoints.hit(_BEFORE)
        services.database.write(act)
        failpoints.hit(_AFTER)
    return wrong


def is_looked_at(version_id: str, settings: Settings) -> bool:
    """Whether the bytes of the version with this id are to be hashed."""
    if settings.verify_before_destroy == "full":
        return True
    number = int.from_bytes(hashlib.sha256(version_id.encode()).digest()[:8])
    return number % 100 < settings.verify_sample_percent


def _look(services: Services, version: int, each: Callable[[], None]) -> Unfit | None:
    current = select(files.c.filename, files.c.object_key, files.c.sha256).where(
        files.c.version == version, files.c.replaced_at.is_(None)
    )
    with services.database.read() as connection:
        found = connection.execute(current.order_by(files.c.id)).all()
    for file in found:
        if file.sha256 is None:
            return Unfit(NOT_HASHED, f"The sha256 of {file.filename} is not known yet.")
    for file in found:
        sha256 = sha256_of(services.objects, file.object_key, each)
        if sha256 is None:
            return Unfit(NOT_VERIFIED, f"The bytes of {file.filename} are missing.")
        if sha256 != file.sha256:
            said = f"sha256 {sha256} instead of {file.sha256}"
            return Unfit(NOT_VERIFIED, f"The bytes of {file.filename} are not those that were stored: {said}.")
    return None
