from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.rows import Chain, Row, canonical, chain_of, read

DETAILS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


def row(details: str = '{"status": "archived"}', **changes: Any) -> Row:
    values: dict[str, Any] = {
        "id": 7,
        "at": "2026-11-21 14:03:00.000005",
        "workspace": "ada_space",
        "issuer": "",
        "username": "ada",
        "operation": "archive",
        "asset_path": "image/png/ä",
        "version_id": None,
        "request_id": None,
        "success": 1,
    }
    [found] = read([(json.dumps([*(values | changes).values()]), details)])
    return found


def test_it_is_ascii_and_says_everything() -> None:
    assert canonical([row()]) == (
        b'[[7,"2026-11-21 14:03:00.000005","ada_space","","ada","archive","image/png/\\u00e4",null,null,1,{"status":"archived"}]]'
    )


@given(DETAILS)
def test_neither_the_order_of_the_details_nor_their_spaces_count(details: dict[str, Any]) -> None:
    backwards = dict(reversed(details.items()))
    texts = [
        json.dumps(details),
        json.dumps(backwards, ensure_ascii=False, separators=(",", ":")),
        json.dumps(backwards, indent=1),
    ]
    assert len({canonical([row(details=text)]) for text in texts}) == 1


@pytest.mark.parametrize("details", ["", "{", '{"a": 1},{"b": 2}', "{}],[8", "{}]] x", "x"])
def test_details_that_are_no_json_are_not_taken_for_anything_else(details: str) -> None:
    assert read([("[7]", details), ("[8]", "{}")]) in ([[7, details], [8, {}]], [[7, {"a": 1}, {"b": 2}], [8, {}]])


@pytest.mark.parametrize(
    "change",
    [
        {"id": 8},
        {"at": "2026-11-21 14:03:00.000006"},
        {"workspace": None},
        {"issuer": "x"},
        {"username": None},
        {"operation": "destroy"},
        {"asset_path": "image/png/b"},
        {"version_id": ""},
        {"success": 0},
        {"details": '{"status": "active"}'},
        {"details": '{"status": "archived", "more": null}'},
        {"request_id": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_column_counts(change: dict[str, Any]) -> None:
    assert canonical([row(**change)]) != canonical([row()])


def test_logins_and_downloads_are_sealed_apart_from_acts() -> None:
    assert chain_of(row(operation="login")) == chain_of(row(operation="content")) == Chain("ada_space", "access")
    assert chain_of(row()) == Chain("ada_space", "acts")
    assert chain_of(row(workspace=None, operation="invite")) == Chain("", "acts")
