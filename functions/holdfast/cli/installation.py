"""The installation that a command of its operator works on: what the settings of the environment name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import USAGE, Failure

if TYPE_CHECKING:
    from holdfast.services import Services
    from holdfast.settings import Settings

_LACKS = ("no such table", "no such column", "(1146,", "(1054,")
"""How SQLite, MySQL and MariaDB say that a table or a column is not there."""

Data = Annotated[Path | None, typer.Option(help="Folder of the embedded default, as given to `serve`. Else HOLDFAST_DATA.")]


def read_settings(data: Path | None = None) -> Settings:
    """The settings of the environment, with ``data`` in their place where it is given. Raises Failure when they are wrong."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from holdfast.settings import PREFIX, Settings

    given: dict[str, Any] = {} if data is None else {"data": data}
    try:
        settings = Settings(**given)
        make_url(settings.database)
    except ValidationError as error:
        wrong = ((f"{PREFIX}{'_'.join(map(str, e['loc'])).upper()}: " if e["loc"] else "") + e["msg"] for e in error.errors())
        raise Failure(". ".join(wrong), USAGE) from None
    except SettingsError as error:
        raise Failure(f"{error}.", USAGE) from None
    except ArgumentError:
        raise Failure(f"{PREFIX}DATABASE_URL is no URL of a database.", USAGE) from None
    return settings


@contextmanager
def installation(data: Path | None = None) -> Iterator[Services]:
    """What works on those settings. Raises Failure when they are wrong, or the database has not the tables of this version."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from holdfast.services import Services

    services = Services(read_settings(data))
    try:
        yield services
    except (OperationalError, ProgrammingError) as error:
        said = str(error.orig)
        if any(lack in said for lack in _LACKS):
            raise Failure(f"The database has not the tables of this version ({said}): `holdfast migrate` makes them.") from error
        raise
    finally:
        services.close()
