"""The trail is sealed whole and once, whoever writes and seals at the same time, and whatever the database does to JSON."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from holdfast.audit import sealer, sealing
from holdfast.audit.rows import COLUMNS, canonical, read
from holdfast.audit.trail import entry, record, record_direct
from holdfast.database.tables import audit, audit_unseen, leases
from holdfast.database.types import db_later
from holdfast.jobs.repeating import MOST
from holdfast.web.metrics import exposition
from tests.integration.audit.conftest import Trail
from tests.waiting import until

DETAILS: dict[str, Any] = {
    "zz": 1,
    "a": {"y": None, "bb": [1, 2.5, True]},
    "ä": "\N{SNOWMAN}",
    "b": 'x\ny"z',
    "ccc": 10**15,
    "one": 1.0,
}

ON_SERVERS = pytest.mark.parametrize("trail", ["mariadb", "mysql"], indirect=True)
"""SQLite has one writer at a time: its ids are committed in their order, and those of what was rolled back are given again."""


def test_rows_are_sealed_once_each_in_the_chains_of_their_workspaces(trail: Trail) -> None:
    trail.write("login", "upload", "archive")
    trail.write("upload", workspace="eve_space")
    trail.write("invite", workspace=None)
    assert trail.seal() == 5
    assert trail.seal() == 0
    assert [rows for _, _, rows in trail.seals()] == [1, 1, 2, 1]
    trail.write("archive")
    assert trail.seal() == 1
    assert trail.verify(*trail.heads()) == []
    assert sealing.oldest(trail.services) is None


def test_an_empty_trail_has_no_seals_and_nothing_wrong(trail: Trail) -> None:
    assert (trail.seal(), trail.seals(), trail.verify()) == (0, [], [])


def test_details_are_the_same_bytes_however_the_database_keeps_json(trail: Trail) -> None:
    trail.write("upload", **DETAILS)
    row = entry("upload", trail.now, workspace="ada_space", username="ada", **DETAILS)
    trail.services.direct.write(lambda transaction: record_direct(transaction, row))
    first, second = read(trail.services.direct.all(f"SELECT {COLUMNS} FROM audit ORDER BY id"))
    said = canonical([first[1:]])
    assert said == canonical([second[1:]])
    assert said == (
        b'[["2026-11-21 12:00:01.123456","ada_space","","ada","upload",null,null,null,1,'
        b'{"a":{"bb":[1,2.5,true],"y":null},"b":"x\\ny\\"z","ccc":1000000000000000,"one":1.0,"zz":1,"\\u00e4":"\\u2603"}]]'
    )


def test_texts_are_the_same_bytes_whatever_is_in_them(trail: Trail) -> None:
    odd = "".join(map(chr, range(1, 33))) + "\"\\/\x7f\x80\u2028ä\N{SNOWMAN}\U0001fab8 '%_ "
    trail.write("upload", asset_path=odd, text=odd)
    [row] = read(trail.services.direct.all(f"SELECT {COLUMNS} FROM audit"))
    assert (row[6], row[-1]) == (odd, {"text": odd})
    assert trail.seal() == 1
    assert trail.verify() == []


def test_more_rows_than_one_transaction_seals(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 7)
    for number in range(10):
        trail.write("login", "upload", workspace=f"w{number % 3}")
    assert trail.seal() == 20
    assert sum(rows for _, _, rows in trail.seals()) == 20
    assert trail.verify(*trail.heads()) == []


@ON_SERVERS
def test_a_row_that_is_committed_late_is_sealed_late(trail: Trail) -> None:
    trail.write("upload")
    with trail.services.database.engine.begin() as late:
        record(late, entry("archive", trail.now, workspace="ada_space", username="ada"))
        trail.write("destroy")
        assert trail.seal() == 2
        assert trail.seal() == 0
        assert trail.verify() == []
    assert trail.verify() == [], "it is not sealed yet, and known to be missing"
    assert sealing.oldest(trail.services) is not None
    assert trail.seal() == 1
    assert trail.verify(*trail.heads()) == []
    assert [rows for _, _, rows in trail.seals()] == [2, 1]


@ON_SERVERS
def test_ids_that_were_rolled_back_are_forgotten_in_time(trail: Trail) -> None:
    with trail.services.database.engine.connect() as connection:
        record(connection, *[entry("archive", trail.now, workspace="ada_space", username="ada")] * 3)
        connection.rollback()
    trail.write("upload")
    trail.seal()
    [gap, to_come] = sorted(sealing.unseen(trail.services))
    assert gap[1] - gap[0] >= 2
    assert to_come[0] == gap[1] + 2

    trail.services.database.write(lambda c: c.execute(update(audit_unseen).values(seen_at=db_later(-sealing.FORGOTTEN - 1))))
    trail.write("upload")
    trail.seal()
    assert [*sealing.unseen(trail.services)] == [(to_come[0] + 1, to_come[1])]
    trail.services.database.write(
        lambda c: c.execute(insert(audit), {**entry("archive", trail.now, workspace=None, username=None), "id": gap[0]})
    )
    assert trail.verify() == ["row-inserted"]


def test_two_sealers_at_once_make_one_chain(trail: Trail) -> None:
    for _ in range(5):
        for number in range(20):
            trail.write("login", "upload", workspace=f"w{number % 4}")
        barrier = Barrier(3)
        others = [trail.another() for _ in range(3)]

        def seal(number: int, barrier: Barrier = barrier, others: list[sealing.Services] = others) -> int:  # type: ignore[name-defined]
            barrier.wait()
            return sealing.seal(others[number])

        with ThreadPoolExecutor(3) as pool:
            assert sum(pool.map(seal, range(3))) == 40
    assert trail.verify(*trail.heads()) == []
    assert sum(rows for _, _, rows in trail.seals()) == 200


def test_who_lost_the_lease_seals_nothing(trail: Trail) -> None:
    trail.write("upload")
    other = trail.another()
    with sealing.alone(trail.services) as lease:
        assert lease is not None
        assert sealing.seal(other) == 0, "one at a time"
        trail.services.database.write(lambda c: c.execute(update(leases).values(expires_at=db_later(-1))))
        assert sealing.seal(other) == 1
        trail.write("archive")
        assert sealing._Round(trail.services, lease).run() == 0
    assert trail.seal() == 1
    assert trail.verify(*trail.heads()) == []


def test_rows_of_before_there_were_seals_are_sealed(trail: Trail) -> None:
    trail.write(*["upload"] * 30)
    trail.now += timedelta(days=1)
    trail.write("archive")
    assert trail.seal() == 31
    with trail.services.database.read() as connection:
        assert len(connection.scalars(select(audit_unseen.c.first_id)).all()) in {1, 2}
    assert trail.verify() == []


def test_metrics_say_how_far_it_is_sealed_and_how_long_a_row_waits(trail: Trail) -> None:
    trail.write("upload", "login")
    with sealing.alone(trail.another()) as lease:
        assert lease is not None
        trail.now += timedelta(seconds=40)
        sealer.look(trail.services)
        assert said("holdfast_audit_unsealed_age_seconds") == 40
    before = said("holdfast_audit_rows_sealed_total")
    sealer.look(trail.services)
    assert said("holdfast_audit_unsealed_age_seconds") == 0
    assert said("holdfast_audit_rows_sealed_total") == before + 2
    assert said("holdfast_audit_sealed_id") == max(sealing.unseen(trail.services))[0] - 1 > 0


@pytest.mark.parametrize("trail", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scheduling", [True, False], ids=["serve", "worker"])
def test_what_runs_beside_the_requests_seals_by_itself_and_often_enough(trail: Trail, scheduling: bool) -> None:
    assert sealer.EVERY * MOST < 10, "seconds in which a row is to be sealed"
    trail.another().start(scheduling=scheduling)
    for operation in ("upload", "archive"):  # what is there when it begins, and what comes later
        trail.write(operation)
        until(lambda: len(trail.seals()) == 1 + (operation == "archive"))  # noqa: B023
    assert trail.verify() == []


def said(metric: str) -> float:
    [line] = [line for line in exposition()[0].decode().splitlines() if line.startswith(f"{metric} ")]
    return float(line.split()[1])
