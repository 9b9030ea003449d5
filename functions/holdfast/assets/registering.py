"""Uploads on their way into the registry: those of the same moment in one transaction.

Of sixteen clients' small uploads, each in transactions of its own, the transactions are most of the cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from holdfast.assets import intents, quarantine
from holdfast.assets.intents import Begun, GivenUp, Opening, Storing
from holdfast.audit import trail
from holdfast.errors import Problem, TooLarge, Unavailable
from holdfast.failpoints import hit
from holdfast.identity.access import Actor, Claims, authorise, demand
from holdfast.web.hop import Threads
from holdfast.web.together import Together

if TYPE_CHECKING:
    from holdfast.services import Services

SCANS = 8
"""Uploads of a process that are scanned at once: a scanner that takes long must not take all threads of the requests. clamd itself
has ten, unless it is told otherwise."""

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

Check = Callable[[Connection, Actor], None]


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that wants to open an intent. ``check`` may refuse it, in the transaction that opens the intent."""

    claims: Claims
    kind: str
    asset_path: str
    must_be_new: bool
    idempotency_key: str | None
    check: Check | None


class Registrar:
    """One for an app. Each call returns what it is about, or raises the problem with that one item."""

    def __init__(self, services: Services, threads: Threads) -> None:
        self._services, self._database, self._clock = services, services.database, services.clock
        self.scans = asyncio.Semaphore(SCANS)
        self.open: Together[Admission, tuple[Actor, Begun]] = Together(threads, self._open)
        self.store: Together[Storing, None] = Together(threads, self._store)

    def _open(self, admissions: Sequence[Admission]) -> Sequence[tuple[Actor, Begun] | BaseException]:
        hit("intent.open.before")
        opened = self._written(admissions, self._admit_all)
        hit("intent.open.after")
        return opened

    def _store(self, storings: Sequence[Storing]) -> Sequence[BaseException | None]:
        hit("intent.store.before")
        stored = self._written(storings, self._store_all)
        hit("intent.store.after")
        return stored

    def _admit_all(self, connection: Connection, admissions: Sequence[Admission]) -> list[tuple[Actor, Begun] | BaseException]:
        now = self._clock()
        actors: dict[Claims, Actor | Problem] = {}
        for claims in {admission.claims for admission in admissions}:
            actors[claims] = _caught(lambda: authorise(connection, claims))  # noqa: B023  called at once
        judged = [_caught(lambda: _admitted(connection, admission, actors[admission.claims])) for admission in admissions]  # noqa: B023
        openings = [found for found in judged if isinstance(found, Opening)]
        begun = iter(intents.begin_all(connection, openings, now) if openings else ())
        trail.record(
            connection,
            *(
                refusal(actors[admission.claims], admission.kind, admission.asset_path, found, now)
                for admission, found in zip(admissions, judged, strict=True)
                if isinstance(found, Problem)
            ),
        )
        return [(found.actor, next(begun)) if isinstance(found, Opening) else found for found in judged]

    def _store_all(self, connection: Connection, storings: Sequence[Storing]) -> list[BaseException | None]:
        stored = intents.store_all(connection, storings, self._clock())
        take = partial(quarantine.take, self._services, connection)
        judged = zip(storings, stored, strict=True)
        return [take(storing.upload_id, storing.verdict) if done else GivenUp() for storing, done in judged]

    def _written(
        self, items: Sequence[I], act: Callable[[Connection, Sequence[I]], list[R | BaseException]]
    ) -> list[R | BaseException]:
        """All in one transaction; when that fails, each in its own, so that what the database will not take fails alone."""
        try:
            return self._database.write(lambda connection: act(connection, items))
        except Unavailable:
            raise
        except Exception as error:
            if len(items) == 1:
                return [error]
        return [result for item in items for result in self._written([item], act)]


def refusal(actor: Actor | Problem, kind: str, asset_path: str, problem: Problem, now: datetime) -> dict[str, Any] | None:
    """The audit row of an upload of ``kind`` that was refused; None when it is not known whose it was."""
    if isinstance(actor, Problem):
        return None
    who = {"workspace": actor.workspace, "username": actor.username, "issuer": actor.issuer}
    return trail.entry(kind, now, **who, asset_path=asset_path or None, success=False, problem=problem.slug)


def _admitted(connection: Connection, admission: Admission, actor: Actor | Problem) -> Opening:
    if isinstance(actor, Problem):
        raise actor
    demand(actor, "upload")
    opening = Opening(actor, admission.kind, admission.asset_path, admission.must_be_new, admission.idempotency_key)
    try:
        if actor.quota_bytes is not None and actor.used_bytes >= actor.quota_bytes:
            raise TooLarge("The workspace's quota is used up.", slug="quota-exceeded")
        if admission.check is not None:
            admission.check(connection, actor)
    except Problem:
        # Whoever asks once more for what was admitted then is answered what came of it.
        if intents.earlier(connection, opening) is None:
            raise
    return opening


def _caught(act: Callable[[], R]) -> R | Problem:
    try:
        return act()
    except Problem as problem:
        return problem
