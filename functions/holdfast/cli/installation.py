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

Data = Annotated[Path | None, typer.Option(help="Folder of the embedded default, as given to `serve`. Else HOLDFAST_DATA.")]


@contextmanager
def installation(data: Path | None = None) -> Iterator[Services]:
    """Raises Failure when the settings are wrong."""
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError

    from holdfast.services import Services
    from holdfast.settings import PREFIX, Settings

    given: dict[str, Any] = {} if data is None else {"data": data}
    try:
        services = Services(Settings(**given))
        _ = services.database  # reads the URL
    except ValidationError as error:
        wrong = (f"{PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise Failure(". ".join(wrong), USAGE) from None
    except ArgumentError:
        raise Failure(f"{PREFIX}DATABASE_URL is no URL of a database.", USAGE) from None
    try:
        yield services
    finally:
        services.close()
