"""Where versions are condemned and bytes deleted. Whoever adds a place says here how holds stop it, and adds its path to
``DELETE_PATHS`` of ``tests/behaviour/test_holds.py``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"

CONDEMN = {
    "endpoints/delfile/routes.py": "delfile",
    "holdfast/uploads/records.py": "chunk API, and its group",
    "holdfast/assets/ending.py": "workspace, and the rest of a deleted one",
    "holdfast/lifecycle/batch.py": "sweep, and own TTL",
    "holdfast/assets/transitions.py": "the step that all of them but the workspace's take, which refuses what is held",
}
ERASE = {
    "holdfast/lifecycle/deleting.py": "purge",
    "holdfast/assets/erasing.py": "uploads that were given up, which never were versions",
    "holdfast/uploads/ending.py": "sessions that were given up, which never were versions",
}


def places(pattern: str) -> set[str]:
    """Files of the functions in whose code, comments aside, the pattern is found."""
    return {
        str(path.relative_to(FUNCTIONS))
        for path in FUNCTIONS.rglob("*.py")
        if "migrations" not in path.parts
        and any(re.search(pattern, line) for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    }


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (r'\bDestroy\(\)|[Pp]hase"?(,|:|=) ?"condemned"', CONDEMN),
        (r"\bobjects\.delete\(", ERASE),
    ],
    ids=["condemn", "erase"],
)
def test_every_place_that_deletes_is_known(pattern: str, known: dict[str, str]) -> None:
    assert places(pattern) == set(known)
