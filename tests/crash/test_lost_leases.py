"""A committer whose lease expires while it is held up at a fail point: another one takes over, and the first then goes on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from tests.asgi import Http
from tests.crash.aging import expire_leases
from tests.crash.pausing import pause_at
from tests.stacks import LAKEFS, SQL, SQLITE, STANDIN, Stack, User

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import leases
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.storage.versions.lakefs import LakeFSVersions

BETWEEN_CALLS = [
    "commit.lease.after",
    "commit.form.before",
    "commit.form.after",
    "versions.commit.after",
    "versions.readback.before",
    "commit.publish.before",
    "commit.publish.after",
]
"""Where no transaction is open: in one, the successor just waits."""
WITHIN_A_COMMIT = ["versions.stage.before", "versions.stage.after", "versions.commit.before"]
"""On lakeFS these are calls of their own; the sql adapter makes them in one transaction."""

CASES = [
    *((stack, point) for stack in (SQLITE, SQL, STANDIN, LAKEFS) for point in BETWEEN_CALLS),
    *((stack, point) for stack in (STANDIN, LAKEFS) for point in WITHIN_A_COMMIT),
]


def upload(http: Http, name: str, content: bytes, *associated: tuple[str, bytes]) -> dict[str, Any]:
    files = [("primary_file", (name, content)), *(("associated_files", file) for file in associated)]
    reply = http.post("/fileupload", files=files)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize(("stack", "point"), CASES, indirect=["stack"])
def test_a_committer_that_lost_its_lease_goes_on(stack: Stack, point: str) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        upload(http, "note.txt", b"before", ("old.txt", b"leaves with the next version"))
    with stack.client(ada) as other, ThreadPoolExecutor(1) as pool:
        with stack.client(ada) as slow, pause_at(point) as pause:
            held_up = pool.submit(upload, slow, "note.txt", b"held up", ("side.txt", b"of held up"))
            pause.wait()
            stack.database.write(expire_leases)
            settle(stack.own)  # a third process finishes, or begins, what was under way
            stack.database.write(expire_leases)
            after = upload(other, "note.txt", b"after", ("more.txt", b"of after"))
            stack.database.write(expire_leases)
            pause.let_go()
            first = held_up.result()
        # The slow one is at rest by now: what it did last is put back by the next commit.
        assert upload(other, "other.txt", b"puts back what is to be put back")
        contents = {b"held up": first, b"after": after}
        for content, version in contents.items():
            asked = {"version_id": version["version_id"]}
            assert other.get("/content/text/txt/note", params=asked).content == content
        assert [name for name, _ in first["associated_filenames"]] == ["side.txt"]
        assert other.get("/content/text/txt/note").content == b"after"
    with stack.database.read() as connection:
        numbers = connection.scalars(select(t.versions.c.number).where(t.versions.c.asset_path == "text/txt/note")).all()
        strays = connection.scalars(select(t.strays.c.path)).all()
    assert sorted(numbers) == [1, 2, 3], "nothing is published twice"
    assert strays == []
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []
    assert on_branch(stack, ada) == in_registry(stack)


def on_branch(stack: Stack, user: User) -> dict[str, str] | None:
    """What lies at the branch's head, by path: the upload that brought it. None where heads cannot differ from commits."""
    if stack.standin is None:
        return None
    assert isinstance(stack.own.versions, LakeFSVersions)
    [head, *_] = stack.standin.history(stack.values["lakefs_repository"], user.branch)
    return {path: dict(record.metadata)["upload_id"] for path, record in head.tree.items()}


def in_registry(stack: Stack) -> dict[str, str] | None:
    """The files of each asset's newest version."""
    if stack.standin is None:
        return None
    newest = (t.versions.c.number == t.assets.c.last_number) & t.files.c.replaced_at.is_(None)
    statement = (
        select(t.files.c.path, t.files.c.upload_id)
        .join(t.versions, t.versions.c.id == t.files.c.version)
        .join(t.assets, t.assets.c.id == t.versions.c.asset_id)
        .where(newest)
    )
    with stack.database.read() as connection:
        return {row.path: row.upload_id for row in connection.execute(statement)}


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_lease_really_expires(stack: Stack) -> None:
    """By the database's clock, with nobody's help."""
    database = stack.database
    first = leases.acquire(database, "commit:1", "first", 1)
    assert first is not None
    assert leases.acquire(database, "commit:1", "second", 1) is None
    deadline = time.monotonic() + 30
    while (second := leases.acquire(database, "commit:1", "second", 30)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert second.epoch == first.epoch + 1
    with pytest.raises(leases.LeaseLost):
        database.write(lambda connection: leases.fence(connection, first, 30))
