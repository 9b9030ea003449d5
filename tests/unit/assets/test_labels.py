"""What a label may be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.assets import labels
from holdfast.errors import Invalid

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


def test_labels_are_kept_sorted_by_key() -> None:
    assert list(labels.check({"team": "Zoë", "app.kubernetes.io/name": ""})) == ["app.kubernetes.io/name", "team"]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "a",
        {"": "x"},
        {"-a": "x"},
        {"a b": "x"},
        {"a" * 64: "x"},
        {"a": 1},
        {"a": None},
        {"a": "x" * 257},
        {"a": "line\nbreak"},
        {"a": "\x00"},
        {"a": "\ud800"},
        {f"k{n}": "x" for n in range(33)},
        {"a\n": "x"},
    ],
)
def test_what_is_no_label_is_refused(wrong: object) -> None:
    with pytest.raises(Invalid):
        labels.check(wrong)


@given(anything)
def test_a_form_field_gives_labels_or_a_problem_that_a_client_is_told(value: object) -> None:
    try:
        found: object = labels.parse(json.dumps(value))
    except Invalid:
        found = Invalid
    assert found in (value, Invalid)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "{'a': 'b'}"])
def test_a_form_field_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        labels.parse(text)
