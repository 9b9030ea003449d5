"""What the planner reads of a real database is what was written, whatever it is, and in the planner's order; so is the plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert
from tests.databases import ALL_KINDS, emptied, fresh_url, with_tables

from holdfast.database.direct import Direct
from holdfast.database.engine import Database
from holdfast.database.tables import assets, versions, workspaces
from holdfast.lifecycle import facts
from holdfast.lifecycle.planning import plan
from holdfast.policies.due import LIVE, Facts, Rule
from holdfast.policies.validating import validated
from holdfast.policies.words import Action

NOW = datetime(2026, 11, 21, 14, 3, tzinfo=UTC)
SPACE = 'ädä "space"'

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters='"\\/\t '), min_size=1, max_size=12
)
moments = st.datetimes(NOW.replace(tzinfo=None) - timedelta(days=20), NOW.replace(tzinfo=None), timezones=st.just(UTC))
days = st.none() | st.integers(0, 20)
kinds = st.fixed_dictionaries(
    {
        "content_type": st.sampled_from(["image/png", 'text/plain; charset="utf-8"']),
        "status": st.sampled_from(["active", "archived", "destroyed"]),
        "held": st.integers(0, 2),
        "archive_ttl": days,
        "destroy_ttl": days,
        "active_since": moments,
        "archive_date": st.none() | moments,
        "destroy_date": st.none() | moments,
        "total_bytes": st.sampled_from([0, 1, 2**40, 2**62]),
        "labels": st.dictionaries(st.sampled_from(["project", "a/b.c"]), texts, max_size=2),
    }
)
written = st.dictionaries(texts, st.lists(kinds, min_size=1, max_size=4), max_size=5)


class Tables(NamedTuple):
    database: Database
    direct: Direct


@pytest.fixture(scope="module", params=ALL_KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    url = fresh_url(request, request.param)
    with with_tables(url) as database:
        direct = Direct(url)
        yield Tables(database, direct)
        direct.close()


def write(database: Database, given_assets: dict[str, list[dict[str, Any]]]) -> list[Facts]:
    """Puts them into emptied tables. Returns the live ones as the planner should see them."""
    emptied(database, versions, assets, workspaces)
    expected: list[Facts] = []

    def act(connection: Connection) -> None:
        del expected[:]
        values = {"id": 7, "name": SPACE, "name_folded": SPACE, "created_at": NOW}
        connection.execute(insert(workspaces).values(values))
        for asset_id, path in enumerate(sorted(given_assets), 1):
            row: dict[str, Any] = {
                "id": asset_id,
                "workspace_id": 7,
                "asset_path": path,
                "primary_filename": "f",
                "created_at": NOW,
            }
            connection.execute(insert(assets).values(row))
            rank = 0
            for number, kind in reversed([*enumerate(given_assets[path], 1)]):
                id_ = asset_id * 100 + number
                connection.execute(insert(versions).values(id=id_, **_row(asset_id, number, path, kind)))
                if kind["status"] in LIVE:
                    rank += 1
                    told = {name: value for name, value in kind.items() if name != "total_bytes"}
                    known = {"id": id_, "asset_id": asset_id, "number": number, "workspace": SPACE, "asset_path": path}
                    expected.append(Facts(**known, version_id=f"v{id_}", rank=rank, bytes=kind["total_bytes"], **told))

    database.write(act)
    return expected


def _row(asset_id: int, number: int, path: str, kind: dict[str, Any]) -> dict[str, Any]:
    id_ = asset_id * 100 + number
    fixed = {
        "workspace_id": 7,
        "primary_filename": "f",
        "size": 1,
        "sha256": "0",
        "object_key": "k",
        "file_count": 1,
        "newest": False,
    }
    names = {"asset_id": asset_id, "asset_path": path, "number": number, "version_id": f"v{id_}", "upload_id": f"u{id_}"}
    return {**fixed, **names, "upload_date": NOW, "uploaded_by": "ada", **kind}


@settings(max_examples=40)
@given(given_assets=written, page=st.integers(1, 5), action=st.sampled_from(list(Action)))
def test_a_plan_of_what_is_stored_is_the_plan_of_what_was_written(
    tables: Tables, given_assets: dict[str, list[dict[str, Any]]], page: int, action: Action
) -> None:
    expected = write(tables.database, given_assets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "PAGE", page)
        found = [*facts.of_workspace(tables.direct, 7, SPACE)]
    assert found == expected
    with tables.database.read() as connection:
        assert [*facts.of_assets(connection, SPACE, range(1, 6))] == expected
        assert [*facts.of_assets(connection, SPACE, [])] == []
    spec = {"workspaces": {"all": True}, "archive": {"afterDays": 5}, "destroy": {"afterDays": 5}, "keepLast": 1}
    rule = Rule(validated({"metadata": {"name": "one"}, "spec": spec}))
    assert plan(rule, [], action, NOW, found) == plan(rule, [], action, NOW, expected)
