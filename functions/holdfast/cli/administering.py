"""``admin``: what only the operator may do, on the database directly. It needs the server's settings and no login."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli import jobbing, quarantining
from holdfast.cli.account import FromFile, FromStdin, read_password
from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.installation import Data, installation, read_settings
from holdfast.cli.output import note

if TYPE_CHECKING:
    from holdfast.database.users import Settled

app = typer.Typer(help="Platform administration, with the server's own settings.", no_args_is_help=True)

app.add_typer(quarantining.app, name="quarantine")
app.add_typer(jobbing.app, name="jobs")

NEW_PASSWORD = "HOLDFAST_NEW_PASSWORD"  # noqa: S105  the name of a variable
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_SIZE = re.compile(r"([0-9]+)\s*([KMGTP]iB|)")

User = Annotated[str, typer.Argument(help="The user's name.")]
Size = Annotated[str | None, typer.Option(metavar="SIZE", help="Bytes, or with a unit: 500MiB, 20GiB. `none` removes the limit.")]


def parse_size(text: str) -> int | None:
    """Bytes. None for ``none``. Raises Failure for what is no size."""
    if text == "none":
        return None
    if (found := _SIZE.fullmatch(text)) is None:
        raise Failure(f"A size is written 1000000, 500MiB or 20GiB, not {text!r}.", USAGE)
    return int(found[1]) * _UNITS[found[2]]


@app.command()
def create(
    user: User,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Leave a platform admin of that name as he is, his password too.")
    ] = False,
    data: Data = None,
) -> None:
    """Make a platform admin."""
    from holdfast.identity.users import create_platform_admin, is_platform_admin

    password = read_password(password_stdin, password_file, variable=NEW_PASSWORD, twice=True)
    with installation(data) as services:
        if if_missing and is_platform_admin(services, user):
            note(f"{user} is a platform admin already.")
            return
        create_platform_admin(services, user, password)
    note(f"{user} is a platform admin.")


@app.command("reset-password")
def reset_password(user: User, password_stdin: FromStdin = False, password_file: FromFile = None, data: Data = None) -> None:
    """Give any user a new password. His tokens are void then."""
    from holdfast.identity.users import reset_password

    password = read_password(password_stdin, password_file, variable=NEW_PASSWORD, twice=True)
    with installation(data) as services:
        reset_password(services, user, password)
    note(f"{user} has a new password.")


@app.command()
def quota(
    workspace: Annotated[str, typer.Argument(help="Its name, as `whoami` shows it: ada_space.")],
    total: Size = None,
    max_file: Size = None,
    data: Data = None,
) -> None:
    """Set how much a workspace may hold, and how large one file may be."""
    from holdfast.identity.workspaces import set_max_file, set_quota

    if total is None and max_file is None:
        raise Failure("Name --total, --max-file or both.", USAGE)
    limits = {name: parse_size(text) for name, text in (("total", total), ("max_file", max_file)) if text is not None}
    with installation(data) as services:
        if "total" in limits:
            set_quota(services, workspace, limits["total"])
        if "max_file" in limits:
            set_max_file(services, workspace, limits["max_file"])
    note(f"The limits of {workspace} are set.")


@app.command()
def recount(data: Data = None) -> None:
    """Make the usage counters right again: functions of an older release, during an upgrade or after a roll-back, do not count."""
    from holdfast.usage.counting import recount

    with installation(data) as services:
        changed = recount(services)
    note(f"Workspaces whose counters were wrong: {changed}.")


@app.command()
def invite(days: Annotated[int, typer.Option(min=1, max=365, help="How long the code holds.")] = 7, data: Data = None) -> None:
    """Print a code with which one person can register."""
    from holdfast.identity.invitations import create

    with installation(data) as services:
        print(create(services, days))


class Role(StrEnum):
    read = "read"
    write = "write"
    sweep = "sweep"
    purge = "purge"
    worker = "worker"
    migrate = "migrate"


@app.command()
def grants(
    role: Annotated[
        Role,
        typer.Argument(help="Whose: of functions that read, or write; of policies' runs, the purge, the worker, or migrations."),
    ],
    user: Annotated[str, typer.Option(help="The database's user, as SQL writes it.")] = "'holdfast'@'%'",
    database: Annotated[str | None, typer.Option(help="The database's name; the settings' unless given.")] = None,
) -> None:
    """Print the GRANT statements for a database user of MySQL or MariaDB with no more rights than he needs."""
    from sqlalchemy.engine import make_url

    from holdfast.database.grants import grants

    url = make_url(read_settings().database)
    name = database or (None if url.get_backend_name() == "sqlite" else url.database)
    if name is None:
        raise Failure("SQLite has no users. Name the --database, or set HOLDFAST_DATABASE_URL.", USAGE)
    print("\n".join(grants(role.value, name, user)))


@app.command("database-users")
def database_users() -> None:
    """Make the database's users of all roles what this release needs, as the owner that HOLDFAST_DATABASE_URL names. Passwords
    are HOLDFAST_DATABASE_READ_PASSWORD and so on. To be run after each `migrate`; where nothing is to be done it does nothing."""
    from typing import get_args

    import pymysql

    from holdfast.database import grants, users
    from holdfast.database.url import parse

    settings = read_settings()
    owner = parse(settings.database)
    if owner.is_sqlite or not owner.database:
        raise Failure("SQLite has no users. Set HOLDFAST_DATABASE_URL to a database of MySQL or MariaDB, and its owner.", USAGE)
    roles: tuple[grants.Role, ...] = get_args(grants.Role)
    passwords = {role: getattr(settings, f"database_{role}_password").get_secret_value() for role in roles}
    if missing := [f"HOLDFAST_DATABASE_{role.upper()}_PASSWORD" for role in roles if not passwords[role]]:
        raise Failure(f"Not set: {', '.join(missing)}.", USAGE)
    prefix, host = settings.database_user_prefix, settings.database_user_host
    wanted = {role: users.User(f"{prefix}{role}", host, passwords[role]) for role in roles}
    try:
        for done in users.settle(owner, wanted):
            note(_told(done))
    except pymysql.err.ProgrammingError as error:
        raise Failure(
            f"The database has not the tables of this version ({error.args[-1]}): `holdfast migrate` makes them."
        ) from error
    except pymysql.MySQLError as error:
        raise Failure(f"The database refuses it: {error.args[-1]}.") from error


def _told(done: Settled) -> str:
    changes = [
        *(["made"] if done.made else ["another password"] if done.password else []),
        *([f"{done.granted} rights granted"] if done.granted else []),
        *([f"{done.revoked} rights revoked"] if done.revoked else []),
    ]
    return f"{done.user}: {', '.join(changes) or 'as it should be'}."
