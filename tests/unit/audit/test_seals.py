from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.rows import ID, Chain, Row, canonical, chain_of, grouped
from holdfast.audit.seals import MOST, End, Seal, sealed
from holdfast.audit.spans import read

NOW = datetime(2026, 11, 21, 14, 3, tzinfo=UTC)


def row(identity: int, workspace: str | None = "ada_space", operation: str = "archive", **details: int) -> Row:
    return [identity, "2026-11-21 14:03:00.000000", workspace, "", "ada", operation, None, None, None, 1, details]


def digest(rows: list[Row]) -> str:
    return sha256(canonical(rows)).hexdigest()


def ids(seal: Seal) -> list[int]:
    return [one for first, last in read(seal.ids) for one in range(first, last + 1)]


def some_rows(count: int, seed: int) -> list[Row]:
    random = Random(seed)
    taken = sorted(random.sample(range(1, 3 * count + 2), count))
    return [row(one, random.choice(["a", "b", None]), random.choice(["login", "archive"])) for one in taken]


@given(st.integers(1, 60), st.integers())
def test_every_row_is_in_one_seal_of_its_chain(count: int, seed: int) -> None:
    rows = some_rows(count, seed)
    seals = list(sealed(grouped(rows), {}, NOW))
    assert sorted(one for seal in seals for one in ids(seal)) == [one[ID] for one in rows]
    by_id = {one[ID]: one for one in rows}
    for seal in seals:
        own = [by_id[one] for one in ids(seal)]
        assert {chain_of(one) for one in own} == {seal.chain}
        assert (seal.row_count, seal.digest, seal.first_id) == (len(own), digest(own), own[0][ID])


@given(st.integers(1, 30), st.integers(0, 30), st.integers())
def test_a_chain_goes_on_where_it_ended(first: int, second: int, seed: int) -> None:
    rows = some_rows(first + second, seed)
    ends: dict[Chain, End] = {}
    seals = [*sealed(grouped(rows[:first]), ends, NOW), *sealed(grouped(rows[first:]), ends, NOW)]
    for chain, end in ends.items():
        own = [seal for seal in seals if seal.chain == chain]
        assert [seal.number for seal in own] == list(range(1, len(own) + 1))
        assert [seal.previous for seal in own] == ["", *(seal.hash for seal in own[:-1])]
        assert end == End(own[-1].number, own[-1].hash)


def test_a_seal_holds_so_many_rows_and_their_ids_fit_into_a_text() -> None:
    scattered = [row(10**11 + number * 2_000_000_003) for number in range(MOST + 1)]
    first, second = sealed(grouped(scattered), {}, NOW)
    assert (first.row_count, second.row_count) == (MOST, 1)
    assert len(first.ids) < 2**16


ROWS = [row(number) for number in range(1, 6)]


@pytest.mark.parametrize(
    "tampered",
    [
        [*ROWS[:2], row(3, a=1), *ROWS[3:]],
        [*ROWS[:2], *ROWS[3:]],
        ROWS[:-1],
        [*ROWS, row(6)],
        [ROWS[1], ROWS[0], *ROWS[2:]],
        [row(1, a=1), *ROWS[1:]],
    ],
    ids=["edited", "removed", "last removed", "inserted", "swapped", "first edited"],
)
def test_other_rows_are_another_digest(tampered: list[Row]) -> None:
    assert digest(tampered) != digest(ROWS)


CHANGES: dict[str, Any] = {
    "chain": Chain("ada_space", "access"),
    "number": 2,
    "ids": "1+3",
    "row_count": 4,
    "digest": "0" * 64,
    "latest_at": NOW + timedelta(microseconds=1),
    "previous": "1" * 64,
    "sealed_at": NOW + timedelta(microseconds=1),
}


@pytest.mark.parametrize("name", [field.name for field in fields(Seal)])
def test_every_member_of_a_seal_is_in_its_hash(name: str) -> None:
    [seal] = sealed(grouped(ROWS), {}, NOW)
    assert replace(seal, **{name: CHANGES[name]}).hash != seal.hash
