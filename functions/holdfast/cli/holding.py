"""``hold``: legal holds, which nothing deletes past."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.listing import Limit, moment
from holdfast.cli.output import Format, Output, answer, listing, note
from holdfast.cli.sending import parse_labels
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from holdfast.cli.api import Api

app = typer.Typer(help="Legal holds: what one covers is not deleted, by whatever path.", no_args_is_help=True)

COLUMNS = ("id", "matter", "state", "workspace", "placed_by", "created_at", "until")
COVERED_COLUMNS = ("workspace", "asset_path", "version_id", "status", "phase", "size")
POLL_SECONDS = 1.0

Id = Annotated[str, typer.Argument(metavar="ID", help="The hold, as `hold ls` shows it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until all of it is done.")]


@app.command()
def place(
    *,
    matter: Annotated[str, typer.Argument(help="What it is about. Several holds may be of one matter.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    path: Annotated[list[str], typer.Option(metavar="GLOB", help="These assets: 'image/**'. As often as needed.")] = [],  # noqa: B006
    media_type: Annotated[list[str], typer.Option(metavar="GLOB", help="These media types: 'image/*'. As often as needed.")] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option(help="NAME=VALUE; as often as needed, all must match.")] = [],  # noqa: B006
    everything: Annotated[bool, typer.Option("--all", help="Every asset.")] = False,
    asset: Annotated[list[str], typer.Option(metavar="ASSET_PATH", help="This asset. As often as needed.")] = [],  # noqa: B006
    version: Annotated[
        list[str], typer.Option(metavar="ASSET_PATH@VERSION", help="This version, and no later one. As often as needed.")
    ] = [],  # noqa: B006
    until: Annotated[str | None, typer.Option(metavar="DATE", help="When it is released by itself.")] = None,
    workspace: Annotated[str | None, typer.Option(help="For platform admins: in this workspace.")] = None,
    all_workspaces: Annotated[bool, typer.Option("--all-workspaces", help="For platform admins: in every workspace.")] = False,
    no_wait: NoWait = False,
    output: Output = Format.table,
) -> None:
    """Place a hold on what matches now and on what will. Once it is active, nothing deletes what it covers."""
    selector = {"paths": path, "media_types": media_type, "labels": parse_labels(label), "all": everything}
    given = {name: value for name, value in selector.items() if value}
    scope = {"selector": given, "assets": asset, "versions": [_version(one) for one in version]}
    wanted = {
        "matter": matter,
        "reason": reason,
        "until": moment(until),
        "workspace": workspace,
        "all_workspaces": all_workspaces,
        **{name: value for name, value in scope.items() if value},
    }
    with logged_in() as api:
        answer(_settled(api, api.call("POST", "/holds", json=wanted), "placing", no_wait), output)


@app.command("ls")
def list_holds(
    *,
    matter: Annotated[str | None, typer.Option(help="Only holds of this matter.")] = None,
    state: Annotated[str | None, typer.Option(help="Only these: placing, active, releasing or released.")] = None,
    limit: Limit = None,
    output: Output = Format.table,
) -> None:
    """List holds, the latest first."""
    with logged_in() as api:
        listing(itertools.islice(api.pages("/holds", {"matter": matter, "state": state}), limit), COLUMNS, output)


@app.command()
def show(hold: Id, output: Output = Format.table) -> None:
    """Show a hold, how many versions it covers, and what it came too late for."""
    with logged_in() as api:
        answer(_shown(api, hold), output)


@app.command()
def versions(hold: Id, limit: Limit = None, output: Output = Format.table) -> None:
    """List the versions that a hold covers."""
    from holdfast.cli.api import path

    with logged_in() as api:
        listing(itertools.islice(api.pages(path("holds", hold)), limit), COVERED_COLUMNS, output)


@app.command()
def release(hold: Id, no_wait: NoWait = False, output: Output = Format.table) -> None:
    """Release a hold. It stays on record."""
    from holdfast.cli.api import path

    with logged_in() as api:
        answer(_settled(api, api.call("DELETE", path("holds", hold)), "releasing", no_wait), output)


def _settled(api: Api, hold: dict[str, Any], until_not: str, no_wait: bool) -> dict[str, Any]:
    """The hold once it is no longer in the state ``until_not``: with millions of versions that takes a while."""
    if hold["state"] == until_not and not no_wait:
        note(f"The hold {hold['id']} is {until_not}.")
        while hold["state"] == until_not:
            time.sleep(POLL_SECONDS)
            hold = _shown(api, hold["id"])
    return hold


def _shown(api: Api, hold: str) -> dict[str, Any]:
    from holdfast.cli.api import path

    found = api.call("GET", path("holds", hold), params={"limit": 1})
    return {name: value for name, value in found.items() if name not in {"items", "next_cursor"}}


def _version(text: str) -> dict[str, str]:
    asset_path, at, version_id = text.rpartition("@")
    if not (asset_path and at and version_id):
        raise Failure(f"A version is written ASSET_PATH@VERSION, not {text!r}.", USAGE)
    return {"asset_path": asset_path, "version_id": version_id}
