"""The CustomResourceDefinition on a real API server: it is served, refuses what the model refuses, and explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.policies.crd import crd
from holdfast.policies.model import (
    BAD_LABEL_KEY,
    DESTROYS_TOO_EARLY,
    DOES_NOTHING,
    RULES,
    WORKSPACES_ONE_OF,
    AssetPolicy,
    Spec,
)
from holdfast_operator.cluster import POLICIES, Refusal
from tests.cluster.world import SPEC, World, policy

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"archive": None, "destroy": None}, DOES_NOTHING),
    ({"destroy": {"afterDays": 30, "from": "Upload"}}, DESTROYS_TOO_EARLY),
    ({"workspaces": {}}, WORKSPACES_ONE_OF),
    ({"workspaces": {"names": []}}, WORKSPACES_ONE_OF),
    ({"workspaces": {"names": ["a"], "all": True}}, WORKSPACES_ONE_OF),
    ({"match": {"labels": {"-bad": "x"}}}, BAD_LABEL_KEY),
    ({"match": {"labels": {"k" * 64: "x"}}}, BAD_LABEL_KEY),
]


def refusal(world: World, body: dict[str, Any]) -> Refusal | None:
    """Why the API server does not take it, were it to be stored. Unknown fields are not dropped in silence, as with kubectl."""
    url = POLICIES.url(body["metadata"]["namespace"])
    try:
        world.cluster._ask("POST", url, query={"dryRun": "All", "fieldValidation": "Strict"}, body=body)
    except Refusal as refused:
        return refused
    return None


@pytest.mark.parametrize(("spec", "message"), BROKEN)
def test_every_rule_refuses_what_it_should_in_the_models_words(world: World, spec: dict[str, Any], message: str) -> None:
    refused = refusal(world, policy("broken", world.namespace, **spec))
    assert refused is not None
    assert message in refused.message


def test_every_rule_is_tried_here() -> None:
    assert {message for _, message in BROKEN} == {message for _, _, message in RULES}


def test_defaults_come_from_the_schema(world: World) -> None:
    spec = world.policy(destroy=None)["spec"]
    assert spec["mode"] == "Preview"
    assert spec["guard"] == {"maxItems": 10_000, "maxPercent": 10}
    assert spec["match"] == {"versions": "Any"}
    assert Spec.model_validate(spec) == Spec.model_validate({"workspaces": SPEC["workspaces"], "archive": SPEC["archive"]})


def test_the_api_server_keeps_the_schema_as_it_is_given(world: World) -> None:
    found = world.cluster._ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/assetpolicies.holdfast.dev")
    [version] = found["spec"]["versions"]
    [given_] = crd()["spec"]["versions"]
    assert version["schema"] == given_["schema"]
    conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert "NonStructuralSchema" not in conditions
    assert conditions["NamesAccepted"] == "True"


def described(schema: dict[str, Any], path: str) -> Iterator[tuple[str, list[str]]]:
    """Each field that has fields of its own, and what their descriptions are."""
    inner = schema.get("items", schema)
    if fields := inner.get("properties"):
        yield path, [field["description"] for field in fields.values()]
        for name, field in fields.items():
            yield from described(field, f"{path}.{name}")


def test_kubectl_explains_each_field(world: World) -> None:
    [version] = crd()["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]
    paths = [found for name in ("spec", "status") for found in described(fields[name], name)]
    assert {"spec", "spec.guard", "status.conditions", "status.archive.lastRun"} <= {path for path, _ in paths}
    for path, descriptions in paths:
        said = " ".join(world.kubernetes.kubectl("explain", f"assetpolicy.{path}").split())
        assert [one for one in descriptions if " ".join(one.split()) not in said] == [], path


def test_it_has_a_short_name_a_category_and_columns(world: World) -> None:
    world.policy()
    lines = world.kubernetes.kubectl("get", "apol", "--namespace", world.namespace).splitlines()
    assert lines[0].split("  ")[0] == "NAME"
    assert " ".join(lines[0].split()) == "NAME READY MODE MATCHED LAST RUN NEXT RUN AGE"
    wide = world.kubernetes.kubectl("get", "holdfast", "--output=wide", "--namespace", world.namespace).splitlines()
    assert " ".join(wide[0].split()).endswith("AGE ARCHIVED DESTROYED HELD MESSAGE")


# -- the same is accepted by pydantic and by the API server --------------------------------------------------------------

ODD = st.sampled_from(["", "x", "5", 0, -1, 1, 1.5, 5.0, 40_000, None, True, [], ["a"], ["a", "a"], {}, {"a": "b"}])
DAYS = st.integers(-1, 36_501) | st.sampled_from([0, 36_500])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
TEXTS = st.lists(TEXT | st.sampled_from(["a", "b", "w" * 256, "w" * 257]), max_size=4) | st.just(["a"] * 51)
KEYS = st.sampled_from(["project", "a/b.c_d-e", "", "-x", "k" * 63, "k" * 64, "é", "a\n"])
LABELS = st.dictionaries(KEYS | TEXT, TEXT | st.just("v" * 257), max_size=3)
NINES = "9" * 16
QUANTITY = st.sampled_from(["0", "1", "10Mi", "01", "1.5Gi", "1e3", "10 Mi", NINES, f"{NINES}9", "1Ei", "-1", "1\n"])


def sometimes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


SPECS = sometimes(
    workspaces=sometimes(names=TEXTS, all=st.booleans()) | st.just(SPEC["workspaces"]),
    match=sometimes(
        mediaTypes=TEXTS, paths=TEXTS, labels=LABELS, versions=st.sampled_from(["Any", "Current", "any"]), largerThan=QUANTITY
    ),
    archive=sometimes(afterDays=DAYS),
    destroy=sometimes(afterDays=DAYS, **{"from": st.sampled_from(["Archive", "Upload", "upload"])}),
    precedence=st.sampled_from(["AssetFirst", "PolicyFirst", "Both"]),
    keepLast=st.integers(-1, 10_001),
    schedule=TEXT,
    timeZone=TEXT,
    mode=st.sampled_from(["Preview", "Enforce", ""]),
    suspend=st.booleans(),
    guard=sometimes(maxItems=st.integers(-1, 10**10), maxPercent=st.integers(-1, 101)),
    undoDays=DAYS,
    unknown=st.just(1),
)
GOOD = SPECS.map(lambda given_: {**SPEC, **{key: value for key, value in given_.items() if key not in ("unknown", "workspaces")}})
FIELDS = sorted(Spec.model_json_schema(by_alias=True)["properties"])
ONE_ODD = st.tuples(st.sampled_from(FIELDS), ODD).map(lambda one: {**SPEC, one[0]: one[1]})


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=SPECS | GOOD | ONE_ODD)
@example(spec={**SPEC, "archive": None})
@example(spec={**SPEC, "keepLast": "1"})
@example(spec={**SPEC, "keepLast": True})
@example(spec={**SPEC, "keepLast": 5.0})
@example(spec={**SPEC, "keepLast": 5.5})
def test_pydantic_and_the_api_server_accept_the_same(world: World, spec: dict[str, Any]) -> None:
    body = policy("any", world.namespace) | {"spec": spec}
    refused = refusal(world, body)
    try:
        AssetPolicy.model_validate(body)
        error = None
    except ValidationError as raised:
        error = raised
    assert (refused is None) is (error is None), f"the API server: {refused}; pydantic: {error}"
