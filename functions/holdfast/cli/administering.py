"""``admin``: what only the operator may do, on the database directly. It needs the server's settings and no login."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from holdfast.cli.account import FromFile, FromStdin, read_password
from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.installation import Data, installation, read_settings
from holdfast.cli.output import note

app = typer.Typer(help="Platform administration, with the server's own settings.", no_args_is_help=True)

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
def create(user: User, password_stdin: FromStdin = False, password_file: FromFile = None, data: Data = None) -> None:
    """Make a platform admin."""
    from holdfast.identity.users import create_platform_admin

    password = read_password(password_stdin, password_file, variable=NEW_PASSWORD, twice=True)
    with installation(data) as services:
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
    functions = "functions"
    worker = "worker"


@app.command()
def grants(
    role: Annotated[Role, typer.Argument(help="Whose: the endpoints', or that of what runs beside the requests.")],
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
