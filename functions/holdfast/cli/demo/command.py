"""The command: a server, the story, and what is left to look at."""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer()


@app.command()
def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End when the story is told, instead of leaving the server up.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder for the server's data, empty or new. A temporary one unless given.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of the server. 8000 unless given, or another if it is taken.")
    ] = None,
) -> None:
    """Show the main job on real files: upload, versions, download, sharing, archive, destroy, verify."""
    from rich.console import Console

    from holdfast.cli.demo import server, story
    from holdfast.cli.failures import USAGE, Failure

    if data is not None and data.is_dir() and any(data.iterdir()):
        raise Failure(f"{data} is not empty; the demo wants fresh data.", USAGE)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    signal.signal(signal.SIGTERM, _interrupted)
    with ExitStack() as stack:
        place = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-demo-")))
        running = stack.enter_context(server.running(place, port))
        console.print(
            f"[bold]Holdfast[/] serves {running.url}, ready after {running.ready_after:.1f} s; its data is in {place}.",
            soft_wrap=True,
        )
        user = story.tell(running, place / "material", console)
        if exit_:
            if code := running.stop():
                raise Failure(f"The server ended with {code}.")
            return
        console.print(
            f"\nThe server is up: [bold]{running.url}[/]  user [bold]{user.username}[/]  password [bold]{user.password}[/]"
        )
        console.print(
            f"Try: HOLDFAST_PASSWORD={user.password} holdfast login {user.username} --url {running.url} && holdfast ls",
            soft_wrap=True,
        )
        console.print("Ctrl-C ends it.")
        raise Failure(f"The server ended by itself with {running.process.wait()}.")


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt
