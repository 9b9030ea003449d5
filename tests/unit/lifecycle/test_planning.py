"""The planner against a slow, obvious model, and what its guard, its exclusions and its digest say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.lifecycle.planning import plan, tripped
from holdfast.policies.due import FROM, NEVER, Facts, Rule, ends
from holdfast.policies.model import Guard
from holdfast.policies.validating import validated
from holdfast.policies.words import Action

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)


def rule(name: str = "one", **spec: Any) -> Rule:
    whole = {"workspaces": {"all": True}, "mode": "Enforce", **spec}
    return Rule(validated({"metadata": {"name": name, "namespace": "media"}, "spec": whole}))


def version(number: int = 1, *, asset: int = 1, age: int = 0, rank: int = 1, **changes: Any) -> Facts:
    """A version that became active ``age`` days ago; an archived one was archived at once."""
    since = NOW - age * DAY
    status = changes.get("status", "active")
    archive_ttl, destroy_ttl = changes.get("archive_ttl"), changes.get("destroy_ttl")
    archived = since if status == "archived" else None if archive_ttl is None else since + archive_ttl * DAY
    ended = None if archived is None or destroy_ttl is None else archived + destroy_ttl * DAY
    values: dict[str, Any] = {
        "id": asset * 100 + number, "asset_id": asset, "number": number, "workspace": "ada_space",
        "asset_path": f"image/png/a{asset}", "version_id": f"v{asset}-{number}", "content_type": "image/png", "status": "active",
        "held": 0, "archive_ttl": None, "destroy_ttl": None, "active_since": since, "archive_date": archived,
        "destroy_date": ended, "bytes": 10, "labels": {}, "rank": rank, **changes,
    }  # fmt: skip
    return Facts(**values)


# -- the slow, obvious model: the rules as the issue words them, one question at a time -------------------------------


def obvious_date(one: Rule, v: Facts, action: Action) -> datetime | None:
    spec = one.policy.spec
    field = spec.archive if action is Action.ARCHIVE else spec.destroy
    if field is None:
        return None
    if action is Action.ARCHIVE and spec.precedence == "AssetFirst" and v.archive_ttl is not None:
        return v.active_since + v.archive_ttl * DAY
    if action is Action.DESTROY and spec.precedence == "AssetFirst" and v.destroy_ttl is not None:
        assert v.archive_date is not None
        return v.archive_date + v.destroy_ttl * DAY
    if action is Action.DESTROY and v.rank <= spec.keep_last:
        return NEVER
    if action is Action.DESTROY and spec.destroy is not None and spec.destroy.start == "Archive":
        assert v.archive_date is not None
        return v.archive_date + field.after_days * DAY
    return v.active_since + field.after_days * DAY


MEDIA_TYPES: dict[str, Callable[[str], bool]] = {
    "image/png": lambda kind: kind == "image/png",
    "text/plain": lambda kind: kind == "text/plain",
    "image/*": lambda kind: kind.startswith("image/"),
    "*/plain": lambda kind: kind.endswith("/plain"),
}
PATHS: dict[str, Callable[[str], bool]] = {
    "image/**": lambda path: path.startswith("image/"),
    "image/*": lambda path: False,
    "image/*/a1": lambda path: path == "image/png/a1",
    "*/png/a?": lambda path: path.endswith(("a0", "a1", "a2", "a3")),
    "text/**": lambda path: path.startswith("text/"),
}
LARGER_THAN: dict[str | None, int] = {None: -1, "9": 9, "10": 10, "1Ki": 1024}
"""Globs and quantities, and what they mean of the versions that there are here."""


def obviously_matches(one: Rule, v: Facts) -> bool:
    spec, match = one.policy.spec, one.policy.spec.match
    if not spec.workspaces.all and v.workspace not in spec.workspaces.names:
        return False
    if match.paths and not any(PATHS[glob](v.asset_path) for glob in match.paths):
        return False
    if v.bytes <= LARGER_THAN[match.larger_than]:
        return False
    if match.versions == "Current" and v.rank != 1:
        return False
    if match.versions == "Superseded" and v.rank == 1:
        return False
    if match.media_types and not any(MEDIA_TYPES[glob](v.content_type) for glob in match.media_types):
        return False
    return all(v.labels.get(name) == value for name, value in match.labels.items())


def obvious_plan(one: Rule, rivals: Sequence[Rule], action: Action, versions: Sequence[Facts]) -> list[int]:
    found = []
    for v in versions:
        if not obviously_matches(one, v) or v.status != FROM[action] or (action is Action.DESTROY and v.held):
            continue
        dates = [obvious_date(r, v, action) for r in (one, *rivals) if obviously_matches(r, v)]
        given_dates = [date for date in dates if date is not None]
        if given_dates and max(given_dates) <= NOW and obvious_date(one, v, action) is not None:
            found.append(v.id)
    return found


days = st.integers(0, 4)
names = st.sampled_from(["ada_space", "bob_space"])
specs = st.fixed_dictionaries(
    {
        "archive": st.none() | st.fixed_dictionaries({"afterDays": days}),
        "destroy": st.none()
        | st.fixed_dictionaries({"afterDays": st.integers(5, 8), "from": st.sampled_from(["Archive", "Upload"])}),
        "precedence": st.sampled_from(["AssetFirst", "PolicyFirst"]),
        "keepLast": st.integers(0, 2),
        "workspaces": st.just({"all": True}) | st.lists(names, min_size=1, unique=True).map(lambda some: {"names": some}),
        "match": st.fixed_dictionaries(
            {
                "versions": st.sampled_from(["Any", "Current", "Superseded"]),
                "mediaTypes": st.just([]) | st.lists(st.sampled_from(list(MEDIA_TYPES)), max_size=2, unique=True),
                "paths": st.just([]) | st.lists(st.sampled_from(list(PATHS)), max_size=2, unique=True),
                "largerThan": st.sampled_from(list(LARGER_THAN)),
                "labels": st.sampled_from([{}, {"project": "apollo"}]),
            }
        ),
    }
).filter(lambda spec: spec["archive"] or spec["destroy"])


@st.composite
def assets(draw: st.DrawFn) -> list[Facts]:
    found = []
    workspaces = sorted(draw(st.lists(names, max_size=4)))  # those of a workspace come together
    for asset, workspace in enumerate(workspaces):
        count = draw(st.integers(1, 3))
        for rank, number in enumerate(range(count, 0, -1), 1):
            found.append(
                version(
                    number,
                    asset=asset,
                    rank=rank,
                    age=draw(st.integers(0, 10)),
                    status=draw(st.sampled_from(["active", "archived"])),
                    held=draw(st.integers(0, 1)),
                    archive_ttl=draw(st.none() | days),
                    destroy_ttl=draw(st.none() | days),
                    content_type=draw(st.sampled_from(["image/png", "text/plain"])),
                    labels=draw(st.sampled_from([{}, {"project": "apollo"}])),
                    workspace=workspace,
                    bytes=draw(st.integers(9, 11)),
                )
            )
    return found


@settings(max_examples=400)
@given(spec=specs, rival_specs=st.lists(specs, max_size=2), action=st.sampled_from(list(Action)), versions=assets())
def test_a_plan_is_what_the_obvious_model_says(
    spec: dict[str, Any], rival_specs: list[dict[str, Any]], action: Action, versions: list[Facts]
) -> None:
    one, rivals = rule(**spec), [rule(f"rival-{n}", **rival) for n, rival in enumerate(rival_specs)]
    made = plan(one, rivals, action, NOW, versions)
    assert list(made.ids) == obvious_plan(one, rivals, action, versions)
    assert made.due_items == len(made.ids) == sum(made.by.values())
    assert made.matched_items == sum(obviously_matches(one, v) for v in versions)
    assert made.due_bytes == sum(v.bytes for v in versions if v.id in made.ids)
    assert made.matched_bytes == sum(v.bytes for v in versions if obviously_matches(one, v))
    assert made.due_items + sum(made.excluded.values()) <= sum(
        obviously_matches(one, v) and v.status == FROM[action] for v in versions
    )


@given(spec=specs, action=st.sampled_from(list(Action)), versions=assets())
def test_the_same_plan_has_the_same_digest_and_any_other_has_another(
    spec: dict[str, Any], action: Action, versions: list[Facts]
) -> None:
    one = rule(**spec)
    made = plan(one, [], action, NOW, versions)
    assert plan(rule(**spec, schedule="0 3 * * *"), [], action, NOW, versions).digest == made.digest
    assert plan(one, [], action, NOW + timedelta(seconds=1), versions).digest != made.digest
    assert plan(rule(**spec, undoDays=8), [], action, NOW, versions).digest != made.digest
    if made.ids:
        fewer = [v for v in versions if v.id != made.ids[0]]
        assert plan(one, [], action, NOW, fewer).digest != made.digest


def test_what_is_passed_over_is_counted_by_its_reason() -> None:
    one = rule(destroy={"afterDays": 5}, keepLast=1)
    rival = rule("slow", destroy={"afterDays": 500}, match={"labels": {"project": "apollo"}})
    versions = [
        version(3, age=10, status="archived", rank=1),
        version(2, age=10, status="archived", rank=2, held=1),
        version(1, age=10, status="archived", rank=3, destroy_ttl=400),
        version(2, asset=2, age=10, status="archived", rank=2, labels={"project": "apollo"}),
        version(1, asset=2, age=10, status="archived", rank=3),
        version(1, asset=3, age=2, status="archived", rank=4),
    ]
    made = plan(one, [rival], Action.DESTROY, NOW, versions)
    assert made.excluded == {"keepLast": 1, "held": 1, "ownTtl": 1, "otherPolicy": 1}
    assert [item["version_id"] for item in made.sample] == ["v2-1"]
    assert made.conflicts == {"media/slow": 1}
    assert made.summary()["reasons"] == {"media/one": 1}


def test_never_is_later_than_any_date() -> None:
    keeper, eager = rule("keeper", destroy={"afterDays": 0}, keepLast=1), rule("eager", destroy={"afterDays": 0})
    kept = version(1, age=10, status="archived")
    assert plan(eager, [keeper], Action.DESTROY, NOW, [kept]).excluded == {"otherPolicy": 1}
    assert plan(eager, [], Action.DESTROY, NOW, [kept]).due_items == 1


@pytest.mark.parametrize(
    ("due", "matched", "guard", "broken"),
    [
        (10_001, 200_000, {}, "maxItems"),
        (10_000, 200_000, {}, None),
        (11, 100, {}, "maxPercent"),
        (10, 100, {}, None),
        (99, 99, {}, None),
        (1, 1000, {"maxItems": 0}, "maxItems"),
        (100, 100, {"maxPercent": 100}, None),
        (1, 100, {"maxPercent": 0}, "maxPercent"),
        (0, 0, {"maxPercent": 0, "maxItems": 0}, None),
    ],
)
def test_the_guard_counts_items_and_from_a_hundred_matched_on_percent(
    due: int, matched: int, guard: dict[str, int], broken: str | None
) -> None:
    made = plan(rule(archive={"afterDays": 0}), [], Action.ARCHIVE, NOW, [])
    made.due_items, made.matched_items = due, matched
    found = tripped(Guard.model_validate(guard), made)
    assert (found and found["limit"]) == broken
    if found:
        assert (found["items"], found["matched"]) == (due, matched)


def test_a_version_says_when_it_will_end_and_by_what() -> None:
    both = rule(archive={"afterDays": 30}, destroy={"afterDays": 365})
    assert ends(version(age=10), [both]) == (NOW + 385 * DAY, "media/one")
    assert ends(version(age=10, status="archived"), [both]) == (NOW + 355 * DAY, "media/one")
    assert ends(version(age=10, status="archived", destroy_ttl=20), [both]) == (NOW + 10 * DAY, "ttl")
    assert ends(version(age=10, archive_ttl=20, destroy_ttl=5), [both]) == (NOW + 15 * DAY, "ttl")
    assert ends(version(age=10, held=1), [both]) is None
    assert ends(version(age=10), [rule(archive={"afterDays": 30})]) is None
    assert ends(version(age=10), []) is None
