"""An upload that cannot be committed or registered fails alone, whoever it shares a group with."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from tests.asgi import Http
from tests.stacks import SQL, SQLITE, STANDIN, Stack, User
from tests.standin.faults import Answer

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import leases
from holdfast.disagreement import Disagreement

NAMES = ("a.txt", "b.txt", "poison.txt", "c.txt")


def disagreements(stack: Stack) -> list[Disagreement]:
    return [one for one in verify(stack.own, deep=True) if isinstance(one, Disagreement)]


def upload_together(stack: Stack, http: Http, user: User, contents: bytes) -> dict[str, int]:
    """Uploads all ``NAMES`` so that they share a group: nobody may commit until the last one is stored. The status of each."""
    while (held := leases.acquire(stack.database, f"commit:{user.workspace_id}", "the test", 60)) is None:
        pass  # the committer before still lingers

    def upload(name: str) -> int:
        files = [("primary_file", (name, contents)), ("associated_files", (f"about {name}.md", contents))]
        return http.post("/fileupload", files=files).status_code

    with ThreadPoolExecutor(len(NAMES)) as pool:
        waiting = [pool.submit(upload, name) for name in NAMES]
        while stored(stack) < len(NAMES):
            pass
        leases.release(stack.database, held)
        return {name: future.result() for name, future in zip(NAMES, waiting, strict=True)}


def stored(stack: Stack) -> int:
    with stack.database.read() as connection:
        return connection.scalar(text("SELECT count(*) FROM intents WHERE state = 'stored'")) or 0


@pytest.mark.parametrize("stack", [STANDIN], indirect=True)
def test_an_entry_that_lakefs_refuses_fails_its_upload_alone(stack: Stack) -> None:
    ada = stack.user("ada")
    assert stack.standin is not None
    with stack.client(ada) as http:
        assert set(upload_together(stack, http, ada, b"1").values()) == {200}
        stack.standin.script.next("stage", Answer(400, "invalid path"))
        said = upload_together(stack, http, ada, b"2")
    assert sorted(said.values()) == [200, 200, 200, 422]
    settle(stack.own)
    assert disagreements(stack) == []
    assert_head_is_what_the_registry_says(stack, ada)


@contextmanager
def a_table_that_takes_no_poison(stack: Stack) -> Iterator[None]:
    if stack.name == SQLITE:
        refusal = "WHEN NEW.primary_filename = 'poison.txt' BEGIN SELECT RAISE(ABORT, 'no'); END"
    else:
        refusal = "FOR EACH ROW IF NEW.primary_filename = 'poison.txt' THEN SIGNAL SQLSTATE '45000'; END IF"
    with stack.database.engine.begin() as connection:
        connection.execute(text(f"CREATE TRIGGER no_poison BEFORE INSERT ON versions {refusal}"))
    try:
        yield
    finally:
        with stack.database.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER no_poison"))


@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)
def test_an_upload_that_cannot_be_registered_fails_alone(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        assert set(upload_together(stack, http, ada, b"1").values()) == {200}
        with a_table_that_takes_no_poison(stack):
            said = upload_together(stack, http, ada, b"2")
        assert said == {"a.txt": 200, "b.txt": 200, "poison.txt": 503, "c.txt": 200}
        newest = {one["primary_filename"]: one["sha256"] for one in http.get("/assets").json()["items"]}
        assert len(set(newest.values())) == 2  # the poisoned one still has its first version
        assert upload_together(stack, http, ada, b"3") == dict.fromkeys(NAMES, 200)
    settle(stack.own)
    assert disagreements(stack) == []
    assert_head_is_what_the_registry_says(stack, ada)


def assert_head_is_what_the_registry_says(stack: Stack, user: User) -> None:
    """After one more commit, which puts back what strayed, the branch's head holds the newest versions and nothing else."""
    with stack.client(user) as http:
        assert http.post("/fileupload", files={"primary_file": ("last.txt", b"last")}).status_code == 200
    if stack.standin is None:
        return
    with stack.database.read() as connection:
        newest = connection.execute(
            text(
                "SELECT f.path, f.upload_id FROM files f JOIN versions v ON v.id = f.version "
                "JOIN assets a ON a.id = v.asset_id WHERE v.number = a.last_number AND f.replaced_at IS NULL"
            )
        ).all()
    tree = stack.standin.history(stack.values["lakefs_repository"], user.branch)[0].tree
    head = {path: dict(record.metadata)["upload_id"] for path, record in tree.items()}
    assert head == {row.path: row.upload_id for row in newest}
