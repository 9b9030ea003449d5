"""The fail points of a commit, which every versions adapter hits at the same places of its own way to commit.

``STAGE_ENTRY_AFTER`` is for an adapter that stages with several calls: it is hit after each of them.
"""

from __future__ import annotations

from typing import Final

from holdfast import failpoints

STAGE_BEFORE: Final = "versions.stage.before"
STAGE_ENTRY_AFTER: Final = "versions.stage.entry.after"
STAGE_AFTER: Final = "versions.stage.after"
COMMIT_BEFORE: Final = "versions.commit.before"
COMMIT_AFTER: Final = "versions.commit.after"
READBACK_BEFORE: Final = "versions.readback.before"

failpoints.declare(STAGE_BEFORE, STAGE_ENTRY_AFTER, STAGE_AFTER, COMMIT_BEFORE, COMMIT_AFTER, READBACK_BEFORE)
