"""What the operator of an installation runs. It works on the settings of the environment, not through the HTTP interface."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.output import Format, Output, listing

app = typer.Typer()


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
