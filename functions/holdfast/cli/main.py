"""``holdfast``: every command, and what becomes of an error. Commands import what they need themselves, so that help is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli import (
    account,
    administering,
    auditing,
    holding,
    listing,
    operating,
    policies,
    purging,
    receiving,
    sending,
    sharing,
    states,
    sweeping,
)
from holdfast.cli.demo import command as demo
from holdfast.cli.failures import REFUSED, USAGE, Failure, exit_code
from holdfast.cli.output import note
from holdfast.errors import Problem
from holdfast.identity.keys import KeyUnusable

app = typer.Typer(
    help="Holdfast: a versioned asset store with a declared end of life.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (account, sending, listing, receiving, states, operating, purging, sweeping, demo):
    app.add_typer(group.app)
app.add_typer(auditing.app, name="audit")
app.add_typer(administering.app, name="admin")
app.add_typer(holding.app, name="hold")
app.add_typer(policies.app, name="policy")
app.add_typer(sharing.share, name="share")
app.add_typer(sharing.workspace, name="workspace")


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The program. Ends with one of the exit codes of ``holdfast.cli.failures``."""
    try:
        app(prog_name="holdfast")
    except Failure as failure:
        sys.exit(_end(failure.message, failure.code))
    except Problem as problem:  # of a command that works on the database itself
        sys.exit(_end(problem.detail, exit_code(problem.status)))
    except KeyUnusable as error:
        sys.exit(_end(f"{error}.", USAGE))
    except OSError as error:
        sys.exit(_end(f"{error.filename}: {error.strerror}" if error.filename else str(error), REFUSED))


def _end(message: str, code: int) -> int:
    note(f"holdfast: {message}")
    return code
