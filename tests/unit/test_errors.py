"""Problems that were recorded are raised again as what they were."""

from __future__ import annotations

import pytest

from holdfast.errors import BytesMissing, Invalid, NotFound, Problem, Unavailable, by_slug


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [(404, "not-found", NotFound), (422, "bad-filename", Invalid), (503, "commit-failed", Unavailable), (500, "internal", Problem)],
)
def test_a_recorded_problem_is_of_its_status_kind(status: int, slug: str, kind: type[Problem]) -> None:
    found = by_slug(status, slug, "what happened", {"field": "name"})
    assert (type(found), found.slug, found.detail, found.extra) == (kind, slug, "what happened", {"field": "name"})
    assert found.title == kind.title


def test_an_error_that_nobody_thought_of_is_not_called_missing_bytes() -> None:
    assert by_slug(500, "internal", "", {}).title == "Internal error" != BytesMissing.title
