"""A committer dies while it puts what cannot be published out of its group: that one still fails alone, once, and the others are
published by whoever takes over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import select
from tests.behaviour.erased import disagreements
from tests.behaviour.test_poison import NAMES, a_table_that_takes_no_poison, assert_head_is_what_the_registry_says
from tests.behaviour.unhashed import store
from tests.crash.aging import end_back_off, expire_leases
from tests.crash.dying import Hit, Say, live
from tests.crash.pairing import ALL
from tests.stacks import SQL, SQLITE, STANDIN, Stack, User
from tests.standin.faults import Answer

from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.services import Services

pytestmark = pytest.mark.usefixtures("frozen")

EJECTING = [("commit.eject.before", 1), ("commit.eject.after", 1)]
ONE_BY_ONE = [(f"commit.publish.one.{moment}", nth) for moment in ("before", "after") for nth in (1, len(NAMES) - 1)]


@pytest.mark.parametrize("at", EJECTING, ids=lambda at: at[0])
@pytest.mark.parametrize("stack", [STANDIN], indirect=True)
def test_a_committer_dies_while_it_ejects_what_lakefs_refuses(stack: Stack, at: Hit) -> None:
    assert stack.standin is not None
    ada = stack.user("ada")
    stored(stack, ada)
    stack.standin.script.next("stage", Answer(400, "invalid path"))
    assert live(partial(committed, stack, ada), at).died
    if at[0].endswith("before"):  # it is refused again, as it always is
        stack.standin.script.next("stage", Answer(400, "invalid path"))
    taken_over(stack)
    assert sorted(Counter(outcomes(stack, ada)).items()) == [("bad-filename", 1), ("published", len(NAMES) - 1)]
    assert_head_is_what_the_registry_says(stack, ada)


@pytest.mark.parametrize("at", [*EJECTING, *ONE_BY_ONE], ids=lambda at: f"{at[0]} {at[1]}")
@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)
def test_a_committer_dies_while_it_publishes_one_by_one(stack: Stack, at: Hit, tell: Callable[[str], None]) -> None:
    """And where all pairs are asked for, the one that takes over dies at each point that it comes by, and a third takes over."""
    with a_table_that_takes_no_poison(stack):
        seconds = dies_and_is_taken_over(stack, stack.user("ada"), at)
        for number, second in enumerate(seconds if ALL else ()):
            dies_and_is_taken_over(stack, stack.user(f"ada{number}"), at, second)
    if ALL:
        tell(f"{stack.name}, {at[0]} {at[1]}: {len(seconds)} pairs (all)")


def dies_and_is_taken_over(stack: Stack, user: User, at: Hit, second: Hit | None = None) -> list[Hit]:
    """What the one that takes over first comes by."""
    stored(stack, user)
    assert live(partial(committed, stack, user), at).died
    stack.database.write(expire_leases)
    life = live(partial(committed, stack, user), second)
    assert life.died == (second is not None)
    taken_over(stack)
    assert outcomes(stack, user) == ["publish-failed" if name == "poison.txt" else "published" for name in NAMES]
    assert_head_is_what_the_registry_says(stack, user)
    return life.hits


def stored(stack: Stack, user: User) -> None:
    """All of ``NAMES``, so that the next group is made of them."""
    for name in NAMES:
        store(stack, user, (name, b"content"), (f"about {name}.md", b"content"), unhashed=False)


def committed(stack: Stack, user: User, _say: Say) -> None:
    services = Services(stack.settings())
    services.committer.run(user.workspace_id)
    services.close()


def taken_over(stack: Stack) -> None:
    """By another process, when the dead one's lease has run out."""
    for _ in range(2):
        stack.database.write(expire_leases)
        with stack.database.engine.begin() as connection:
            end_back_off(connection)
        settle(stack.own)
    assert disagreements(stack) == []


def outcomes(stack: Stack, user: User) -> list[str]:
    """What has become of each upload, in their order: published, or the problem that it failed with."""
    i = t.intents.c
    with stack.database.read() as connection:
        rows = connection.execute(select(i.state, i.problem).where(i.workspace_id == user.workspace_id).order_by(i.id)).all()
    return [row.state if row.problem is None else row.problem["slug"] for row in rows]
