"""Users of their own: whoever registers gets a workspace, and is its admin. Platform admins are made from the command line only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, RowMapping, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.audit.trail import entry, record
from holdfast.database.tables import login_failures, users, workspaces
from holdfast.errors import Conflict, Forbidden, NotFound
from holdfast.identity import invitations, names, passwords, throttle

if TYPE_CHECKING:
    from holdfast.services import Services


def register(services: Services, username: str, password: str, invitation: str | None = None) -> None:
    """A new user and his workspace, with the installation's default quota. Raises Invalid, Conflict, and Forbidden where the
    setting ``registration`` does not let him (``auto`` asks for an invitation; ``serve`` on loopback turns it into ``open``)."""
    settings = services.settings
    if settings.registration == "closed":
        raise Forbidden("Registration is closed here.", slug="registration-closed")
    make(services, username, password, None if settings.registration == "open" else (invitation or ""))


def make(services: Services, username: str, password: str, code: str | None = None) -> None:
    """As ``register``, whoever may register; ``code``: the invitation that it takes. Raises Invalid, Conflict, and Forbidden where
    the code is none."""
    now = services.clock()
    names.checked(username)
    passwords.checked(password)
    with services.database.read() as connection:
        if code is not None:
            invitations.check(connection, code, now)
        _refuse_taken(connection, username)
    kept = passwords.hashed(password)
    branch = names.branch(username)
    # Before the row that says the workspace is there: a crash in between leaves an empty branch, which the next attempt takes over.
    services.versions.create(branch)

    def act(connection: Connection) -> None:
        if code is not None:
            invitations.redeem(connection, code, username, now)
        workspace = insert(workspaces).values(
            name=branch, name_folded=names.folded(branch), quota_bytes=services.settings.default_quota_bytes, created_at=now
        )
        [workspace_id] = connection.execute(workspace).inserted_primary_key or (None,)
        connection.execute(
            insert(users).values(
                username=username,
                name_folded=names.user_key(username),
                password_hash=kept,
                workspace_id=workspace_id,
                permissions="admin",
                created_at=now,
            )
        )
        record(connection, entry("register", now, workspace=branch, username=username))

    try:
        services.database.write(act)
    except IntegrityError as error:  # another took the name since we looked
        raise _taken(username) from error


def is_platform_admin(services: Services, username: str) -> bool:
    """Whether there is a platform admin of that name. Raises DatabaseUnavailable."""
    with services.database.read() as connection:
        found = select(users.c.platform_admin).where(users.c.name_folded == names.user_key(username))
        return bool(connection.scalar(found))


def create_platform_admin(services: Services, username: str, password: str) -> None:
    """A platform admin, who has no workspace of his own. Raises Invalid and Conflict."""
    now = services.clock()
    names.checked(username)
    kept = passwords.hashed(passwords.checked(password))

    def act(connection: Connection) -> None:
        _refuse_taken(connection, username)
        connection.execute(
            insert(users).values(
                username=username, name_folded=names.user_key(username), password_hash=kept, platform_admin=True, created_at=now
            )
        )
        record(connection, entry("create-platform-admin", now, workspace=None, username=username))

    try:
        services.database.write(act)
    except IntegrityError as error:
        raise _taken(username) from error


def reset_password(services: Services, username: str, password: str) -> None:
    """Gives any user a new password, voids his tokens, and lets him log in at once. Raises Invalid and NotFound."""
    now = services.clock()
    kept = passwords.hashed(passwords.checked(password))

    def act(connection: Connection) -> None:
        user = live(connection, username)
        set_password(connection, user["id"], kept)
        cleared = update(login_failures).where(login_failures.c.subject == throttle.of_name(username))
        connection.execute(cleared.values(failures=0, blocked_until=None))
        record(connection, entry("reset-password", now, workspace=user["workspace"], username=username))

    services.database.write(act)


def live(connection: Connection, username: str) -> RowMapping:
    """The live user of exactly this name: ``id, permissions, workspace``. Raises NotFound."""
    found = connection.execute(
        select(users.c.id, users.c.permissions, workspaces.c.name.label("workspace"))
        .select_from(users.outerjoin(workspaces, workspaces.c.id == users.c.workspace_id))
        .where(users.c.name_folded == names.user_key(username), users.c.username == username)
    ).mappings()
    if (row := found.first()) is None:
        raise NotFound(f"There is no user '{username}'.")
    return row


def set_password(connection: Connection, user_id: int, kept: str) -> None:
    """Puts a hash in place and voids all tokens issued so far."""
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=kept, token_epoch=users.c.token_epoch + 1))


def name_taken(connection: Connection, username: str) -> bool:
    """Whether somebody has the name, or had a workspace by it: such a name is never given again."""
    user = select(users.c.id).where(users.c.name_folded == names.user_key(username))
    workspace = select(workspaces.c.id).where(workspaces.c.name_folded == names.folded(names.branch(username)))
    return connection.execute(select(1).where(or_(user.exists(), workspace.exists()))).first() is not None


def end(connection: Connection, now: datetime, *user_ids: int) -> None:
    """Deletes users: their tokens are void, and nobody logs in with them. The rows stay, for what refers to them."""
    connection.execute(
        update(users)
        .where(users.c.id.in_(user_ids))
        .values(deleted_at=now, name_folded=None, password_hash=None, token_epoch=users.c.token_epoch + 1)
    )


def _refuse_taken(connection: Connection, username: str) -> None:
    if name_taken(connection, username):
        raise _taken(username)


def _taken(username: str) -> Conflict:
    return Conflict(f"The name '{username}' is taken.", slug="name-taken")
