"""What the operator of an installation runs. It works on the settings of the environment, not through the HTTP interface."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.failures import Failure
from holdfast.cli.installation import Data, installation, read_settings
from holdfast.cli.output import Format, Output, listing, note
from holdfast.cli.progress import Meter, Unit

if TYPE_CHECKING:
    from socket import socket

    from holdfast.disagreement import Disagreement, Remark
    from holdfast.settings import Settings

app = typer.Typer()


@app.command()
def serve(
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
) -> None:
    """Serve the whole interface from one process, until it is asked to end."""
    from holdfast.web.serving import serve

    raise typer.Exit(serve(read_settings(data), host, port))


@app.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the reference.")] = False,
    output: Output = Format.table,
) -> None:
    """List every setting with its default and what it does."""
    from holdfast.cli import reference

    if markdown:
        print(reference.settings_page(), end="")
    else:
        listing(reference.settings(), ("variable", "type", "default", "description"), output)


@app.command()
def functions(output: Output = Format.table) -> None:
    """List the functions: what an ingress sends to each, which extras its image holds, and as whom it works."""
    from holdfast.web import catalogue

    columns = ("name", "function", "paths", "extras", "role")
    found = (
        dict(zip(columns, (one.slug, one.name, one.paths, one.extras, one.role), strict=True)) for one in catalogue.functions()
    )
    listing(found, columns, output)


@app.command()
def openapi() -> None:
    """Print the whole interface as an OpenAPI document."""
    import json

    from holdfast.web import document

    print(json.dumps(document.openapi(), indent=2, ensure_ascii=False))


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of AssetPolicy, for `kubectl apply -f -`."""
    import yaml

    from holdfast.policies.crd import crd

    print(yaml.safe_dump(crd(), sort_keys=False, allow_unicode=True), end="")


@app.command()
def migrate(data: Data = None) -> None:
    """Bring the database to the tables of this release. Any number of processes may do so at once."""
    from holdfast.database.migrate import head, upgrade

    with installation(data) as services:
        changed = upgrade(services.database)
    note(f"The database {'was brought to' if changed else 'is at'} revision {head()}.")


@app.command()
def reconcile(data: Data = None) -> None:
    """Finish or undo whatever a crash left. The server does so by itself, too."""
    from holdfast.background import settle

    with installation(data) as services:
        done = settle(services)
    found = done.reconciled
    note(
        f"Uploads given up: {found.given_up}. Workspaces looked after: {found.committed}, by another process: {found.busy}. "
        f"Jobs run: {done.jobs}. Audit rows sealed: {done.sealed}."
    )


@app.command()
def worker(data: Data = None) -> None:
    """Run what happens after requests, in a process of its own, until it is asked to end. The server does so by itself, too."""
    from holdfast.background import run

    with installation(data) as services, _listening(services.settings) as (listener, where):
        run(services, lambda: note(f"The worker is ready.{where}"), listener)


@contextmanager
def _listening(settings: Settings) -> Iterator[tuple[socket | None, str]]:
    """Where the worker says how it does, and a sentence about that; None where nobody wants to know, and then no HTTP is imported.
    Raises Failure when the address cannot be had."""
    if settings.worker_port is None:
        yield None, ""
        return
    from holdfast.web.server import listen, url_of

    try:
        listener = listen(settings.host, settings.worker_port)
    except OSError as error:
        said = os.strerror(error.errno or 0)
        raise Failure(f"The worker cannot listen on {settings.host}, port {settings.worker_port}: {said}.") from None
    with listener:
        yield listener, f" It answers at {url_of(listener)}."


@app.command()
def verify(
    deep: Annotated[bool, typer.Option("--deep", help="Read every file and compute its hash anew.")] = False,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """Compare registry, versions and bytes, and list what disagrees. Ends with 1 if anything does."""
    from holdfast.assets.verify import verify

    with installation(data) as services:
        report(verify(services, deep=deep), "files", output)


def report(found: Iterable[Disagreement | Remark | int], things: str, output: Format) -> None:
    """Lists what a verification finds, as it finds it. ``things`` are what it counts. Raises Failure if anything disagrees."""
    from holdfast.disagreement import Disagreement, Remark

    remarks: list[str] = []
    looked_at = wrong = 0

    def disagreements() -> Iterator[dict[str, str]]:
        nonlocal looked_at, wrong
        for one in found:
            if isinstance(one, Disagreement):
                wrong += 1
                yield asdict(one)
            elif isinstance(one, Remark):
                remarks.append(one.text)
            else:
                looked_at = one
                meter.restart(looked_at)

    with Meter(things, None, unit=Unit.things) as meter:
        listing(disagreements(), ("problem", "subject", "detail"), output)
    for remark in remarks:
        note(remark)
    if wrong:
        raise Failure(f"{looked_at} {things} looked at; {wrong} disagreements.")
    note(f"{looked_at} {things} looked at; nothing disagrees.")
