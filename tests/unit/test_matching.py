"""What globs over paths and media types match."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.matching import labels_match, media_type_matcher, path_matcher


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("image/png/**", "image/png/a", True),
        ("image/png/**", "image/png/", True),
        ("image/png/**", "image/png", False),
        ("image/png/**", "image/pngx/a", False),
        ("image/*/a", "image/png/a", True),
        ("image/*/a", "image/png/x/a", False),
        ("image/**/a", "image/png/x/a", True),
        ("**", "", True),
        ("image/png/report-?", "image/png/report-7", True),
        ("image/png/report-?", "image/png/report-/", False),
        ("image/png/a.b", "image/png/axb", False),
        ("image/png/[a]", "image/png/a", False),
        ("image/png/[a]", "image/png/[a]", True),
        ("*", "line\nbreak", True),
    ],
)
def test_a_path_is_matched_as_a_whole_and_by_segments(glob: str, path: str, expected: bool) -> None:
    assert path_matcher((glob,))(path) is expected


def test_one_of_several_globs_is_enough_and_none_match_everything() -> None:
    either = path_matcher(("image/**", "text/txt/a"))
    assert either("text/txt/a")
    assert not either("text/txt/ab")
    assert path_matcher(())("anything")
    assert media_type_matcher(())("anything")


@pytest.mark.parametrize(
    ("glob", "content_type", "expected"),
    [
        ("image/*", "image/png", True),
        ("image/*", "video/mp4", False),
        ("IMAGE/*", "image/png", True),
        ("text/plain", "text/plain; charset=utf-8", True),
        ("text/plain", "text/plainer", False),
        ("*", "application/x-thing", True),
        ("application/*+json", "application/ld+json", True),
    ],
)
def test_a_media_type_is_matched_whatever_its_case_and_parameters(glob: str, content_type: str, expected: bool) -> None:
    assert media_type_matcher((glob,))(content_type) is expected


@given(glob=st.text(alphabet="ab*?", max_size=8), text=st.text(alphabet="ab", max_size=8))
def test_without_slashes_a_glob_means_what_the_shell_means(glob: str, text: str) -> None:
    assert path_matcher((glob,))(text) is fnmatch.fnmatchcase(text, glob)


def test_labels_match_when_all_that_are_wanted_are_there() -> None:
    assert labels_match({}, {})
    assert labels_match({"project": "apollo"}, {"project": "apollo", "kind": "x"})
    assert not labels_match({"project": "apollo"}, {"project": "gemini"})
    assert not labels_match({"project": "apollo", "kind": "x"}, {"project": "apollo"})
