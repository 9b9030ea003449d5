"""How many pairs of deaths are tried: ``HOLDFAST_TEST_PAIRS`` is

* ``few``, the default: on the quickest stack after one first death of each kind (those that leave the same rows and are recovered
  by the same steps are one kind) a second one at every point that the recovery comes by; of a few scenarios, elsewhere of one;
* ``kinds``: of all scenarios on the quickest stack, at every point that the recovery and the client's next request come by, each
  time that they do; of a few scenarios, on the others too;
* ``all``: every second death after every first one, on every stack. Thousands a stack: an hour or more.

The last two can be had in parts, which stand alone: ``HOLDFAST_TEST_PAIRS=all pytest tests/crash -k "sqlite and archive"``.
"""

from __future__ import annotations

import os

PAIRS = os.environ.get("HOLDFAST_TEST_PAIRS", "few")
if PAIRS not in {"few", "kinds", "all"}:
    raise ValueError(f"HOLDFAST_TEST_PAIRS={PAIRS} is none of few, kinds and all")

ALL, KINDS = PAIRS == "all", PAIRS in {"kinds", "all"}
