"""Complete uploads that nobody finishes any more: the job that was to do it failed too often, and an admin may have forgotten it.

Their bytes stay, so that the job can be tried again, or their client can; until their client deletes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from holdfast.database import leases
from holdfast.database.tables import jobs
from holdfast.errors import Conflict, Problem
from holdfast.uploads import completing, ending, finishing, sessions

if TYPE_CHECKING:
    from holdfast.services import Services


class GivenUp(Problem):
    status, slug, title = 500, "upload-given-up", "Given up"

    def __init__(self) -> None:
        super().__init__("The upload could not be finished, and is not tried again by itself. Retry, or delete it and begin again.")


def among(connection: Connection, some: Sequence[Row[Any]]) -> set[str]:
    """Which of the sessions are, by upload id. One statement, and none unless some are ``completing``."""
    waiting = {completing.job_of(session): session.upload_id for session in some if session.state == "completing"}
    waiting.pop(None, None)  # of the release before
    if not waiting:
        return set()
    live = select(jobs.c.id).where(jobs.c.id.in_(waiting), jobs.c.state != "dead")
    for job in connection.scalars(live):
        del waiting[job]
    return {*waiting.values()}


def cancel(services: Services, upload_id: str) -> None:
    """Cancels one, whose bytes are erased. Blocks. Raises Conflict if the upload is complete and no such one."""

    def check(connection: Connection) -> None:
        session = sessions.known(connection, upload_id)
        if leases.taken(connection, finishing.lease(upload_id)) or not among(connection, [session]):
            raise being_finished()

    if not ending.end(services, upload_id, "cancelled", "completing", fence=check):
        raise being_finished()


def being_finished() -> Conflict:
    return Conflict("The upload is being finished. Try again in a moment.", slug="upload-complete")
