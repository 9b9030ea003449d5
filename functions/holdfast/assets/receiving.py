"""An upload over HTTP, from the first byte of its form to the metadata of what it brought.

    first file begins ─► intent (SQL) ─► bytes into the store ─► stored (SQL) ─► the committer ─► metadata

One thread hop of its own for a small file, to finish the object; the intent is opened and marked stored together with those of
other requests (``registering``). What goes wrong before it is stored gives the intent up and its bytes with it; from then on the
upload survives the request.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select
from starlette.requests import ClientDisconnect, Request

from holdfast.assets import dates, intents, labels, names, quarantine
from holdfast.assets.intents import StoredFile, Storing, Wishes
from holdfast.assets.registering import Admission, Check, Registrar, refusal
from holdfast.assets.waiting import outcomes
from holdfast.database import tables as t
from holdfast.database.engine import Database
from holdfast.errors import Invalid, Malformed, NotFound, Problem, Unavailable
from holdfast.identity.access import Actor, Claims
from holdfast.media import kind
from holdfast.scanning.port import Verdict
from holdfast.storage.objects import Writer
from holdfast.web.auth import claims
from holdfast.web.hop import Threads
from holdfast.web.idempotency import idempotency_key
from holdfast.web.ingest import Poured, pour
from holdfast.web.multipart import Limits, Multipart, Part

if TYPE_CHECKING:
    from holdfast.services import Services

ASSOCIATED = frozenset({"associated_files", "associated_files[]"})
BROKEN_OFF = frozenset({"incomplete-body", "upload-failed", "upload-given-up"})
"""What an intent ends in whose bytes did not all come. It says nothing about the next request of the same Idempotency-Key."""
RESERVE = 8
"""Keys that a further file reserves at once."""
BEAT_SECONDS = 15.0
"""How often an upload that is being scanned says that it is alive."""
POLL_SECONDS = 0.5
"""How often a waiting request looks whether another process has settled its intent."""


@dataclass(frozen=True, slots=True)
class Form:
    """Which parts an upload may have. ``fields`` are the text fields."""

    kind: str
    primary: bool
    fields: frozenset[str]


UPLOAD = Form(intents.UPLOAD, True, frozenset({"archive_ttl", "destroy_ttl", "labels"}))
ADD_FILES = Form(intents.ADD_FILES, False, frozenset({"primary_version_id"}))


async def receive(request: Request, form: Form, *, asset_path: str = "", check: Check | None = None) -> dict[str, Any]:
    """Answers an upload: returns the metadata of the version that it brought, changed or found unchanged.

    ``asset_path`` is the one that files are added to. ``check`` may refuse before bytes flow, in the transaction that opens the
    intent. Raises Problem; commit-pending (503) when the commit takes too long, which then goes on all the same.
    """
    state = request.app.state
    upload = _Upload(state.services, state.threads, state.registrar(), claims(request), form, asset_path, check)
    upload.read_headers(request)
    limits = Limits(files=state.services.settings.max_files, fields=len(form.fields))
    try:
        async for part in Multipart(request, limits, repeated=ASSOCIATED):
            if part.filename is None:
                upload.take_field(part.name, await part.text())
            else:
                await upload.take_file(part)
        await upload.finish()
    except BaseException as error:
        await asyncio.shield(upload.give_up(error))
        raise
    finally:
        upload.came()
    return await upload.published()


class _Upload:
    """The state of one request. Its methods run on the event loop, one after the other."""

    def __init__(
        self,
        services: Services,
        threads: Threads,
        registrar: Registrar,
        who: Claims,
        form: Form,
        asset_path: str,
        check: Check | None,
    ) -> None:
        self._services, self._threads, self._registrar = services, threads, registrar
        self._who, self._form = who, form
        self._asset_path, self._check = asset_path, check
        self._idempotency_key: str | None = None
        self._must_be_new = False
        self._fields: dict[str, str] = {}
        self._wishes = Wishes()
        self._actor: Actor | None = None
        self._begun: intents.Begun | None = None
        self._reserved = 1
        self._pending: tuple[Writer, StoredFile] | None = None
        self._files: list[StoredFile] = []
        self._taken: set[str] = set()
        self._stored = False

    def read_headers(self, request: Request) -> None:
        """Idempotency-Key and If-None-Match. Raises Malformed."""
        key = idempotency_key(request)
        condition = request.headers.get("if-none-match")
        if condition is not None and condition.strip() != "*":
            raise Malformed("An upload knows only If-None-Match: *.", slug="bad-condition")
        if condition is not None and not self._form.primary:
            raise Malformed("Only an upload can be made conditional: files are added to what is there.", slug="bad-condition")
        self._idempotency_key, self._must_be_new = key, condition is not None

    def take_field(self, name: str, value: str) -> None:
        if name not in self._form.fields:
            raise Invalid(f"There is no field {name[:100]!r}.", slug="unknown-field")
        self._fields[name] = value

    async def take_file(self, part: Part) -> None:
        """Streams one file into the store."""
        primary = self._form.primary and part.name == "primary_file"
        if not primary and part.name not in ASSOCIATED:
            raise Invalid(f"There is no file field {part.name[:100]!r}.", slug="unknown-field")
        if part.filename == "" and not primary:  # a browser's empty file input
            async for _ in part:
                raise Invalid("A file needs a name.", slug="bad-filename")
            return
        filename = names.file_name(part.filename or "")
        safe = names.safe(filename)
        if safe in self._taken:
            raise Invalid(f"Two files of the upload would be called {safe}.", slug="name-collision")
        self._taken.add(safe)
        await self._open()
        assert self._begun is not None
        if self._begun.replay:
            digest = hashlib.sha256()
            size = 0
            async for chunk in part:
                digest.update(chunk)
                size += len(chunk)
            self._files.append(StoredFile(len(self._files), primary, filename, "", size, digest.hexdigest()))
            return
        position = len(self._files) + (self._pending is not None)
        if position:
            await self._threads.run(self._next, position)
        upload_id = self._begun.upload_id
        writer = self._services.objects.writer(intents.key(upload_id, position), "application/octet-stream")
        beat = lambda: intents.heartbeat(self._services.database, upload_id)  # noqa: E731
        poured = await pour(part, writer, self._threads, limit=self._limit(), heartbeat=beat)
        self._pending = (writer, _described(position, primary, filename, part.content_type, poured))

    def _limit(self) -> int:
        """Bytes that the next file may have."""
        assert self._actor is not None
        return self._actor.largest_file(self._services.settings.max_file_bytes, sum(f.size for f in self._files))

    async def _open(self) -> None:
        if self._begun is None:
            admission = Admission(
                self._who, self._form.kind, self._asset_path, self._must_be_new, self._idempotency_key, self._check
            )
            self._actor, self._begun = await self._registrar.open(admission)
            self._services.committer.coming.add(self._actor.workspace_id, self._begun.upload_id)

    def came(self) -> None:
        """It is stored or given up: the committer waits for it no longer."""
        if self._actor is not None and self._begun is not None:
            self._services.committer.coming.remove(self._actor.workspace_id, self._begun.upload_id)

    def _next(self, position: int) -> None:
        """In a thread: finishes the file before, and registers the next one's key."""
        assert self._begun is not None
        self._settle_pending()
        if position >= self._reserved:
            self._reserved = position + RESERVE
            intents.reserve(self._services.database, self._begun.upload_id, self._reserved)

    def _settle_pending(self) -> None:
        if self._pending is not None:
            writer, file = self._pending
            self._pending = None
            try:
                stored = writer.finish()
            except BaseException:
                writer.abort()
                raise
            self._files.append(
                StoredFile(file.position, file.primary, file.filename, file.content_type, stored.size, stored.sha256)
            )

    async def finish(self) -> None:
        """All parts are read: marks the intent stored."""
        self._wishes = Wishes(
            dates.parse_ttl("archive_ttl", self._fields.get("archive_ttl")),
            dates.parse_ttl("destroy_ttl", self._fields.get("destroy_ttl")),
            labels.parse(self._fields["labels"]) if self._fields.get("labels") else None,
        )
        if self._begun is None:
            raise Invalid("There is no file in the form.", slug="no-file")
        sent = [*self._files, *([self._pending[1]] if self._pending else [])]
        primary = next((f for f in sent if f.primary), None)
        if self._form.primary and primary is None:
            raise Invalid("There is no primary_file in the form.", slug="no-file")
        if self._begun.replay:
            return
        if primary is not None:
            self._asset_path = names.asset_path(primary.filename, primary.content_type)
        assert self._actor is not None
        await self._threads.run(self._settle_pending)
        target = self._fields.get("primary_version_id") or None
        storing = Storing(self._begun.upload_id, self._actor, self._asset_path, self._files, self._wishes, target)
        storing = replace(storing, verdict=await self._scanned(storing))
        await self._registrar.store(storing)
        self._stored = True

    async def _scanned(self, storing: Storing) -> Verdict | None:
        """None where nothing is scanned. Raises ScannerUnavailable: nothing of the upload stays then, and the client sends it
        again."""
        if self._services.settings.scan == "off":
            return None
        beat = Beat(self._services.database, storing.upload_id)
        while True:
            try:
                await asyncio.wait_for(self._registrar.scans.acquire(), BEAT_SECONDS)
                break
            except TimeoutError:
                await self._threads.run(beat)
        try:
            return await self._threads.run_through(quarantine.scan, self._services, storing, beat)
        finally:
            self._registrar.scans.release()

    async def give_up(self, error: BaseException) -> None:
        """Nothing of it stays, unless it was stored already."""
        if self._begun is None or self._begun.replay or self._stored:
            return
        problem = error if isinstance(error, Problem) else Malformed("The upload was broken off.", slug="incomplete-body")
        if not isinstance(error, (Problem, ClientDisconnect, asyncio.CancelledError)):
            problem = Unavailable("The upload failed. Send it again.", slug="upload-failed", retry_after=5)
        await self._threads.run(self._fail, problem)

    def _fail(self, problem: Problem) -> None:
        assert self._begun is not None
        assert self._actor is not None
        if self._pending is not None:
            self._pending[0].abort()
        try:
            again_after = self._services.settings.intent_timeout_seconds
            row = refusal(self._actor, self._form.kind, self._asset_path, problem, self._services.clock())
            intents.fail(self._services.database, self._begun.upload_id, problem, again_after, row)
        except Unavailable:
            return  # its heartbeat ends, and reconcile gives it up

    async def published(self) -> dict[str, Any]:
        """Waits for the commit. Raises the problem that the intent ended in, or Unavailable when it takes too long."""
        assert self._begun is not None
        assert self._actor is not None
        replay, upload_id = self._begun.replay, self._begun.upload_id
        try:
            found = await settled(self._services, self._threads, upload_id, self._actor.workspace_id, at_once=replay)
        except Problem as problem:
            if replay and problem.slug in BROKEN_OFF:
                detail = "The earlier request with this Idempotency-Key did not arrive whole. Send it again."
                raise Unavailable(detail, slug="upload-failed", retry_after=1) from problem
            raise
        if replay:
            await self._threads.run(self._compare)
        return found

    def _compare(self) -> None:
        """The same Idempotency-Key stands for the same upload. Raises Invalid."""
        assert self._begun is not None
        with self._services.database.read() as connection:
            intent = connection.execute(select(t.intents).where(t.intents.c.upload_id == self._begun.upload_id)).one()
            rows = connection.execute(select(t.files).where(t.files.c.upload_id == self._begun.upload_id)).all()
        asked = (self._form.kind, self._wishes.archive_ttl, self._wishes.destroy_ttl, self._wishes.labels)
        same = asked == (intent.kind, intent.archive_ttl, intent.destroy_ttl, intent.labels)
        same = same and self._must_be_new == intent.must_be_new
        if self._form.kind == intents.ADD_FILES:
            target = self._fields.get("primary_version_id") or intent.target_version  # of one that named none it is what it became
            same = same and (self._asset_path, target) == (intent.asset_path, intent.target_version)
        sent = {(f.filename, f.primary, f.sha256) for f in self._files}
        if not same or (rows and sent != {(row.filename, row.primary, row.sha256) for row in rows}):
            raise Invalid("This Idempotency-Key was used for another upload.", slug="idempotency-key-reused")


class Beat:
    """The intent's heartbeat, however often it is called. Raises GivenUp."""

    def __init__(self, database: Database, upload_id: str) -> None:
        self._database, self._upload_id = database, upload_id
        self._at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._at >= BEAT_SECONDS:
            self._at = time.monotonic()
            intents.heartbeat(self._database, self._upload_id)


def _described(position: int, primary: bool, filename: str, said: str | None, poured: Poured) -> StoredFile:
    return StoredFile(position, primary, filename, kind.content_type(filename, poured.head, said), poured.size, "")


async def settled(
    services: Services, threads: Threads, upload_id: str, workspace_id: int, *, at_once: bool = False
) -> dict[str, Any]:
    """Waits until the intent is settled, by whatever process, and returns the metadata. Raises the problem that it ended in;
    Unavailable (commit-pending) after ``commit_wait_seconds``: the same Idempotency-Key then waits on. ``at_once``: it may well be
    settled already."""
    if at_once and (found := await threads.run(_look, services, upload_id)) is not None:
        return found
    loop = asyncio.get_running_loop()
    deadline = loop.time() + services.settings.commit_wait_seconds
    with services.committer.waiters.expect(upload_id) as future:
        while True:
            services.committer.nudge(workspace_id)
            await asyncio.wait([future], timeout=min(POLL_SECONDS, max(0, deadline - loop.time())))
            if future.done():
                return future.result().result()
            try:
                found = await threads.run(_look, services, upload_id)
            except Unavailable:
                found = None
            if found is not None:
                return found
            if loop.time() >= deadline:
                raise Unavailable(
                    "The upload is stored and will be committed. Ask again with the same Idempotency-Key.",
                    slug="commit-pending",
                    retry_after=5,
                    upload_id=upload_id,
                )


def _look(services: Services, upload_id: str) -> dict[str, Any] | None:
    with services.database.read() as connection:
        outcome = outcomes(connection, [upload_id]).get(upload_id)
    return None if outcome is None else outcome.result()


def refuse_add(connection: Connection, actor: Actor, asset_path: str) -> None:
    """Refuses files for an asset that is not there, before their bytes flow. The committer decides again, under its lease."""
    here = (t.assets.c.workspace_id == actor.workspace_id, t.assets.c.asset_path == asset_path)
    if connection.scalar(select(t.assets.c.id).where(*here)) is None:
        raise NotFound("There is no such asset.")
