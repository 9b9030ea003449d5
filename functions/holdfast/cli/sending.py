"""``upload`` and ``add``: files to the server, streamed from disk."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.failures import USAGE, Failure, Refusal
from holdfast.cli.output import Format, Output, answer, listing, note
from holdfast.cli.session import logged_in

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from holdfast.cli.api import Api
    from holdfast.cli.multipart import Body
    from holdfast.cli.progress import Meter
    from holdfast.cli.resuming import Sender

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
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Files, and pieces of large ones, that are sent at a time.")] = 4,
    retry_for: Patience = 120,
    output: Output = Format.table,
) -> None:
    """Upload files, each as an asset of its own, or as a new version of the one that is there. The same command goes on with a
    large file whose upload broke off."""
    from holdfast.cli import resuming
    from holdfast.cli.multipart import Body, Part
    from holdfast.cli.progress import Bars, Meter

    if len(files) > 1 and (associated or idempotency_key):
        raise Failure("--associated and --idempotency-key go with one FILE.", USAGE)
    fields = _fields(archive_ttl=archive_ttl, destroy_ttl=destroy_ttl, labels=parse_labels(label) or None)
    in_one_request = bool(associated or idempotency_key)
    total = sum(file.stat().st_size for file in files) if len(files) > 1 else None
    alike = len({file.name.casefold() for file in files}) < len(files)  # versions of one asset, in the order that they are named in
    failures: list[Failure] = []

    with logged_in() as api, Bars(total) as bars, _at_a_time(api, 1 if alike else parallel, parallel, retry_for) as (pool, sender):

        def send(file: Path) -> dict[str, Any]:
            size = file.stat().st_size
            with Meter(file.name, size + sum(extra.stat().st_size for extra in associated), bars=bars) as meter:
                if size > resuming.LARGE and not in_one_request:
                    return resuming.upload(sender, file, dict(fields), meter, if_none_match=if_none_match)
                body = Body(fields, [Part.of("primary_file", file), *(Part.of("associated_files", extra) for extra in associated)])
                headers = {"If-None-Match": "*"} if if_none_match else {}
                try:
                    return _post(api, "/fileupload", body, meter, headers=headers, key=idempotency_key, patience=retry_for)
                except Refusal as refusal:
                    if in_one_request or not refusal.too_large_for_a_proxy:
                        raise
                    return resuming.upload(sender, file, dict(fields), meter, if_none_match=if_none_match)

        def uploaded() -> Iterator[Mapping[str, Any]]:
            for file, sending in [(file, pool.submit(send, file)) for file in files]:
                try:
                    yield sending.result()
                except Failure as failure:
                    failures.append(failure)
                    if len(files) > 1:
                        bars.note(f"{file}: {failure.message}")

        listing(uploaded(), COLUMNS, output)
    if len(files) > 1 and failures:
        raise Failure(f"{len(failures)} of {len(files)} files were not uploaded.", failures[0].code)
    if failures:
        raise failures[0]


@contextmanager
def _at_a_time(api: Api, files_at_once: int, chunks_at_once: int, patience: float) -> Iterator[tuple[ThreadPoolExecutor, Sender]]:
    """Where files are sent, and their chunks. Whoever leaves it by an exception waits for no more than what is on its way."""
    from concurrent.futures import ThreadPoolExecutor

    from holdfast.cli.resuming import Sender

    with ThreadPoolExecutor(files_at_once) as files, ThreadPoolExecutor(chunks_at_once) as chunks:
        try:
            yield files, Sender(api, chunks, patience)
        except BaseException as error:
            api.stop()
            for pool in (files, chunks):
                pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                note("Stopped. The same command goes on with what it began of files of more than 16 MiB.")
            raise


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
    from holdfast.cli.progress import Meter

    fields = _fields(primary_version_id=version)
    body = Body(fields, [Part.of("associated_files", file) for file in files])
    with logged_in() as api:
        url = path("add-associated-files", asset_path)
        with Meter(asset_path, body.length) as meter:
            found = _post(api, url, body, meter, headers={}, key=idempotency_key, patience=retry_for)
        answer(found, output)


def _fields(**given: Any) -> list[tuple[str, str]]:
    return [
        (name, json.dumps(value) if isinstance(value, dict) else str(value)) for name, value in given.items() if value is not None
    ]


def _post(
    api: Api, url: str, body: Body, meter: Meter, *, headers: Mapping[str, str], key: str | None, patience: float
) -> dict[str, Any]:
    return api.send(url, body, {**headers, "Idempotency-Key": key or str(uuid.uuid4())}, patience=patience, meter=meter)
