"""``ls``, ``versions``, ``runs`` and ``usage``: what is there, and what became of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import NOT_FOUND, USAGE, Failure
from holdfast.cli.output import Format, Output, listing, size
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from holdfast.cli.api import Api

app = typer.Typer()

STATUSES = ["active", "archived", "destroyed"]
COLUMNS = ("asset_path", "version_id", "size", "status", "upload_date", "archive_date", "destroy_date", "labels")
VERSION_COLUMNS = ("version_id", "status", "phase", "size", "upload_date", "archive_date", "destroy_date", "purge_after")
RUN_COLUMNS = ("id", "policy", "action", "trigger", "state", "done", "undone", "started_at")
ITEM_COLUMNS = ("workspace", "asset_path", "version_id", "bytes", "status", "phase", "undoable")
USAGE_COLUMNS = ("workspace", "media_type", "active", "archived", "condemned", "held", "superseded")

Limit = Annotated[int | None, typer.Option(min=1, help="Show at most so many.")]


@app.command("ls")
def list_assets(
    *,
    prefix: Annotated[str | None, typer.Argument(help="Only assets whose path begins so.")] = None,
    versions: Annotated[bool, typer.Option("--versions", help="Every version, not only the newest of each asset.")] = False,
    status: Annotated[
        list[str],
        typer.Option(help="active, archived or destroyed; as often as needed. Default: active, and archived with --expiring."),
    ] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option(help="NAME=VALUE; as often as needed, all must match.")] = [],  # noqa: B006
    media_type: Annotated[str | None, typer.Option(help="image/png, or all images: 'image/*'.")] = None,
    expiring: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Only what becomes unreadable before then, by its own TTLs or by a policy in force: of every version.",
        ),
    ] = None,
    limit: Limit = None,
    output: Output = Format.table,
) -> None:
    """List the assets of your workspace."""
    params = {
        "prefix": prefix,
        "versions": "all" if versions or expiring is not None else None,
        "status": status or (["active"] if expiring is None else ["active", "archived"]),
        "label": label,
        "media_type": media_type,
        "expiring_before": moment(expiring),
    }
    columns = (*COLUMNS, *(("phase", "purge_after") if "destroyed" in status else ()), *(("expires",) if expiring else ()))
    with logged_in() as api:
        listing(itertools.islice(api.pages("/assets", params), limit), columns, output)


@app.command("versions")
def list_versions(
    asset_path: Annotated[str, typer.Argument(help="The asset, as `ls` shows it.")], output: Output = Format.table
) -> None:
    """List an asset's versions, the newest first, whatever their status."""
    with logged_in() as api:
        found = list(of_asset(api, asset_path, versions="all", status=STATUSES))
        if not found:
            raise Failure(f"There is no asset {asset_path}.", NOT_FOUND)
        listing(reversed(found), VERSION_COLUMNS, output)


@app.command()
def runs(
    *,
    policy: Annotated[str | None, typer.Option(help="Only runs of this policy: NAMESPACE/NAME.")] = None,
    run: Annotated[int | None, typer.Option(help="What this run did, version by version.")] = None,
    limit: Limit = None,
    output: Output = Format.table,
) -> None:
    """Show what runs of policies did, the latest first."""
    where, columns = ("/runs", RUN_COLUMNS) if run is None else (f"/runs/{run}", ITEM_COLUMNS)
    with logged_in() as api:
        listing(itertools.islice(api.pages(where, {"policy": policy}), limit), columns, output)


@app.command()
def usage(
    *,
    workspace: Annotated[str | None, typer.Option(help="For platform admins: only this workspace.")] = None,
    limit: Limit = None,
    output: Output = Format.table,
) -> None:
    """Show what is stored, by media type: active, archived, condemned, held and superseded."""
    with logged_in() as api:
        found = itertools.islice(api.pages("/usage", {"workspace": workspace}), limit)
        listing((_in_short(item) for item in found) if output is Format.table else found, USAGE_COLUMNS, output)


def _in_short(item: dict[str, Any]) -> dict[str, Any]:
    """``active: 52.4 MiB in 12`` for people."""
    return {name: f"{size(one['bytes'])} in {one['versions']}" if isinstance(one, dict) else one for name, one in item.items()}


def of_asset(api: Api, asset_path: str, **filters: Any) -> Iterator[dict[str, Any]]:
    """What ``/assets`` lists of this one asset."""
    # In the order of their paths the asset itself comes before all whose path only begins like its own.
    return itertools.takewhile(
        lambda item: item["asset_path"] == asset_path, api.pages("/assets", {"prefix": asset_path, **filters})
    )


def moment(text: str | None) -> str | None:
    """A date, or a date and time, as ISO 8601 with an offset; UTC unless it says otherwise. Raises Failure for anything else."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"A date is written 2030-12-31 or 2030-12-31T18:00:00Z, not {text!r}.", USAGE) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
