"""``admin jobs``: the durable queue, and what was given up of it, on the database directly."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from holdfast.cli.installation import Data, installation
from holdfast.cli.output import Format, Output, answer, listing, paged

app = typer.Typer(help="Background jobs, and those that were given up.", no_args_is_help=True)

COLUMNS = ("id", "kind", "workspace_id", "payload", "attempts", "error", "created_at", "finished_at")

JobId = Annotated[int, typer.Argument(metavar="JOB_ID", help="As `list` shows it.")]


class State(StrEnum):
    pending = "pending"
    running = "running"
    done = "done"
    dead = "dead"


@app.command("list")
def list_(
    state: Annotated[State, typer.Option(help="Only those that are so.")] = State.dead,
    data: Data = None,
    output: Output = Format.table,
) -> None:
    """List jobs that failed too often, or are in another state, each with its last error; the latest first."""
    from holdfast.jobs import queue

    with installation(data) as services:
        listing(paged(partial(queue.page, services.database, state.value)), COLUMNS, output)


@app.command()
def retry(job_id: JobId, data: Data = None, output: Output = Format.table) -> None:
    """Have a dead job tried again by the server or the worker, as if it had never failed."""
    from holdfast.jobs import queue

    with installation(data) as services:
        answer(queue.again(services.database, job_id), output)


@app.command()
def delete(job_id: JobId, data: Data = None, output: Output = Format.table) -> None:
    """Delete a dead job. What it was to do stays undone."""
    from holdfast.jobs import queue

    with installation(data) as services:
        answer(queue.forget(services.database, job_id), output)
