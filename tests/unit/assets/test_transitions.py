"""Steps of a version's life, against a table of what is allowed from where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.assets.transitions import Action, Archive, Destroy, Restore, SetLabels, SetTtl, needs, step
from holdfast.errors import Held, Problem

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    status: str = "active"
    phase: str | None = None
    held: int = 0
    archive_ttl: int | None = None
    destroy_ttl: int | None = None
    active_since: datetime = BEGIN
    archive_date: datetime | None = None
    destroy_date: datetime | None = None
    purge_after: datetime | None = None
    labels: Any = None


ALLOWED = {
    ("active", Archive): "archived",
    ("active", SetTtl): "active",
    ("active", SetLabels): "active",
    ("archived", Destroy): "condemned",
    ("archived", Restore): "active",
    ("archived", SetTtl): "archived",
    ("archived", SetLabels): "archived",
    ("condemned", Restore): "archived",
}
ttls = st.none() | st.integers(0, 1000)
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(Archive),
    st.builds(Destroy),
    st.builds(Restore),
    st.builds(SetTtl, st.fixed_dictionaries({}, optional={"archive_ttl": ttls, "destroy_ttl": ttls})),
    st.builds(SetLabels, st.just({"a": "b"})),
)


def where(version: Version) -> str:
    return version.phase or version.status


@given(ttls, ttls, st.lists(st.tuples(actions, st.integers(0, 50))))
def test_every_walk_follows_the_table_and_keeps_the_dates_true(
    archive_ttl: int | None, destroy_ttl: int | None, walk: list[tuple[Action, int]]
) -> None:
    version, now = Version(archive_ttl=archive_ttl, destroy_ttl=destroy_ttl), BEGIN
    version = replace(version, **step(version, SetTtl({}), now, 7))
    for action, days in walk:
        now += timedelta(days=days)
        before, expected = where(version), ALLOWED.get((where(version), type(action)))
        if expected is None:
            with pytest.raises(Problem) as refused:
                step(version, action, now, 7)
            assert refused.value.status == 409
            continue
        version = replace(version, **step(version, action, now, 7))
        assert where(version) == expected
        assert (version.purge_after is not None) == (expected == "condemned")
        if expected == "active":
            started = version.active_since
            assert version.archive_date == (None if version.archive_ttl is None else started + timedelta(days=version.archive_ttl))
        if before != expected and expected == "archived":
            assert version.archive_date == now
        if expected == "condemned":
            assert (version.destroy_date, version.purge_after) == (now, now + timedelta(days=7))
        elif version.archive_date is None or version.destroy_ttl is None:
            assert version.destroy_date is None
        else:
            assert version.destroy_date == version.archive_date + timedelta(days=version.destroy_ttl)


@pytest.mark.parametrize("phase", ["purging", "erased"])
@given(action=actions)
def test_from_purging_on_nothing_is_allowed(phase: str, action: Action) -> None:
    with pytest.raises(Problem) as refused:
        step(Version(status="destroyed", phase=phase), action, BEGIN, 7)
    assert refused.value.status == 409


def test_a_hold_stops_destroying_and_nothing_else() -> None:
    with pytest.raises(Held):
        step(Version(status="archived", held=1), Destroy(), BEGIN, 7)
    assert step(Version(held=1), Archive(), BEGIN, 7)["status"] == "archived"


def test_a_refused_destroy_of_an_active_version_says_what_to_do_first() -> None:
    with pytest.raises(Problem, match="archive it first"):
        step(Version(), Destroy(), BEGIN, 7)


def test_a_restore_asks_for_the_right_of_the_step_that_it_takes_back() -> None:
    assert needs(Restore(), Version(status="archived")) == {"archive"}
    assert needs(Restore(), Version(status="destroyed", phase="condemned")) == {"destroy"}
    assert needs(Restore()) == {"archive", "destroy"}
