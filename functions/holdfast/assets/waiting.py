"""Requests that wait for their intent to be settled, by this process's committer or by another's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from holdfast import errors
from holdfast.assets import metadata
from holdfast.database import tables as t

SMALL_SECONDS = 0.5
"""How long a small upload takes at most on a busy machine."""


SETTLED = ("published", "quarantined", "failed", "erased")
"""States of an intent of which the client is told what came of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an intent: an asset version's metadata, or a problem."""

    metadata: dict[str, Any] | None
    problem: errors.Problem | None

    def result(self) -> dict[str, Any]:
        """The metadata; raises the problem."""
        if self.problem is not None:
            raise self.problem
        assert self.metadata is not None
        return self.metadata


def outcomes(connection: Connection, upload_ids: Iterable[str]) -> dict[str, Outcome]:
    """What came of those of the intents that are settled: at most three statements, however many they are."""
    settled = connection.execute(
        select(t.intents, t.workspaces.c.name.label("workspace"))
        .join(t.workspaces, t.workspaces.c.id == t.intents.c.workspace_id)
        .where(t.intents.c.upload_id.in_(list(upload_ids)), t.intents.c.state.in_(SETTLED))
    ).all()
    found: dict[str, Outcome] = {}
    published: dict[str, dict[str, int]] = defaultdict(dict)
    unchanged = {i.upload_id: bool(i.unchanged) for i in settled}
    for intent in settled:
        if intent.state == "published":
            published[intent.workspace][intent.upload_id] = intent.version
        else:
            found[intent.upload_id] = Outcome(None, errors.by_slug(**intent.problem))
    for workspace, versions in published.items():
        described = metadata.load(connection, workspace, list(set(versions.values())))
        for upload_id, version in versions.items():
            found[upload_id] = Outcome({**described[version], "unchanged": unchanged[upload_id]}, None)
    return found


def became(connection: Connection, upload_ids: Iterable[str]) -> dict[str, Outcome]:
    """The versions that uploads became, whose intents are not kept any more: at most as many statements as ``outcomes``. Only those
    that brought something new."""
    v, w = t.versions.c, t.workspaces.c
    wanted = list(upload_ids)
    here = select(v.upload_id, v.id, w.name).join(t.workspaces, w.id == v.workspace_id).where(v.upload_id.in_(wanted))
    by_workspace: dict[str, dict[int, str]] = defaultdict(dict)
    for upload_id, version, workspace in connection.execute(here) if wanted else ():
        by_workspace[workspace][version] = upload_id
    return {
        upload_ids[version]: Outcome(described, None)
        for workspace, upload_ids in by_workspace.items()
        for version, described in metadata.load(connection, workspace, list(upload_ids)).items()
    }


class Coming:
    """Which uploads into each workspace are on their way in this process, from when they are opened until they are stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: defaultdict[int, dict[str, float]] = defaultdict(dict)

    def add(self, workspace_id: int, upload_id: str) -> None:
        with self._lock:
            self._begun[workspace_id][upload_id] = time.monotonic()

    def remove(self, workspace_id: int, upload_id: str) -> None:
        with self._lock:
            self._begun[workspace_id].pop(upload_id, None)
            if not self._begun[workspace_id]:
                del self._begun[workspace_id]

    def soon(self, workspace_id: int) -> bool:
        """Whether one of them may be stored soon. What takes longer than ``SMALL_SECONDS`` is large, and not worth waiting for."""
        since = time.monotonic() - SMALL_SECONDS
        with self._lock:
            return any(begun > since for begun in self._begun.get(workspace_id, {}).values())


class Waiters:
    """Who in this process waits for which intent. ``tell`` may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[Outcome]]]] = {}

    @contextmanager
    def expect(self, upload_id: str) -> Iterator[asyncio.Future[Outcome]]:
        """A future of the intent's outcome, for as long as the block runs."""
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future())
        with self._lock:
            self._waiting.setdefault(upload_id, []).append(waiter)
        try:
            yield waiter[1]
        finally:
            with self._lock:
                left = self._waiting[upload_id]
                left.remove(waiter)
                if not left:
                    del self._waiting[upload_id]

    def awaited(self, upload_ids: Iterable[str]) -> list[str]:
        """Those of the intents for which somebody waits."""
        with self._lock:
            return [upload_id for upload_id in upload_ids if upload_id in self._waiting]

    def tell(self, found: Mapping[str, Outcome]) -> None:
        """Wakes those who wait for one of these."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Outcome], Outcome]]] = defaultdict(list)
        with self._lock:
            for upload_id, outcome in found.items():
                for loop, future in self._waiting.get(upload_id, ()):
                    by_loop[loop].append((future, outcome))
        for loop, told in by_loop.items():
            loop.call_soon_threadsafe(_set, told)


def _set(told: list[tuple[asyncio.Future[Outcome], Outcome]]) -> None:
    for future, outcome in told:
        if not future.done():
            future.set_result(outcome)
