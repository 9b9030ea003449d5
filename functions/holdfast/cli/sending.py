"""``upload`` and ``add``: files to the server, streamed from disk."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.output import Format, Output, answer, listing, note
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from holdfast.cli.api import Api
    from holdfast.cli.multipart import Body

app = typer.Typer()

COLUMNS = ("asset_path", "version_id", "size", "status", "unchanged", "archive_date", "destroy_date")

Files = Annotated[list[Path], typer.Argument(help="Files on this machine.", exists=True, dir_okay=False, show_default=False)]
Key = Annotated[str | None, typer.Option(help="Repeating a command under the same key stores nothing twice.")]
Patience = Annotated[int, typer.Option(min=0, help="Seconds for which an upload that is put off or cut off is tried again.")]


def parse_labels(given: Iterable[str]) -> dict[str, str]:
    """``k=v`` each. Raises Failure for what is not."""
    labels = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise Failure(f"A label is written NAME=VALUE, not {one!r}.", USAGE)
        labels[name] = value
    return labels


@app.command()
def upload(
    *,
    files: Files,
    associated: Annotated[list[Path], typer.Option(help="A file that belongs to FILE; as often as needed.", exists=True)] = [],  # noqa: B006
    archive_ttl: Annotated[int | None, typer.Option(help="Archive it so many days after this upload.")] = None,
    destroy_ttl: Annotated[int | None, typer.Option(help="Destroy it so many days after its archive date.")] = None,
    label: Annotated[list[str], typer.Option(help="NAME=VALUE; as often as needed.")] = [],  # noqa: B006
    if_none_match: Annotated[
        bool, typer.Option("--if-none-match", help="Refuse to make a new version of an asset that is there.")
    ] = False,
    idempotency_key: Key = None,
    retry_for: Patience = 120,
    output: Output = Format.table,
) -> None:
    """Upload files, each as an asset of its own, or as a new version of the one that is there."""
    from holdfast.cli.multipart import Body, Part

    if len(files) > 1 and (associated or idempotency_key):
        raise Failure("--associated and --idempotency-key go with one FILE.", USAGE)
    fields = _fields(archive_ttl=archive_ttl, destroy_ttl=destroy_ttl, labels=parse_labels(label) or None)
    headers = {"If-None-Match": "*"} if if_none_match else {}
    failures: list[Failure] = []

    def uploaded() -> Iterator[Mapping[str, Any]]:
        for file in files:
            try:
                body = Body(fields, [Part.of("primary_file", file), *(Part.of("associated_files", extra) for extra in associated)])
                yield _send(api, "/fileupload", body, name=file.name, headers=headers, key=idempotency_key, patience=retry_for)
            except Failure as failure:
                failures.append(failure)
                if len(files) > 1:
                    note(f"{file}: {failure.message}")

    with logged_in() as api:
        listing(uploaded(), COLUMNS, output)
    if len(files) > 1 and failures:
        raise Failure(f"{len(failures)} of {len(files)} files were not uploaded.", failures[0].code)
    if failures:
        raise failures[0]


@app.command()
def add(
    *,
    asset_path: Annotated[str, typer.Argument(help="The asset, as `ls` shows it.")],
    files: Files,
    version: Annotated[str | None, typer.Option(help="The version; the newest active one unless given.")] = None,
    idempotency_key: Key = None,
    retry_for: Patience = 120,
    output: Output = Format.table,
) -> None:
    """Add associated files to an asset's version."""
    from holdfast.cli.api import path
    from holdfast.cli.multipart import Body, Part

    fields = _fields(primary_version_id=version)
    body = Body(fields, [Part.of("associated_files", file) for file in files])
    with logged_in() as api:
        url = path("add-associated-files", asset_path)
        answer(_send(api, url, body, name=asset_path, headers={}, key=idempotency_key, patience=retry_for), output)


def _fields(**given: Any) -> list[tuple[str, str]]:
    return [
        (name, json.dumps(value) if isinstance(value, dict) else str(value)) for name, value in given.items() if value is not None
    ]


def _send(
    api: Api, url: str, body: Body, *, name: str, headers: Mapping[str, str], key: str | None, patience: float
) -> dict[str, Any]:
    from holdfast.cli.progress import Meter

    with Meter(name, body.length) as meter:
        return api.send(url, body, {**headers, "Idempotency-Key": key or str(uuid.uuid4())}, patience=patience, meter=meter)
