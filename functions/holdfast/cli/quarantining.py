"""``admin quarantine``: what the malware scanner did not let in, on the database directly."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.installation import Data, installation
from holdfast.cli.output import Format, Output, answer, listing, paged

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.services import Services

app = typer.Typer(help="Uploads that the malware scanner did not let in.", no_args_is_help=True)

COLUMNS = ("upload_id", "workspace", "asset_path", "filename", "size", "result", "signature", "state", "taken_at")

Upload = Annotated[str, typer.Argument(metavar="UPLOAD_ID", help="As `list` shows it.")]


class State(StrEnum):
    kept = "kept"
    released = "released"
    deleted = "deleted"


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only those that are so; all unless given.")] = None,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """List what was not let in, the latest first."""
    from holdfast.assets import quarantine

    with installation(data) as services:
        listing(paged(partial(quarantine.page, services, None, state and state.value)), COLUMNS, output)


@app.command()
def release(upload_id: Upload, data: Data = None, output: Output = Format.table) -> None:
    """Let it in: the upload goes on as if it had just come, and becomes a version if it still can."""
    from holdfast.assets import quarantine

    _decided(quarantine.release, upload_id, data, output)


@app.command()
def delete(upload_id: Upload, data: Data = None, output: Output = Format.table) -> None:
    """Delete it: its bytes are erased by the server or the worker. That it was there stays on record."""
    from holdfast.assets import quarantine

    _decided(quarantine.delete, upload_id, data, output)


def _decided(act: Callable[[Services, None, str], dict[str, Any]], upload_id: str, data: Data, output: Output) -> None:
    with installation(data) as services:
        answer(act(services, None, upload_id), output)
