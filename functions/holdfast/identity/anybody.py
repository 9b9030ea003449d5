"""One user for everybody who brings no token, where the setting ``auth_disabled`` says so: for demonstrations."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select

from holdfast.database.tables import users
from holdfast.errors import Conflict
from holdfast.identity import names
from holdfast.identity.access import Claims
from holdfast.identity.users import make, name_taken

if TYPE_CHECKING:
    from holdfast.services import Services

NAME = "anybody"


def claims(services: Services) -> Claims:
    """His, who is made when he is not there; nobody knows his password. Blocks. Raises Conflict once he or his workspace was
    deleted, as no name is given twice."""
    with services.database.read() as connection:
        missing = not name_taken(connection, NAME)
    if missing:
        make(services, NAME, secrets.token_urlsafe(32))
    mine = select(users.c.id, users.c.username, users.c.issuer, users.c.token_epoch).where(
        users.c.name_folded == names.user_key(NAME)
    )
    with services.database.read() as connection:
        row = connection.execute(mine).first()
    if row is None:
        raise Conflict(f"There was a user '{NAME}', who stands for whoever brings no token, and he or his workspace was deleted.")
    return Claims(row.id, row.username, row.issuer, jti="", epoch=row.token_epoch)
