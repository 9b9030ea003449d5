"""``archive``, ``restore``, ``destroy``, ``ttl`` and ``labels``: what becomes of a version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import NOT_FOUND, USAGE, Failure
from holdfast.cli.listing import of_asset
from holdfast.cli.output import Format, Output, answer
from holdfast.cli.sending import parse_labels
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from holdfast.cli.api import Api

app = typer.Typer()

AssetPath = Annotated[str, typer.Argument(help="The asset, as `ls` shows it.")]
Version = Annotated[str | None, typer.Option(help="The version; the newest that this can be done with unless given.")]


def newest(api: Api, asset_path: str, *statuses: str) -> str:
    """The version_id of the asset's newest version in one of ``statuses``, looked for in that order. Raises Failure if none is."""
    for status in statuses:
        if (found := next(of_asset(api, asset_path, status=status), None)) is not None:
            return str(found["version_id"])
    raise Failure(f"{asset_path} has no version that is {' or '.join(statuses)}.", NOT_FOUND)


@app.command()
def archive(asset_path: AssetPath, version: Version = None, output: Output = Format.table) -> None:
    """Archive a version: out of lists and search, still readable."""
    with logged_in() as api:
        answer(_change(api, "filearchive", asset_path, version, "active"), output)


@app.command()
def restore(asset_path: AssetPath, version: Version = None, output: Output = Format.table) -> None:
    """Take a version one step back: from destroyed to archived, from archived to active."""
    with logged_in() as api:
        answer(_change(api, "filerestore", asset_path, version, "archived", "destroyed"), output)


@app.command()
def destroy(
    asset_path: AssetPath,
    version: Version = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Output = Format.table,
) -> None:
    """Condemn an archived version. It can be restored until the date that the answer shows; then its bytes go."""
    with logged_in() as api:
        version = version or newest(api, asset_path, "archived")
        if not yes:
            _confirm(f"Destroy {asset_path}, version {version}?")
        answer(_change(api, "delfile", asset_path, version), output)


@app.command()
def ttl(
    asset_path: AssetPath,
    version: Version = None,
    archive: Annotated[str | None, typer.Option(metavar="DAYS|none", help="From the upload; `none` removes it.")] = None,
    destroy: Annotated[str | None, typer.Option(metavar="DAYS|none", help="From the archive date; `none` removes it.")] = None,
    output: Output = Format.table,
) -> None:
    """Change when a version is archived and destroyed by itself."""
    wanted = {name: _days(value) for name, value in (("archive_ttl", archive), ("destroy_ttl", destroy)) if value is not None}
    if not wanted:
        raise Failure("Name --archive, --destroy or both.", USAGE)
    with logged_in() as api:
        answer(_change(api, "ttl", asset_path, version, "active", "archived", json=wanted), output)


@app.command()
def labels(
    asset_path: AssetPath,
    label: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE …; none removes all.")] = None,
    version: Version = None,
    output: Output = Format.table,
) -> None:
    """Replace a version's labels."""
    wanted = parse_labels(label or [])
    with logged_in() as api:
        answer(_change(api, "labels", asset_path, version, "active", "archived", json=wanted), output)


def _change(api: Api, act: str, asset_path: str, version: str | None, *statuses: str, json: Any = None) -> dict[str, Any]:
    from holdfast.cli.api import path

    version = version or newest(api, asset_path, *statuses)
    return api.call("POST" if json is None else "PUT", path(act, asset_path, version), json=json)


def _days(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit():
        raise Failure(f"Whole days or `none`, not {text!r}.", USAGE)
    return int(text)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody can be asked: say --yes.", USAGE)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure("Nothing was done.")
