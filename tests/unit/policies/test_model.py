"""What an AssetPolicy may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Invalid
from holdfast.policies.folder import parse, parse_all
from holdfast.policies.model import AssetPolicy, dump, parse_quantity
from holdfast.policies.validating import validated
from holdfast.policies.words import Mode, Precedence, Start, Versions

SPEC: dict[str, Any] = {"workspaces": {"names": ["ada_space"]}, "archive": {"afterDays": 30}}


def policy(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "AssetPolicy",
        "metadata": {"name": "finished", "namespace": "media", "resourceVersion": "7"},
        "spec": {**SPEC, **spec},
    }


def test_what_is_not_said_has_its_default() -> None:
    spec = validated(policy()).spec
    assert (spec.mode, spec.precedence, spec.keep_last, spec.undo_days) == (Mode.PREVIEW, Precedence.ASSET_FIRST, 0, 7)
    assert (spec.guard.max_items, spec.guard.max_percent, spec.schedule, spec.time_zone) == (10_000, 10, "@daily-random", "Etc/UTC")
    assert (spec.match.versions, spec.suspend, spec.destroy) == (Versions.ANY, False, None)


def test_a_whole_policy_is_read_and_written_back_without_its_defaults() -> None:
    whole = policy(
        match={"mediaTypes": ["image/*"], "paths": ["image/png/**"], "labels": {"project": "apollo"}, "largerThan": "10Mi"},
        destroy={"afterDays": 365, "from": "Upload"},
        mode="Enforce",
    )
    read = validated(whole)
    assert read.spec.destroy is not None
    assert read.spec.destroy.start is Start.UPLOAD
    assert read.spec.match.more_than_bytes == 10 << 20
    assert read.enforcing
    assert dump(read) == {**whole, "metadata": {"name": "finished", "namespace": "media"}}
    assert validated(dump(read)) == read


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"archive": None}, "a policy has archive, destroy or both"),
        ({"archive": {"afterDays": 30}, "destroy": {"afterDays": 30, "from": "Upload"}}, "must be greater than archive.afterDays"),
        ({"workspaces": {}}, "workspaces takes names, or all: true"),
        ({"workspaces": {"names": ["a"], "all": True}}, "workspaces takes names, or all: true"),
        ({"workspaces": {"names": ["a", "a"]}}, "each item once"),
        ({"archive": {"afterDays": -1}}, "spec.archive.afterDays"),
        ({"archive": {"afterDays": 36_501}}, "spec.archive.afterDays"),
        ({"match": {"largerThan": "10 MB"}}, "spec.match.largerThan"),
        ({"match": {"labels": {"-bad": "x"}}}, "spec.match.labels"),
        ({"match": {"paths": ["x" * 257]}}, "spec.match.paths"),
        ({"match": {"paths": [f"p{n}" for n in range(51)]}}, "spec.match.paths"),
        ({"guard": {"maxPercent": 101}}, "spec.guard.maxPercent"),
        ({"mode": "enforce"}, "spec.mode"),
        ({"tll": 5}, "spec.tll"),
    ],
)
def test_what_makes_no_policy_is_refused_and_named(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        validated(policy(**spec))
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "just words", "kind: AssetPolicy", "a: b\n---\nc: d", "x: !!python/object:os.system {}"]
)
def test_what_is_no_policy_at_all_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_a_stream_may_hold_several_policies_and_empty_documents() -> None:
    assert parse_all("---\n---\n") == []


@given(number=st.integers(0, 10**6), unit=st.sampled_from(["", "Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"]))
def test_a_quantity_is_a_number_of_bytes(number: int, unit: str) -> None:
    power = " kMGTP".index(unit[0].lower().replace("m", "M").replace("g", "G").replace("t", "T")) if unit else 0
    assert parse_quantity(f"{number}{unit}") == number * (1024 if unit.endswith("i") else 1000) ** power


@pytest.mark.parametrize("text", ["", "1.5Gi", "-1", "1Zi", "01", "1e3", "Mi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        parse_quantity(text)


def test_a_policy_enforces_unless_it_previews_or_is_suspended() -> None:
    assert not AssetPolicy.model_validate(policy()).enforcing
    assert AssetPolicy.model_validate(policy(mode="Enforce")).enforcing
    assert not AssetPolicy.model_validate(policy(mode="Enforce", suspend=True)).enforcing
