"""Erasing what is condemned, and showing the evidence: commands of the installation's operator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from holdfast.cli.failures import UNAVAILABLE, Failure
from holdfast.cli.installation import Data, installation
from holdfast.cli.output import Format, Output, answer, listing, note
from holdfast.cli.progress import Meter, Unit

app = typer.Typer()


@app.command()
def purge(data: Data = None, output: Output = Format.table) -> None:
    """Erase the bytes of destroyed versions whose undo window is over. Ends with 6 if some could not be erased yet, with 5 if
    another process is at it. Asked to end, it finishes what it is at."""
    from holdfast.lifecycle.purging import purge
    from holdfast.stopping import asked_to_stop

    asked = asked_to_stop()
    with installation(data) as services, Meter("objects", None, unit=Unit.things) as meter:
        done = purge(services, stopping=asked.is_set, progress=meter.restart)
    answer(asdict(done), output)
    if asked.is_set():
        note("Stopped as asked; the next purge goes on.")
    if done.waiting:
        note(f"{done.waiting} versions are still being purged; `holdfast evidence` says of each of their objects why.")
    if done.failures:
        raise Failure(f"{done.failures} attempts failed. The next purge tries again.", UNAVAILABLE)


@app.command()
def evidence(
    asset_path: Annotated[str, typer.Argument(help="Of the asset, such as `image/jpg/test`.")],
    version_id: str,
    workspace: Annotated[str | None, typer.Option(help="The workspace, if others may have such a version, too.")] = None,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """Show what is known of the erasure of each object of a version. JSON and YAML hold all of it."""
    from holdfast.lifecycle import evidence

    columns = ("object_key", "size", "state", "gone_at", "compacted_at", "compaction", "backups_until", "attempts", "last_error")
    with installation(data) as services:
        listing(evidence.of_version(services, asset_path, version_id, workspace), columns, output)
