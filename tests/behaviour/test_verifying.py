"""The bytes of what may be condemned are looked at first."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import select
from tests.behaviour.erased import keys, row
from tests.behaviour.moments import upload
from tests.behaviour.policies import outside_the_sample
from tests.stacks import SQL, SQLITE, Stack

from holdfast.database import tables as t
from holdfast.lifecycle.verifying import is_looked_at, unfit
from holdfast.storage.objects import StoreUnavailable


def recorded(stack: Stack, version: dict[str, Any]) -> tuple[str, str | None]:
    found = t.verifications.c
    with stack.database.read() as connection:
        one = connection.execute(select(found.mode, found.problem).where(found.version == row(stack, version).id)).one()
    return one.mode, one.problem


def problem_of(stack: Stack, version: dict[str, Any], **settings: Any) -> str | None:
    of = row(stack, version).id
    found = unfit(stack.services(**settings), [of]).get(of)
    return None if found is None else found.problem


def replace(stack: Stack, key: str, content: bytes) -> None:
    stack.own.objects.delete(key)
    writer = stack.own.objects.writer(key, "text/plain")
    writer.feed(content)
    writer.finish()


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_bytes_that_are_what_was_stored_may_be_condemned_and_others_may_not(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "a.txt", b"first", ("side.txt", b"beside"))
    assert problem_of(stack, version) is None
    assert recorded(stack, version) == ("hashed", None)
    side = keys(stack, version)[1]
    replace(stack, side, b"besidE")
    problem = problem_of(stack, version)
    assert problem is not None
    assert "side.txt" in problem
    assert recorded(stack, version) == ("hashed", problem)
    stack.own.objects.delete(side)
    assert problem_of(stack, version) == "The bytes of side.txt are missing."
    replace(stack, side, b"beside")
    assert problem_of(stack, version) is None
    assert recorded(stack, version) == ("hashed", None), "the last one counts"


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_replaced_file_is_not_looked_at(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "a.txt", b"first", ("side.txt", b"beside"))
        added = http.post(f"/add-associated-files/{version['asset_path']}", files=[("associated_files", ("side.txt", b"newer"))])
        assert added.is_success
    stack.own.objects.delete(keys(stack, version)[1])
    assert problem_of(stack, version) is None


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_what_is_not_in_the_sample_is_not_read_and_that_is_written_down(stack: Stack) -> None:
    sampled: dict[str, Any] = {"verify_before_destroy": "sampled", "verify_sample_percent": 1}
    with stack.client(stack.user("ada")) as http:
        version = outside_the_sample((upload(http, f"{number}.txt") for number in count()), stack.settings(**sampled))
    stack.own.objects.delete(keys(stack, version)[0])
    assert problem_of(stack, version, **sampled) is None
    assert recorded(stack, version) == ("skipped", None)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_sample_is_the_same_whenever_it_is_taken_and_as_large_as_asked_for(stack: Stack) -> None:
    ids = [f"version{number}" for number in range(2000)]
    some, more = (stack.settings(verify_before_destroy="sampled", verify_sample_percent=percent) for percent in (5, 50))
    few, half = ({one for one in ids if is_looked_at(one, settings)} for settings in (some, more))
    assert few == {one for one in ids if is_looked_at(one, some)}
    assert few < half
    assert 50 < len(few) < 150
    assert 900 < len(half) < 1100


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_a_store_that_is_away_is_no_verdict(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
    with pytest.raises(StoreUnavailable):
        problem_of(stack, version, s3_endpoint="http://127.0.0.1:9")
    with stack.database.read() as connection:
        assert connection.scalars(select(t.verifications.c.mode)).all() == []
