"""Whatever is done to a sealed trail by somebody who may do everything in the database, but has no key, is found."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select

from holdfast.audit import sealing
from holdfast.audit import verify as verifying
from holdfast.audit.rows import COLUMNS, Chain, canonical, read
from holdfast.audit.seals import Seal
from holdfast.database.tables import audit, audit_chains, audit_seals
from tests.integration.audit.conftest import Trail

EDITS = {
    "at": "'2026-01-01 00:00:00'",
    "workspace": "'eve_space'",
    "issuer": "'x'",
    "username": "'eve'",
    "operation": "'upload'",
    "asset_path": "'image/png/a'",
    "version_id": "'x'",
    "success": "0",
    "details": "'{\"a\": 99}'",
    "request_id": "'x'",
}


@pytest.fixture
def sealed(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """Ten acts, logins between them, and somebody else's, in several seals. Pages are small."""
    monkeypatch.setattr(verifying, "BATCH", 3)
    for number in range(5):
        trail.write("archive", "login", "archive", workspace="ada_space", a=number)
        trail.write("archive", workspace="eve_space")
        if number != 2:
            trail.seal()
    assert trail.verify(*trail.heads()) == []
    return trail


def ids(trail: Trail) -> list[int]:
    """Of ada's acts."""
    found = trail.services.direct.all("SELECT id FROM audit WHERE workspace = 'ada_space' AND operation <> 'login' ORDER BY id")
    return [one for (one,) in found]


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_row(sealed: Trail, column: str) -> None:
    assert {*EDITS, "id"} == set(audit.c.keys())
    sealed.sql(f"UPDATE audit SET {column} = {EDITS[column]} WHERE id = :id", id=ids(sealed)[4])
    assert sealed.verify() == ["row-edited"]


@pytest.mark.parametrize("which", [0, 4, -1])
def test_a_removed_row(sealed: Trail, which: int) -> None:
    sealed.sql("DELETE FROM audit WHERE id = :id", id=ids(sealed)[which])
    assert sealed.verify() == ["row-removed"]


def test_all_rows_removed(sealed: Trail) -> None:
    sealed.sql("DELETE FROM audit")
    assert set(sealed.verify()) == {"row-removed"}


@pytest.mark.parametrize(("which", "found"), [((4, 6), 1), ((1, 2), 2)], ids=["of one seal", "of two"])
def test_two_rows_that_changed_places(sealed: Trail, which: tuple[int, int], found: int) -> None:
    first, second = (ids(sealed)[one] for one in which)
    for one, to in ((first, -1), (second, first), (-1, second)):
        sealed.sql("UPDATE audit SET id = :to WHERE id = :one", one=one, to=to)
    assert sealed.verify() == ["row-edited"] * found


def test_a_row_put_where_another_was_removed(sealed: Trail) -> None:
    one, another = ids(sealed)[3], ids(sealed)[-1]
    sealed.sql("DELETE FROM audit WHERE id = :id", id=one)
    sealed.sql("UPDATE audit SET id = :one WHERE id = :another", one=one, another=another)
    assert set(sealed.verify()) == {"row-edited", "row-removed"}


def test_an_inserted_row(sealed: Trail) -> None:
    sealed.sql("INSERT INTO audit (id, at, operation, success, details) SELECT -5, at, 'archive', 1, '{}' FROM audit LIMIT 1")
    assert sealed.verify() == ["row-inserted"]


def test_a_row_that_took_another_ones_place(sealed: Trail) -> None:
    sealed.sql("UPDATE audit SET id = -5 WHERE id = :id", id=ids(sealed)[0])
    assert sorted(sealed.verify()) == ["row-inserted", "row-removed"]


def test_a_seal_removed_with_its_rows(sealed: Trail) -> None:
    [chain] = sealed.services.direct.all("SELECT id FROM audit_chains WHERE workspace = 'ada_space' AND chain = 'acts'")
    sealed.sql("DELETE FROM audit_seals WHERE chain_id = :chain AND number = 2", chain=chain[0])
    found = sealed.verify()
    assert found[0] == "seal-removed"
    assert set(found[1:]) == {"row-inserted"}


def test_the_oldest_seals_of_acts_removed_as_if_they_were_pruned(sealed: Trail) -> None:
    found = sealed.services.direct.one(
        "SELECT c.id, s.ids, s.hash FROM audit_chains c JOIN audit_seals s ON s.chain_id = c.id "
        "WHERE c.workspace = 'ada_space' AND c.chain = 'acts' AND s.number = 1"
    )
    assert found is not None
    for one in ids(sealed)[:2]:
        sealed.sql("DELETE FROM audit WHERE id = :id", id=one)
    sealed.sql("DELETE FROM audit_seals WHERE chain_id = :chain AND number = 1", chain=found[0])
    sealed.sql("UPDATE audit_chains SET pruned = 1, pruned_hash = :hash WHERE id = :chain", chain=found[0], hash=found[2])
    assert sealed.verify() == ["checkpoint-wrong", "checkpoint-wrong"]


def test_a_tail_that_is_cut_off_is_found_by_a_head(sealed: Trail) -> None:
    heads = sealed.heads()
    cut(sealed)
    assert sealed.verify() == [], "of itself it is whole"
    assert sealed.verify(*heads) == ["tail-cut"]


def test_a_tail_that_was_cut_off_and_grew_again_is_found_by_a_head(sealed: Trail) -> None:
    heads = sealed.heads()
    cut(sealed)
    sealed.write("archive", username2="eve")
    sealed.seal()
    assert sealed.verify() == []
    assert sealed.verify(*heads) == ["chain-rewritten"]


def cut(trail: Trail) -> None:
    """Takes the newest seal of ada's acts away, with its rows, and covers that up."""
    [chain] = trail.services.direct.all("SELECT id, number FROM audit_chains WHERE workspace = 'ada_space' AND chain = 'acts'")
    own, number = chain
    for one in ids(trail)[-2:]:
        trail.sql("DELETE FROM audit WHERE id = :id", id=one)
    trail.sql("DELETE FROM audit_seals WHERE chain_id = :own AND number = :number", own=own, number=number)
    before = trail.services.direct.one(
        "SELECT hash FROM audit_seals WHERE chain_id = :own AND number = :n", {"own": own, "n": number - 1}
    )
    assert before is not None
    trail.sql("UPDATE audit_chains SET number = :n, hash = :hash WHERE id = :own", n=number - 1, hash=before[0], own=own)


def test_a_chain_that_is_gone_is_found_by_a_head(sealed: Trail) -> None:
    heads = sealed.heads()
    for table in ("audit", "audit_seals", "audit_chains", "audit_unseen"):
        sealed.sql(f"DELETE FROM {table}")
    assert sealed.verify() == []
    assert sealed.verify(*heads) == ["chain-missing"] * 3


def test_a_seal_made_anew_around_other_rows_lacks_the_signature(sealed: Trail) -> None:
    """All that can be computed without the key is computed anew, up to the end of the chain."""
    sealed.sql("UPDATE audit SET username = 'eve' WHERE id = :id", id=ids(sealed)[-1])
    services = sealed.services
    with services.database.read() as connection:
        joined = select(audit_seals, audit_chains.c.workspace, audit_chains.c.chain).join(
            audit_chains, audit_chains.c.id == audit_seals.c.chain_id
        )
        newest = joined.where(audit_chains.c.workspace == "ada_space", audit_chains.c.chain == "acts")
        row = connection.execute(newest.order_by(audit_seals.c.number.desc()).limit(1)).one()
    own = ids(sealed)[-row.row_count :]
    rows = services.direct.all(
        f"SELECT {COLUMNS} FROM audit WHERE id BETWEEN {own[0]} AND {own[-1]} AND operation = 'archive' "
        "AND workspace = 'ada_space' ORDER BY id"
    )
    kept: dict[str, Any] = {
        name: getattr(row, name) for name in ("number", "ids", "row_count", "latest_at", "previous", "sealed_at")
    }
    forged = Seal(chain=Chain(row.workspace, row.chain), digest=sha256(canonical(read(rows))).hexdigest(), **kept)
    changed = {"digest": forged.digest, "hash": forged.hash, "chain": row.chain_id, "number": row.number}
    sealed.sql("UPDATE audit_seals SET digest = :digest, hash = :hash WHERE chain_id = :chain AND number = :number", **changed)
    sealed.sql("UPDATE audit_chains SET hash = :hash WHERE id = :chain", hash=forged.hash, chain=row.chain_id)
    assert sealed.verify() == ["seal-unsigned"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ("ids = '1'", "seal-edited"),
        ("ids = 'x'", "seal-edited"),
        ("ids = '1+99999999999999'", "seal-edited"),
        ("row_count = 1", "seal-edited"),
        ("digest = 'x'", "seal-edited"),
        ("sealed_at = '2026-01-01 00:00:00'", "seal-edited"),
        ("latest_at = '2026-01-01 00:00:00'", "seal-edited"),
        ("previous = 'x'", "link-broken"),
        ("hash = 'x'", "seal-edited"),
        ("signed = 'x'", "seal-unsigned"),
        ("number = 99", "seal-removed"),
    ],
)
def test_an_edited_seal(sealed: Trail, changed: str, found: str) -> None:
    sealed.sql(f"UPDATE audit_seals SET {changed} WHERE number = 2")
    assert found in sealed.verify()


@pytest.mark.parametrize("changed", ["number = number - 1", "hash = 'x'", "pruned = 1", "pruned_hash = 'x'", "workspace = 'zoe'"])
def test_an_edited_end(sealed: Trail, changed: str) -> None:
    sealed.sql(f"UPDATE audit_chains SET {changed} WHERE workspace = 'eve_space' AND chain = 'acts'")
    assert sealed.verify()


@pytest.mark.parametrize("widened", [True, False], ids=["said", "not said"])
def test_that_nothing_was_seen_yet(sealed: Trail, widened: bool) -> None:
    sealed.sql("DELETE FROM audit_unseen")
    if widened:
        sealed.sql(
            "INSERT INTO audit_unseen (first_id, last_id, seen_at) VALUES (1, 9223372036854775807, '2026-01-01 00:00:00.000000')"
        )
    assert sealed.verify() == ["unseen-differs"]


def test_heads_that_are_not_ours_are_refused(sealed: Trail) -> None:
    header, payload, signature = sealed.heads()[0].split(".")
    assert sealed.verify("x", f"{header}.{payload}x.{signature}") == ["head-unsigned", "head-unsigned"]


def test_it_agrees_while_rows_are_written_and_sealed(sealed: Trail) -> None:
    looking = verifying.verify(sealed.services, sealed.heads())
    found = []
    for one in looking:
        found.append(one)
        sealed.write("archive", "login")
        if len(found) % 2:
            sealing.seal(sealed.another())
        if len(found) > 30:
            break
    assert [one for one in found if not isinstance(one, int)] == []
