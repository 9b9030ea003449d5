"""From what a client calls a file to where it lives."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdfast.assets import names
from holdfast.errors import Invalid, Malformed

NAMES = st.text(min_size=1, max_size=80)


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "a\\b", "../a", "a\0b", "a\nb", "a\x7fb", "\u202egpj.exe", "\ud800", "x" * 256, "é" * 128, "NUL",
     "con.txt", "Com1.tar.gz"],
)  # fmt: skip
def test_names_that_no_file_may_have(name: str) -> None:
    with pytest.raises(Invalid):
        names.file_name(name)


@pytest.mark.parametrize("name", ["a", "a b.txt", "é.jpg", "x" * 255, "console.txt", "it's.txt", 'a"b.txt', ".hidden", "日本.png"])
def test_names_that_are_kept_as_given(name: str) -> None:
    assert names.file_name(name) == name


@given(NAMES)
def test_a_safe_name_is_one_segment_and_stays_as_it_is(name: str) -> None:
    made = names.safe(name)
    assert "/" not in made
    assert "@" not in made, "it separates an asset from its version"
    assert not made.startswith(".")
    assert names.safe(made) == made


@given(NAMES)
def test_the_two_ways_to_write_a_letter_are_one_path(name: str) -> None:
    assert names.safe(unicodedata.normalize("NFD", name)) == names.safe(unicodedata.normalize("NFC", name))


@given(NAMES, st.sampled_from(["image/jpeg", "text/plain", "application/octet-stream", "video/x-strange"]))
def test_an_asset_path_can_be_asked_for(name: str, mime: str) -> None:
    try:
        names.file_name(name)
    except Invalid:
        assume(False)
    path = names.asset_path(name, mime)
    assert str(names.parse_asset_path(path)) == path


@pytest.mark.parametrize(
    ("name", "mime", "path"),
    [
        ("test.jpeg", "image/jpeg", "image/jpg/test"),
        ("test.png", "image/jpeg", "image/jpg/test"),
        ("a.tar.gz", "application/gzip", "application/gz/a.tar"),
        ("README", "application/octet-stream", "application/bin/README"),
        ("my photo.JPG", "image/jpeg", "image/jpg/my_photo"),
    ],
)
def test_asset_paths(name: str, mime: str, path: str) -> None:
    assert names.asset_path(name, mime) == path


@pytest.mark.parametrize("given", ["", "a", "a/b", "a/b/c/d", "/b/c", "a//c", "a/b/", "a/b/c\n", "a/b/" + "c" * 400])
def test_what_is_no_asset_path(given: str) -> None:
    with pytest.raises(Malformed):
        names.parse_asset_path(given)


def test_files_of_an_older_version_lie_beside_the_head() -> None:
    assert names.path_on_branch("text/txt/a", "b c.txt") == "text/txt/a/b_c.txt"
    assert names.path_on_branch("text/txt/a", "b c.txt", version_id="v1") == "text/txt/a@v1/b_c.txt"
