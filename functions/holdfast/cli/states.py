"""``archive``, ``restore``, ``destroy``, ``ttl`` and ``labels``: what becomes of a version."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import NOT_FOUND, USAGE, Failure
from holdfast.cli.listing import of_asset
from holdfast.cli.output import Format, Output, answer
from holdfast.cli.progress import Meter, Unit
from holdfast.cli.sending import parse_labels
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from holdfast.cli.api import Api

app = typer.Typer()

UNDO_SECONDS, UNDO_LOOKS = 1.0, 10
"""Between two looks at a run that is being taken back, and after how many without any progress nothing more is expected: what has
changed since stays as it is."""

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
def restore(
    asset_path: Annotated[str | None, typer.Argument(help="The asset, as `ls` shows it.")] = None,
    version: Version = None,
    run: Annotated[int | None, typer.Option(help="Take back all that this run of a policy did, instead of one version.")] = None,
    output: Output = Format.table,
) -> None:
    """Take a version one step back: from destroyed to archived, from archived to active. Or a whole run."""
    if (asset_path is None) == (run is None):
        raise Failure("Name an asset, or a run with --run.", USAGE)
    with logged_in() as api:
        if run is not None:
            answer(_take_back(api, run), output)
        else:
            answer(_change(api, "filerestore", str(asset_path), version, "archived", "destroyed"), output)


def _take_back(api: Api, run: int) -> dict[str, Any]:
    """Asks for it, and waits until no more of it comes back."""
    found = api.call("POST", f"/runs/{run}/undo")
    with Meter("versions", found["done"]["items"], unit=Unit.things) as meter:
        still = 0
        while still < UNDO_LOOKS and found["undone"] < found["done"]["items"]:
            time.sleep(UNDO_SECONDS)
            before, found = found["undone"], api.call("GET", f"/runs/{run}", params={"limit": 1})
            still = 0 if found["undone"] > before else still + 1
            meter.restart(found["undone"])
    return {name: found[name] for name in ("id", "policy", "action", "done", "undone")}


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
