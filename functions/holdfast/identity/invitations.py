"""Invitation codes: each lets one person register, until it expires. What is kept is their hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, insert, select, update

from holdfast.audit.trail import entry, record
from holdfast.database.tables import invitations
from holdfast.errors import Forbidden

if TYPE_CHECKING:
    from holdfast.services import Services


def create(services: Services, days: int = 7) -> str:
    """A new code that holds for ``days`` days. It is shown once: only its hash is kept."""
    code, now = secrets.token_urlsafe(24), services.clock()
    expires = now + timedelta(days=days)

    def act(connection: Connection) -> None:
        connection.execute(insert(invitations).values(code_sha256=_hash(code), created_at=now, expires_at=expires))
        record(connection, entry("invite", now, workspace=None, username=None, expires_at=expires.isoformat()))

    services.database.write(act)
    return code


def check(connection: Connection, code: str, now: datetime) -> None:
    """Raises Forbidden unless the code could be redeemed now."""
    unused = select(invitations.c.code_sha256).where(*_open(code, now))
    if connection.execute(unused).first() is None:
        raise _refused()


def redeem(connection: Connection, code: str, username: str, now: datetime) -> None:
    """Uses the code up, in the caller's transaction. Of two who come at once one succeeds. Raises Forbidden."""
    if not connection.execute(update(invitations).where(*_open(code, now)).values(used_by=username)).rowcount:
        raise _refused()


def _open(code: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return invitations.c.code_sha256 == _hash(code), invitations.c.used_by.is_(None), invitations.c.expires_at > now


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _refused() -> Forbidden:
    return Forbidden("Registration needs an invitation that has neither been used nor expired.", slug="invitation-needed")
