"""How many pairs of deaths are tried: ``HOLDFAST_TEST_PAIRS`` is

* ``few``, the default: on the quickest stack after one first death of each kind (those that leave the same rows and are recovered
  by the same steps are one kind) a second one at every point that the recovery comes by; of a few scenarios, elsewhere of one;
* ``kinds``: of all scenarios on the quickest stack, at every point that the recovery and the client's next request come by, each
  time that they do; of a few scenarios, on the others too;
* ``distinct``: on every stack and of all scenarios, after one first death of each kind every second one. To whoever recovers, the
  others of its kind are the same schedule again;
* ``all``: every second death after every first one, on every stack. Thousands a stack: hours.

The last three can be had in parts, which stand alone: ``HOLDFAST_TEST_PAIRS=all pytest tests/crash -k "sqlite and archive"``.
Where only some fail points are new, ``HOLDFAST_TEST_PAIRS_WITH=commit.branch,versions.stage`` leaves of the write path's pairs
those of which one death, or both, is at a point that begins so.
"""

from __future__ import annotations

import os

from tests.crash.dying import Hit

PAIRS = os.environ.get("HOLDFAST_TEST_PAIRS", "few")
LEVELS = ("few", "kinds", "distinct", "all")
if PAIRS not in LEVELS:
    raise ValueError(f"HOLDFAST_TEST_PAIRS={PAIRS} is none of {', '.join(LEVELS)}")

KINDS, DISTINCT, ALL = (LEVELS.index(PAIRS) >= LEVELS.index(level) for level in LEVELS[1:])

_WITH = tuple(filter(None, os.environ.get("HOLDFAST_TEST_PAIRS_WITH", "").split(",")))


def wanted(first: Hit, second: Hit) -> bool:
    """Whether the pair is one of those that were asked for."""
    return not _WITH or first[0].startswith(_WITH) or second[0].startswith(_WITH)
