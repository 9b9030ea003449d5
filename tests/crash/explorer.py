"""Runs a scenario on a stack, kills the process at chosen fail points, has another process recover, and checks the invariants."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, literal, select, update
from tests.asgi import send
from tests.crash.aging import end_back_off, expire_claims, expire_leases
from tests.crash.dying import Hit, Life, Say, Survivor, live
from tests.crash.scenarios import KEY, Caller, Scenario
from tests.stacks import Stack, User, empty

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.disagreement import Disagreement
from holdfast.lifecycle import purging
from holdfast.lifecycle.purging import purge
from holdfast.services import Services
from holdfast.storage.objects.s3 import S3Objects
from holdfast.uploads.concatenation import is_partial
from holdfast.uploads.sessions import SEQUENTIAL

BATCH = 25
"""Workspaces that are prepared, and verified, at once."""
A_MINUTE = 60

State = list[dict[str, Any]]
Rows = tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Stage:
    """A workspace in which what comes before the scenario has been done."""

    user: User
    so_far: list[dict[str, Any]]


@dataclass(frozen=True)
class Course:
    """How a scenario goes when nobody dies."""

    before: State
    done: State
    status: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Trace:
    """A first death, and what came of it. ``left``: how many of the registry's rows came and went, by table and state.
    ``recovering`` and ``asked_again``: what the one who recovered came by, and what he did then until he had answered the client:
    what comes later he may come by or not, since nobody waits for him."""

    at: Hit
    left: Rows
    recovering: list[Hit]
    asked_again: list[Hit]


@dataclass
class Explorer:
    """``schedules`` counts those in which every process died that was to. ``changes`` are of the settings."""

    stack: Stack
    changes: Mapping[str, Any] = field(default_factory=dict)
    schedules: int = 0
    missed: list[tuple[Hit, ...]] = field(default_factory=list)
    """Schedules in which a process came to its end, because it did not come by the fail point this time."""
    _number: int = 0
    _survivor: Survivor | None = None

    def __post_init__(self) -> None:
        self._services = Services(self.stack.settings(**self.changes))
        self._app = self.stack.app(self._services)
        self._warm()

    def _warm(self) -> None:
        """Makes what children use, and leaves no connection and no thread in it: a fork takes over neither."""
        asyncio.run(send(self._app, "GET", "/healthz"))
        warm = self.stack.services()
        user = self.stack.user("warm")
        with self.stack.client(user, warm) as http:
            for data in (b"1", b"2"):
                http.post("/fileupload", files={"primary_file": ("warm.txt", data)})
            settle(warm)
            purge(warm)
        warm.database.close()
        vars(self._services)["database"] = warm.database  # its engine knows the statements' SQL by now
        assert self._services.versions
        if isinstance(self._services.objects, S3Objects):
            with self._services.objects.rare():
                pass  # boto3's client

    def course(self, scenario: Scenario) -> Course:
        [stage] = self.stages(scenario, 1)
        before = self._state(stage)
        life = live(lambda say: self._ask(scenario, stage, say))
        [(status, _)] = life.said
        recovery = live(lambda say: self._recover(stage, say))
        assert recovery.said == [self._state(stage)]
        course = Course(before, self._state(stage), status, tuple(life.hits))
        self.settle()
        return course

    def stages(self, scenario: Scenario, count: int) -> list[Stage]:
        users = []
        for _ in range(count):
            self._number += 1
            users.append(self.stack.user(f"user{self._number}"))
            self._services.tokens.verify(users[-1].token)

        def prepare(say: Say) -> None:
            async def one(user: User) -> None:
                so_far: list[dict[str, Any]] = []
                for act in scenario.before:
                    reply = await act(Caller(self._app, user), so_far, None)
                    assert reply.is_success, reply.text
                    so_far.append(reply.json())
                say((user, so_far))

            async def all_of_them() -> None:
                await asyncio.gather(*(one(user) for user in users))

            asyncio.run(all_of_them())
            self._settle_all()  # or what the preparation left to do would be done by whoever recovers first
            self._services.close()

        return [Stage(user, so_far) for user, so_far in live(prepare).said]

    def die_once(self, scenario: Scenario, course: Course, stage: Stage, at: Hit) -> Trace:
        """Dies at ``at``; another process recovers, and the client asks it again."""
        before = self._rows()
        acknowledged = self._die(scenario, course, stage, at)
        after = self._rows()
        left = tuple(sorted((*kind, after[kind] - before[kind]) for kind in after.keys() | before.keys()))
        return Trace(at, left, *self._recovered(scenario, course, stage, acknowledged))

    def die_and_be_asked(self, scenario: Scenario, course: Course, stage: Stage, at: Hit) -> None:
        """Dies at ``at``, and the client asks another process again before anything has been recovered."""
        acknowledged = self._die(scenario, course, stage, at)
        self._expire_leases()
        [reply] = live(lambda say: self._ask(scenario, stage, say)).said
        self._check_reply(scenario, reply, acknowledged)
        self._recovered(scenario, course, stage, reply)

    def die_twice(self, scenario: Scenario, course: Course, stage: Stage, first: Hit, second: Hit) -> None:
        """As ``die_once``, but the recovering process dies at ``second``, and another one takes over."""
        acknowledged = self._die(scenario, course, stage, first)
        self._age()
        life = live(lambda say: self._recover_and_ask(scenario, stage, say), second)
        if not life.died:
            self.missed.append((first, second))
        self._recovered(scenario, course, stage, life.said[1] if len(life.said) == 2 else acknowledged)

    def _die(self, scenario: Scenario, course: Course, stage: Stage, at: Hit) -> Any:
        """Returns the reply that the client got, if it did."""
        self.schedules += 1
        life = live(lambda say: self._ask(scenario, stage, say), at)
        if not life.died:
            self.missed.append((at,))
        assert self._waiting_in_vain() == [], "whose client is told that all is there does not come again"
        if life.said:
            assert life.said[0][0] == course.status
            return life.said[0]
        return None

    def _waiting_in_vain(self) -> list[str]:
        """Uploads that have all their bytes, and wait for more."""
        u = t.upload_sessions.c
        with self.stack.database.read() as connection:
            rows = connection.execute(select(t.upload_sessions).where(u.state == "open", u.offset == u.length)).all()
        return [row.filename for row in rows if row.kind == SEQUENTIAL and not is_partial(row)]

    def _recovered(self, scenario: Scenario, course: Course, stage: Stage, acknowledged: Any) -> tuple[list[Hit], list[Hit]]:
        self._age()
        life = self._survive(scenario, stage)
        [recovered, replied], [state, reply] = life.hits_before, life.said
        if acknowledged is None:
            assert state in (course.before, course.done), "visible as a whole, or not at all"
        else:
            assert state == course.done, "what was acknowledged is there"
        self._check_reply(scenario, reply, acknowledged)
        assert self._state(stage) == course.done, "asked again, it is done, and once"
        return life.hits[:recovered], life.hits[recovered:replied]

    def _survive(self, scenario: Scenario, stage: Stage) -> Life:
        """One process does so for all whom it sees die until all is settled, as a replica does that lives on."""
        if self._survivor is None:
            self._survivor = Survivor(lambda stage, say: self._recover_and_ask(scenario, stage, say))
        return self._survivor.live(stage)

    @staticmethod
    def _check_reply(scenario: Scenario, reply: Any, acknowledged: Any) -> None:
        status, body = reply
        assert status in scenario.again, body
        if acknowledged is not None and status == 200:
            assert body.get("version_id") == acknowledged[1].get("version_id")

    def settle(self) -> None:
        """Everything that was put off is done; then nothing may be left over, and all must agree, in all workspaces. Those are gone
        then: whatever was looked at need not be looked at again each time."""
        if self._survivor is not None:
            self._survivor.end()
            self._survivor = None
        self._age()
        live(lambda say: self._recover_all())
        services = self.stack.own
        disagreements = [found for found in verify(services, deep=True) if isinstance(found, Disagreement)]
        assert not disagreements, "\n".join(map(str, disagreements))
        with self.stack.database.read() as connection:
            assert connection.scalars(select(t.holds.c.hold_id).where(t.holds.c.state.in_(["placing", "releasing"]))).all() == []
            undecided = select(t.intents.c.upload_id, t.intents.c.state).where(
                t.intents.c.state.in_(["open", "stored", "grouped", "failed"])
            )
            assert connection.execute(undecided).all() == []
            assert connection.scalars(select(t.commit_groups.c.operation).where(t.commit_groups.c.state == "open")).all() == []
            assert connection.execute(select(t.jobs.c.kind, t.jobs.c.state).where(t.jobs.c.state != "done")).all() == []
            kept = (t.versions.c.id == t.files.c.version) & func.coalesce(t.versions.c.phase, "").not_in(["erased"])
            owned = set(connection.scalars(select(t.files.c.object_key).join(t.versions, kept)))
        assert set(services.objects.keys("data/")) == owned, "no object without an owner, no file without an object"
        assert self.stack.unfinished() == []
        empty(self.stack.values["database_url"])
        for key in owned:
            services.objects.delete(key)

    # -- in children ---------------------------------------------------------------------------------------------------

    def _ask(self, scenario: Scenario, stage: Stage, say: Say) -> None:
        reply = asyncio.run(scenario.act(Caller(self._app, stage.user), stage.so_far, KEY))
        say((reply.status_code, reply.json()))
        self._services.close()

    def _recover(self, stage: Stage, say: Say) -> None:
        self._recover_all()
        with self._services.database.read() as connection:
            say(state(connection, stage.user.workspace_id))

    def _recover_all(self) -> None:
        self._settle_all()
        purge(self._services)

    def _settle_all(self) -> None:
        settle(self._services)
        for _ in range(2):  # what is erased is erased again later
            with self._services.database.engine.begin() as connection:
                put_off = end_back_off(connection)
            if not put_off:
                break
            settle(self._services)

    def _recover_and_ask(self, scenario: Scenario, stage: Stage, say: Say) -> None:
        self._recover(stage, say)
        reply = asyncio.run(scenario.act(Caller(self._app, stage.user), stage.so_far, KEY))
        say((reply.status_code, reply.json()))

    # -- what the time would do ----------------------------------------------------------------------------------------

    def _expire_leases(self) -> None:
        """And none is so long that what has died would hold anybody up for minutes, but a purge's, for which nobody waits."""
        with self.stack.database.engine.begin() as connection:
            waited_for = (t.leases.c.expires_at > db_later(A_MINUTE), t.leases.c.name != purging.LEASE)
            long = connection.scalars(select(t.leases.c.name).where(*waited_for)).all()
            assert not long, f"leases that a dead process would hold for more than a minute: {', '.join(long)}"
            expire_leases(connection)

    def _age(self) -> None:
        """As if everybody had been dead for so long that leases, heartbeats and claims have run out."""
        self._expire_leases()
        with self.stack.database.engine.begin() as connection:
            long_ago = db_later(-self._services.settings.intent_timeout_seconds - 1)
            connection.execute(update(t.intents).where(t.intents.c.state == "open").values(heartbeat_at=long_ago))
            expire_claims(connection)
            connection.execute(update(t.upload_sessions).where(t.upload_sessions.c.state == "open").values(expires_at=db_later(-1)))

    def _rows(self) -> Counter[tuple[str, str]]:
        """How many rows there are now, of the tables that the write path writes to."""
        found = Counter[tuple[str, str]]()
        with self.stack.database.read() as connection:
            for table in (
                t.intents, t.files, t.versions, t.commit_groups, t.commits, t.strays, t.jobs, t.audit, t.holds, t.hold_versions,
                t.upload_sessions, t.upload_parts, t.upload_pieces,
            ):  # fmt: skip
                by = table.c.state if "state" in table.c else literal("")
                counted = select(by, func.count()).select_from(table).group_by(by)
                found.update({(table.name, kind): n for kind, n in connection.execute(counted)})
        return found

    def _state(self, stage: Stage) -> State:
        with self.stack.database.read() as connection:
            return state(connection, stage.user.workspace_id)


def state(connection: Connection, workspace_id: int) -> State:
    """All that a client can see of a workspace, but for ids and dates."""
    v, f = t.versions.c, t.files.c
    found: dict[int, dict[str, Any]] = {}
    for row in connection.execute(select(t.versions).where(v.workspace_id == workspace_id).order_by(v.asset_path, v.number)):
        kept = ("asset_path", "number", "status", "phase", "newest", "held", "archive_ttl", "labels", "file_count", "total_bytes")
        found[row.id] = {name: getattr(row, name) for name in kept} | {"files": {}}
    current = select(t.files).where(f.workspace_id == workspace_id, f.version.is_not(None), f.replaced_at.is_(None))
    for row in connection.execute(current.order_by(f.filename)):
        files = found[row.version]["files"]
        assert row.filename not in files, "one current file of a name"
        files[row.filename] = row.sha256
    return list(found.values())


def batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
