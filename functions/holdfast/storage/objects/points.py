"""The adapters' fail points, declared once: a small object is one ``put``, a larger one several ``part`` and a ``complete``.
Parts of an assembly come between ``assemble`` and ``complete`` or ``abandon``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast import failpoints

STEPS = ("put", "part", "complete", "delete", "assemble", "abandon", "insist", "compact")

failpoints.declare(*(f"objects.{step}.{moment}" for step in STEPS for moment in ("before", "after")))


@contextmanager
def step(name: str) -> Iterator[None]:
    """Surrounds the call that leaves the process. The point after it is passed only when the call succeeded."""
    failpoints.hit(f"objects.{name}.before")
    yield
    failpoints.hit(f"objects.{name}.after")
