"""What the operator of an installation runs. It works on the settings of the environment, not through the HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.output import Format, Output, listing, note

if TYPE_CHECKING:
    from holdfast.services import Services

app = typer.Typer()


@contextmanager
def installation() -> Iterator[Services]:
    """The installation that the settings name. Raises Failure when they are wrong."""
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError

    from holdfast.services import Services
    from holdfast.settings import PREFIX

    try:
        services = Services()
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


@app.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the reference.")] = False,
    output: Output = Format.table,
) -> None:
    """List every setting with its default and what it does."""
    from holdfast.cli import reference

    if markdown:
        print(reference.settings_page(), end="")
    else:
        listing(reference.settings(), ("variable", "type", "default", "description"), output)


@app.command()
def migrate() -> None:
    """Bring the database to the tables of this release. Any number of processes may do so at once."""
    from holdfast.database.migrate import head, upgrade

    with installation() as services:
        changed = upgrade(services.database)
    note(f"The database {'was brought to' if changed else 'is at'} revision {head()}.")
