"""What becomes of a stored intent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.assets.deciding import AssetState, FileState, IntentState, Publish, Refuse, Unchanged, VersionState, decide

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PATH = "text/txt/note"


def file(name: str, sha256: str, *, primary: bool = False, where: str = PATH) -> FileState:
    return FileState(name, f"{where}/{name}", sha256, primary, 10)


PRIMARY, SIDE = file("note.txt", "a", primary=True), file("side.txt", "b")
VERSION = VersionState(1, "v1", 1, "active", (PRIMARY, SIDE), None, 0)
ASSET = AssetState("note.txt", VERSION, VERSION, None, True)
UPLOAD = IntentState("u", False, PATH, "note.txt", None, False, (PRIMARY, SIDE), True)
ADD = replace(UPLOAD, adds=True, primary_filename="", files=(file("more.txt", "c"),))


def refusal(intent: IntentState, asset: AssetState, room: int | None = None, now: datetime = NOW) -> str:
    verdict = decide(intent, asset, room, now)
    assert isinstance(verdict, Refuse)
    return verdict.problem.slug


def test_the_first_upload_is_published() -> None:
    assert decide(UPLOAD, AssetState(), None, NOW) == Publish((f"{PATH}/note.txt", f"{PATH}/side.txt"), (), None)


def test_who_may_not_upload_any_more_is_refused_before_anything_else() -> None:
    assert refusal(replace(UPLOAD, permitted=False, must_be_new=True), ASSET) == "forbidden"


@pytest.mark.parametrize(("sent", "there"), [(None, "a"), ("a", None), (None, None)])
def test_bytes_that_are_not_hashed_yet_are_equal_to_none(sent: str | None, there: str | None) -> None:
    version = replace(VERSION, files=(replace(PRIMARY, sha256=there), SIDE))
    asset = replace(ASSET, head=version, newest_active=version)
    upload = replace(UPLOAD, files=(replace(PRIMARY, sha256=sent), SIDE))
    assert isinstance(decide(upload, asset, None, NOW), Publish)
    adding = replace(ADD, files=(replace(SIDE, sha256=sent),))
    target = replace(version, files=(PRIMARY, replace(SIDE, sha256=there)))
    assert isinstance(decide(adding, replace(ASSET, head=target, newest_active=target), None, NOW), Publish)


def test_what_the_head_has_and_the_upload_has_not_leaves_the_branch() -> None:
    sent = replace(UPLOAD, files=(replace(PRIMARY, sha256="new"),))
    assert decide(sent, ASSET, None, NOW) == Publish((f"{PATH}/note.txt",), (f"{PATH}/side.txt",), None)


def test_the_head_counts_for_that_whatever_its_status() -> None:
    gone = replace(VERSION, status="destroyed")
    sent = replace(UPLOAD, files=(PRIMARY,))
    assert decide(sent, AssetState("note.txt", gone, None, None, False), None, NOW) == Publish(
        (f"{PATH}/note.txt",), (f"{PATH}/side.txt",), None
    )


def test_files_beside_the_head_stay_where_they_are() -> None:
    beside = file("late.txt", "d", where=f"{PATH}@v1")
    head = replace(VERSION, files=(PRIMARY, beside))
    verdict = decide(replace(UPLOAD, files=(replace(PRIMARY, sha256="new"),)), replace(ASSET, head=head), None, NOW)
    assert verdict == Publish((f"{PATH}/note.txt",), (), None)


@given(st.sets(st.sampled_from([PRIMARY, SIDE]), min_size=1))
def test_any_part_of_what_is_there_is_unchanged(sent: set[FileState]) -> None:
    assert decide(replace(UPLOAD, files=tuple(sent)), ASSET, 0, NOW) == Unchanged(VERSION)


@given(st.sampled_from([PRIMARY, SIDE]), st.sampled_from(["other", "a", "b"]))
def test_one_other_byte_is_a_new_version(changed: FileState, sha256: str) -> None:
    files = tuple(replace(f, sha256=sha256) if f is changed else f for f in (PRIMARY, SIDE))
    verdict = decide(replace(UPLOAD, files=files), ASSET, None, NOW)
    assert isinstance(verdict, Unchanged if changed.sha256 == sha256 else Publish)


def test_a_version_whose_time_is_over_is_not_what_is_there() -> None:
    over = replace(VERSION, destroy_date=NOW)
    asset = replace(ASSET, head=over, newest_active=over)
    assert isinstance(decide(UPLOAD, asset, None, NOW), Publish)
    assert isinstance(decide(UPLOAD, asset, None, NOW - timedelta(microseconds=1)), Unchanged)
    held = replace(over, held=1)
    assert isinstance(decide(UPLOAD, replace(asset, newest_active=held), None, NOW), Unchanged)


def test_another_name_never_becomes_a_version_of_the_asset() -> None:
    assert refusal(replace(UPLOAD, primary_filename="note.TXT"), ASSET) == "name-collision"


@pytest.mark.parametrize(("any_kept", "refused"), [(True, True), (False, False)])
def test_must_be_new(any_kept: bool, refused: bool) -> None:
    asset = replace(ASSET, newest_active=None, any_kept=any_kept)
    assert isinstance(decide(replace(UPLOAD, must_be_new=True), asset, None, NOW), Refuse) == refused


@given(st.integers(0, 40))
def test_a_quota_is_for_what_is_published(room: int) -> None:
    verdict = decide(UPLOAD, AssetState(), room, NOW)
    assert isinstance(verdict, Publish if room >= 20 else Refuse)


class TestAdding:
    def test_to_the_newest(self) -> None:
        assert decide(ADD, ASSET, None, NOW) == Publish((f"{PATH}/more.txt",), (), VERSION)

    def test_to_an_older_one_beside_the_head(self) -> None:
        head = replace(VERSION, id=2, version_id="v2", number=2)
        asset = AssetState("note.txt", head, head, VERSION, True)
        verdict = decide(replace(ADD, target_version="v1"), asset, None, NOW)
        assert verdict == Publish((f"{PATH}@v1/more.txt",), (), VERSION)

    @pytest.mark.parametrize("status", ["archived", "destroyed"])
    def test_only_to_an_active_one(self, status: str) -> None:
        target = replace(VERSION, status=status)
        asset = AssetState("note.txt", target, None, target, True)
        assert refusal(replace(ADD, target_version="v1"), asset) == "not-active"
        assert refusal(ADD, asset) == "not-active"

    def test_not_to_one_whose_time_is_over(self) -> None:
        assert refusal(ADD, replace(ASSET, newest_active=replace(VERSION, destroy_date=NOW))) == "gone"

    def test_not_to_what_is_not_there(self) -> None:
        assert refusal(ADD, AssetState()) == "not-found"
        assert refusal(replace(ADD, target_version="v9"), ASSET) == "not-found"

    @pytest.mark.parametrize("name", ["note.txt", "side txt", "side_txt"])
    def test_no_name_that_would_be_the_same(self, name: str) -> None:
        there = replace(VERSION, files=(PRIMARY, file("side?txt", "b")))
        assert refusal(replace(ADD, files=(file(name, "c"),)), replace(ASSET, newest_active=there)) == "name-collision"

    def test_equal_ones_change_nothing(self) -> None:
        assert decide(replace(ADD, files=(SIDE,)), ASSET, 0, NOW) == Unchanged(VERSION)
