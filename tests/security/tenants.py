"""Somebody's workspace with something in every state in it, strangers, and tokens that do not hold."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import jwt
from sqlalchemy import insert, select, update

from holdfast.clock import system
from holdfast.database import tables
from holdfast.identity import passwords
from holdfast.identity.names import user_key
from holdfast.identity.tokens import Account
from holdfast.lifecycle.sweeping import sweep
from holdfast.policies import folder
from holdfast.policies.model import AssetPolicy
from holdfast.policies.words import Action
from holdfast.scanning.port import Result, Verdict
from holdfast.uploads import chunks
from tests.asgi import Http
from tests.behaviour.moments import bearer
from tests.behaviour.unhashed import store
from tests.stacks import Stack, User

PASSWORD = "a password of the tests"
PERMISSIONS = ("upload", "download", "list", "archive", "destroy")


@cache
def _hashed() -> str:
    return passwords.hashed(PASSWORD)


@dataclass(frozen=True)
class Tenant:
    """``active``, ``archived`` and ``destroyed`` are versions' metadata; the paths are the same in every workspace. ``run`` is the
    id of a run of ``policy``, which archived something. ``hold`` is active, and covers nothing yet. ``file`` came in chunks, is
    public and archived. Of uploads that are under way: ``begun`` has nothing yet, ``sent`` all that it is to have, and ``stuck`` is
    complete and was not finished. ``resumable`` was begun by tus, with room for a thousand bytes. ``quarantined`` is the id of an
    upload that was not let in."""

    admin: User
    member: User
    active: dict[str, Any]
    archived: dict[str, Any]
    destroyed: dict[str, Any]
    policy: AssetPolicy
    run: int
    hold: dict[str, Any]
    file: dict[str, Any]
    begun: str
    sent: str
    stuck: str
    resumable: str
    quarantined: str

    @property
    def private(self) -> list[str]:
        """What nobody else may ever read."""
        ids = [version["version_id"] for version in (self.active, self.archived, self.destroyed)]
        return [
            *ids,
            self.hold["id"],
            *([self.file["id"]] if self.file else []),
            self.quarantined,
            self.admin.branch,
            self.member.account.username,
            self.active["sha256"],
        ]


def settle(stack: Stack, http: Http, name: str, *, uploads: bool = False) -> Tenant:
    """Makes ``name``'s workspace, with all that a tenant has; with resumable ``uploads`` only where they matter, as they take a
    while."""
    admin = stack.user(name)
    member = stack.user(f"{name}_member", "list", of=admin)
    set_password(stack, admin, member)
    who = bearer(admin.token)

    def uploaded(filename: str, *others: tuple[str, bytes]) -> dict[str, Any]:
        files = [("primary_file", (filename, f"{name}'s {filename}".encode())), *(("associated_files", o) for o in others)]
        reply = http.post("/fileupload", headers=who, files=files, data={"archive_ttl": "30"})
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def stepped(step: str, version: dict[str, Any]) -> dict[str, Any]:
        reply = http.post(f"/{step}/{version['asset_path']}/{version['version_id']}", headers=who)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    active = uploaded("note.txt", ("more.txt", f"{name}'s more".encode()))
    archived = stepped("filearchive", uploaded("old.txt"))
    destroyed = stepped("delfile", stepped("filearchive", uploaded("gone.txt")))
    uploaded("swept.txt")
    policy = policy_of(name)
    wanted = {"matter": f"{name}'s matter", "reason": "a reason", "selector": {"paths": ["image/**"]}}
    placed = http.post("/holds", headers=who, json=wanted)
    assert placed.status_code == 201, placed.text
    file, under_way = ({}, NONE) if not uploads else resumed(stack, http, name, admin)
    quarantined = store(stack, admin, ("bad.txt", f"{name}'s malware".encode()), verdict=Verdict(Result.INFECTED, "Bad"))
    run = swept(stack, policy)
    return Tenant(admin, member, active, archived, destroyed, policy, run, placed.json(), file, *under_way, quarantined)


NONE = ("", "", "", "")


def resumed(stack: Stack, http: Http, name: str, admin: User) -> tuple[dict[str, Any], tuple[str, str, str, str]]:
    """The tenant's resumable uploads: a file that came of one, which is archived; and those under way."""
    who = bearer(admin.token)
    whole = in_chunks(http, who, f"{name}'s chunk".encode())
    assert whole.status_code == 200, whole.text
    file: dict[str, Any] = whole.json()["data"]
    archived = http.post(f"/filearchive/{file['asset_path']}/{file['version_id']}", headers=who)
    assert archived.status_code == 200, archived.text
    begun, sent, stuck = (in_chunks(http, who, b"content", last).json()["data"]["upload_id"] for last in UNDER_WAY)
    values = {"filename": f"{name}.txt", "details": {}, "kept": True}
    chunks.complete(stack.own, stack.own.tokens.verify(admin.token), stuck, count=1, size=7, values=values)
    tus = http.post("/uploads", headers={**who, "Tus-Resumable": "1.0.0", "Upload-Length": "1000"})
    assert tus.status_code == 201, tus.text
    return file, (begun, sent, stuck, tus.headers["location"].rpartition("/")[2])


UNDER_WAY = ("init", "chunk", "chunk")
"""The last step of each."""


def in_chunks(http: Http, who: dict[str, str], content: bytes, last: str = "complete") -> httpx.Response:
    """A file as 001's clients send one, in a single chunk: the reply to the ``last`` step, or to the first that is refused."""
    reply = http.post("/api/v1/file/upload/init/", headers=who)
    if reply.is_error or last == "init":
        return reply
    upload = {"upload_id": reply.json()["data"]["upload_id"]}
    chunk = {**upload, "chunk_index": "0", "chunk_size": str(len(content))}
    reply = http.post("/api/v1/file/upload/chunk/", headers=who, data=chunk, files={"file": ("blob", content)})
    if last == "chunk" or reply.is_error:
        return reply
    whole = {**upload, "total_chunks": "1", "total_size": str(len(content)), "file_extension": "txt", "content_type": "text/plain"}
    return http.post("/api/v1/file/upload/complete/", headers=who, data={**whole, "filename": f"{content.hex()[:40]}.txt"})


def policy_of(name: str) -> AssetPolicy:
    match = {"paths": ["text/txt/swept"]}
    spec = {
        "workspaces": {"names": [f"{name}_space"]},
        "match": match,
        "archive": {"afterDays": 0},
        "mode": "Enforce",
        "precedence": "PolicyFirst",
    }
    return AssetPolicy.model_validate({"metadata": {"name": name.replace("_", "-")}, "spec": spec})


def swept(stack: Stack, policy: AssetPolicy) -> int:
    """The policy's run."""
    source = stack.own.settings.policies_folder
    folder.put(source, policy)
    outcome = sweep(stack.own, source, policy.key, Action.ARCHIVE)
    assert (outcome.state, outcome.done.items) == ("done", 1)
    assert outcome.run is not None
    return outcome.run


def set_password(stack: Stack, *users: User) -> None:
    with stack.database.engine.begin() as connection:
        for user in users:
            row = update(tables.users).where(tables.users.c.id == user.account.user_id)
            connection.execute(row.values(password_hash=_hashed()))


def platform_admin(stack: Stack, name: str) -> User:
    """One without a workspace, as ``holdfast admin create`` makes him."""
    row = {
        "username": name,
        "name_folded": user_key(name),
        "permissions": "",
        "platform_admin": True,
        "created_at": system(),
        "password_hash": _hashed(),
    }
    with stack.database.engine.begin() as connection:
        key = connection.execute(insert(tables.users).values(row)).inserted_primary_key
    assert key is not None
    account = Account(int(key[0]), name, "", frozenset(), 0)
    return User(account, 0, stack.own.tokens.issue(account))


def expired(stack: Stack, user: User) -> str:
    return stack.services(lambda: system() - timedelta(days=1)).tokens.issue(user.account)


def tampered(user: User, other: User) -> dict[str, str]:
    """``user``'s token, changed in every way that could make somebody believe it, and what is no token: none of these holds."""
    head, payload, signature = user.token.split(".")
    header = jwt.get_unverified_header(user.token)
    claims = jwt.decode(user.token, options={"verify_signature": False})
    others = jwt.decode(other.token, options={"verify_signature": False})
    kid, secret = {"kid": header["kid"]}, "another secret, which is long enough as well"
    return {
        "signature": f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "claims": f"{head}.{part({**others, 'jti': claims['jti']})}.{signature}",
        "alg none": f"{part({**header, 'alg': 'none'})}.{payload}.",
        "alg None with a signature": f"{part({**header, 'alg': 'None'})}.{payload}.{signature}",
        "no signature": f"{head}.{payload}.",
        "two parts": f"{head}.{payload}",
        "a longer life": f"{head}.{part({**claims, 'exp': claims['exp'] + 10**6})}.{signature}",
        "another secret": jwt.encode(claims, secret, "HS256", headers=kid),
        "another algorithm": jwt.encode(claims, secret * 2, "HS512", headers=kid),
        "a key that is a path": f"{part({**header, 'kid': '../../../../dev/null'})}.{payload}.{signature}",
        "a key that it brings": f"{part({**header, 'jwk': {'kty': 'oct', 'k': 'AAAA'}, 'jku': 'http://127.0.0.1/'})}.{payload}.{signature}",
        "a key id that is no text": f"{part({**header, 'kid': {}})}.{payload}.{signature}",
        "no token": "a.b.c",
        "dots": "." * 20,
        "much": "x" * 20_000,
        "deep": f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{payload}.{signature}",
    }


def part(value: dict[str, Any]) -> str:
    """A part of a token, as it is written."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


_OWNED = (tables.users, tables.assets, tables.versions, tables.files, tables.intents, tables.holds)
_GIVEN_UP = ("failed", "erased")


def stored(stack: Stack, workspace_id: int | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that requests can change, in one workspace or in all, to be compared. Uploads that were refused do not count."""
    found = {}
    with stack.database.read() as connection:
        for table in (tables.workspaces, *_OWNED):
            rows = select(table).order_by(*table.primary_key)
            if workspace_id is not None:
                rows = rows.where((table.c.id if table is tables.workspaces else table.c.workspace_id) == workspace_id)
            if table is tables.intents:
                rows = rows.where(table.c.state.not_in(_GIVEN_UP))
            if table is tables.files:
                rows = rows.where(table.c.version.is_not(None))
            found[table.name] = [tuple(row) for row in connection.execute(rows)]
    return found
