"""Are the bytes of an archived version what was stored? Asked before a policy may condemn it, and written down.

``HOLDFAST_VERIFY_BEFORE_DESTROY`` says of which versions: of all (``full``), of a sample (``sampled``), of none (``off``). Whether
a version is in the sample follows from its id, so that asking again does not change it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, insert, select

from holdfast import failpoints
from holdfast.database.tables import files, verifications
from holdfast.settings import Settings
from holdfast.storage.objects.hashing import sha256_of

if TYPE_CHECKING:
    from holdfast.services import Services

_BEFORE, _AFTER = "verify.record.before", "verify.record.after"
failpoints.declare(_BEFORE, _AFTER)


def verified(services: Services, version: Row[Any]) -> str | None:
    """None when ``version``, a row of ``versions``, may be condemned as far as its bytes go; else what is wrong with them. Reads
    all current files of the version, a chunk at a time. Raises StoreUnavailable, and has written nothing then."""
    hashed = is_looked_at(version.version_id, services.settings)
    problem = _problem(services, version.id) if hashed else None
    row = {"version": version.id, "at": services.clock(), "mode": "hashed" if hashed else "skipped", "problem": problem}

    def act(connection: Connection) -> None:
        connection.execute(delete(verifications).where(verifications.c.version == version.id))
        connection.execute(insert(verifications).values(row))

    failpoints.hit(_BEFORE)
    services.database.write(act)
    failpoints.hit(_AFTER)
    return problem


def is_looked_at(version_id: str, settings: Settings) -> bool:
    """Whether the bytes of the version with this id are to be hashed."""
    if settings.verify_before_destroy == "sampled":
        number = int.from_bytes(hashlib.sha256(version_id.encode()).digest()[:8])
        return number % 100 < settings.verify_sample_percent
    return settings.verify_before_destroy == "full"


def _problem(services: Services, version: int) -> str | None:
    current = select(files.c.filename, files.c.object_key, files.c.sha256).where(
        files.c.version == version, files.c.replaced_at.is_(None)
    )
    with services.database.read() as connection:
        found = connection.execute(current.order_by(files.c.id)).all()
    for file in found:
        sha256 = sha256_of(services.objects, file.object_key)
        if sha256 is None:
            return f"The bytes of {file.filename} are missing."
        if sha256 != file.sha256:
            return f"The bytes of {file.filename} are not those that were stored: sha256 {sha256} instead of {file.sha256}."
    return None
