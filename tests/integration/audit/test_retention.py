"""Logins and downloads leave the trail after their time, acts never; and the chain can be verified across what went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from holdfast.audit import retention
from holdfast.database.tables import audit
from tests.integration.audit.conftest import Trail

DAYS = 120


def operations(trail: Trail) -> dict[str, int]:
    with trail.services.database.read() as connection:
        counted = select(audit.c.operation, func.count().label("n")).group_by(audit.c.operation)
        return {row.operation: row.n for row in connection.execute(counted)}


@pytest.fixture
def aged(trail: Trail) -> Trail:
    """Three seals of logins, of which two have had their time; acts beside them, and somebody else's single, old login."""
    trail.write("login", workspace="eve_space")
    for days in (0, 1, 2):
        trail.write("login", "upload", "content", "archive")
        trail.now += timedelta(days=1 if days < 1 else DAYS - 1)
        trail.seal()
    return trail


def test_whole_seals_go_once_all_their_rows_are_old(aged: Trail) -> None:
    assert operations(aged) == {"login": 4, "content": 3, "upload": 3, "archive": 3}
    assert retention.clean(aged.services) == 4
    assert operations(aged) == {"login": 2, "content": 1, "upload": 3, "archive": 3}
    assert retention.clean(aged.services) == 0
    assert aged.verify(*aged.heads()) == []


def test_the_newest_seal_of_a_chain_stays_however_old_it_is(aged: Trail) -> None:
    aged.now += timedelta(days=10 * DAYS)
    retention.clean(aged.services)
    assert operations(aged) == {"login": 2, "content": 1, "upload": 3, "archive": 3}
    aged.write("login")
    aged.seal()
    assert aged.verify(*aged.heads()) == []


def test_heads_of_before_hold_afterwards(aged: Trail) -> None:
    heads = aged.heads()
    aged.write("login")
    aged.seal()
    aged.now += timedelta(days=10 * DAYS)
    assert retention.clean(aged.services) > 4
    assert aged.verify(*heads) == []


def test_it_is_done_in_steps(aged: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    assert retention.clean(aged.services) == 4
    assert aged.verify(*aged.heads()) == []


TAMPERED: dict[str, tuple[str, str]] = {
    "another number": ("UPDATE audit_chains SET pruned = 1 WHERE pruned > 0", "checkpoint-wrong"),
    "another hash": ("UPDATE audit_chains SET pruned_hash = 'x' WHERE pruned > 0", "checkpoint-wrong"),
    "no signature": ("UPDATE audit_chains SET checkpoint = NULL WHERE pruned > 0", "checkpoint-wrong"),
    "a seal's signature": (
        "UPDATE audit_chains SET checkpoint = (SELECT signed FROM audit_seals WHERE chain_id = audit_chains.id LIMIT 1) "
        "WHERE pruned > 0",
        "checkpoint-wrong",
    ),
    "never pruned": ("UPDATE audit_chains SET pruned = 0, pruned_hash = '', checkpoint = NULL WHERE pruned > 0", "seal-removed"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_checkpoint_that_was_changed_is_found(aged: Trail, how: str) -> None:
    statement, problem = TAMPERED[how]
    retention.clean(aged.services)
    aged.sql(statement)
    assert problem in aged.verify()


def test_rows_removed_without_a_checkpoint_are_found(aged: Trail) -> None:
    """Who has no key cannot prune, as much as it looks like it."""
    aged.sql("DELETE FROM audit WHERE operation = 'login' AND workspace = 'ada_space'")
    assert aged.verify() == ["row-removed"] * 3


def during(trail: Trail, act: Callable[[], object]) -> list[str]:
    """What a verification finds during which ``act`` is done after its first look at the rows."""
    from holdfast.audit.verify import verify
    from holdfast.disagreement import Disagreement

    found = []
    for number, one in enumerate(verify(trail.services)):
        if number == 0:
            act()
        found.append(one)
    return [one.problem for one in found if isinstance(one, Disagreement)]


def test_a_verification_agrees_while_it_is_done(aged: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.audit import verify

    monkeypatch.setattr(verify, "BATCH", 1)
    assert during(aged, lambda: retention.clean(aged.another())) == []
