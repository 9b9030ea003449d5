"""``audit``: what was done, by whom; and whether the trail that says so is as it was written."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.installation import Data, installation
from holdfast.cli.listing import Limit, moment
from holdfast.cli.output import Format, Output, listing
from holdfast.cli.session import logged_in

app = typer.Typer(help="Show who did what, the latest first.")

COLUMNS = ("at", "username", "operation", "asset_path", "version_id", "success", "details")
HEAD_COLUMNS = ("workspace", "chain", "number", "hash", "sealed_at", "pruned")
KEY_COLUMNS = ("kid", "kty", "crv", "x", "y")

Workspace = Annotated[str | None, typer.Option(help="For platform admins: only this workspace.")]


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    *,
    asset: Annotated[str | None, typer.Option(metavar="ASSET_PATH", help="Only what was done with this asset.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only this: upload, archive, destroy, login …")] = None,
    user: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Only what was done from then on.")] = None,
    workspace: Workspace = None,
    limit: Limit = None,
    output: Output = Format.table,
) -> None:
    """Show who did what, the latest first."""
    if context.invoked_subcommand:
        return
    params = {"asset_path": asset, "operation": operation, "username": user, "since": moment(since), "workspace": workspace}
    with logged_in() as api:
        listing(itertools.islice(api.pages("/audit", params), limit), COLUMNS, output)


@app.command()
def head(workspace: Workspace = None, output: Output = Format.table) -> None:
    """Show where each chain of the trail ends, signed. With `-o json` it is what `verify --head` takes: keep it elsewhere."""
    with logged_in() as api:
        listing(api.pages("/audit/head", {"workspace": workspace}), HEAD_COLUMNS, output)


@app.command()
def verify(
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="Heads that were kept, as `head -o json` or the log has them; can be repeated."),
    ] = None,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """Compute the trail's seals anew, from its rows up, and list what disagrees. For the operator. Ends with 1 if anything does."""
    from holdfast.audit.heads import kept
    from holdfast.audit.verify import verify
    from holdfast.cli.operating import report

    heads: list[str] = []
    for file in head or []:
        try:
            heads += kept(file.read_text())
        except (ValueError, KeyError):
            raise Failure(f"{file} holds no heads.", USAGE) from None
    if head and not heads:
        raise Failure("There is no head in what --head names.", USAGE)
    with installation(data) as services:
        report(verify(services, heads), "rows", output)


@app.command()
def key(data: Data = None, output: Output = Format.table) -> None:
    """Print the public keys that the trail's seals are checked with, as JWKs. For the operator."""
    with installation(data) as services:
        listing(services.signing.public(), KEY_COLUMNS, output)
