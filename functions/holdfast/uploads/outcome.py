"""What has become of a session: how far it is, and the asset version or the problem that it ended in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Row

from holdfast.assets.receiving import settled
from holdfast.assets.waiting import Outcome as Settled
from holdfast.assets.waiting import became, outcomes
from holdfast.errors import Problem, Unavailable, by_slug
from holdfast.uploads import abandoned, finishing, sessions
from holdfast.web.hop import Threads

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

Progress = Literal["open", "working", "done", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``open``: it takes bytes; ``working``: all came; ``done``: ``metadata`` is the asset version's; ``failed``: ``problem`` says
    why; ``ended``: it was cancelled, or has expired."""

    progress: Progress
    metadata: dict[str, Any] | None = None
    problem: Problem | None = None


def of(connection: Connection, session: Row[Any]) -> Outcome:
    return of_all(connection, [session])[session.upload_id]


def of_all(connection: Connection, some: Sequence[Row[Any]]) -> dict[str, Outcome]:
    """By upload id, in as many statements as for one."""
    stored = [session.upload_id for session in some if session.state == "stored"]
    settled = outcomes(connection, stored) if stored else {}
    settled |= became(connection, [upload_id for upload_id in stored if upload_id not in settled])
    given_up = Outcome("failed", problem=abandoned.GivenUp())
    lost = dict.fromkeys(abandoned.among(connection, some), given_up)
    return lost | {one.upload_id: _of(one, settled.get(one.upload_id)) for one in some if one.upload_id not in lost}


def _of(session: Row[Any], found: Settled | None) -> Outcome:
    if session.state == "open":
        return Outcome("open")
    if session.state == "failed":
        return Outcome("failed", problem=by_slug(**session.problem))
    if session.state != "stored":
        return Outcome("working" if session.state == "completing" else "ended")
    if found is None:
        return Outcome("working")
    return Outcome("failed" if found.problem else "done", found.metadata, found.problem)


async def finish(services: Services, threads: Threads, session: Row[Any]) -> dict[str, Any]:
    """Finishes a complete session, waits until it is a version, and returns its metadata. Raises the problem that it ended in, and
    Unavailable when that takes too long, which then goes on all the same."""
    outcome = await asyncio.shield(threads.run(_finished, services, session.upload_id))
    if outcome.problem is not None:
        raise outcome.problem
    if outcome.metadata is not None:
        return outcome.metadata
    return await settled(services, threads, session.upload_id, session.workspace_id)


def _finished(services: Services, upload_id: str) -> Outcome:
    finishing.run(services, upload_id)
    with services.database.read() as connection:
        return of(connection, sessions.known(connection, upload_id))


async def try_to_finish(services: Services, threads: Threads, session: Row[Any]) -> None:
    """As ``finish``, but what takes longer than ``commit_wait_seconds``, or a store that is away, is nothing that the client has to
    wait for: it goes on without him. Raises the problem that the session ended in."""
    try:
        async with asyncio.timeout(services.settings.commit_wait_seconds):
            await finish(services, threads, session)
    except (TimeoutError, Unavailable) as error:
        log.info("upload %s is finished later: %s", session.upload_id, error or "it takes long")
