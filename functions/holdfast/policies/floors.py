"""What an installation asks of every policy, whoever wrote it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.policies.model import Spec


@dataclass(frozen=True, slots=True)
class Floors:
    """Days, and percent. The defaults ask nothing."""

    min_undo_days: int = 0
    max_percent: int = 100
    min_after_days: int = 0


def below(spec: Spec, floors: Floors) -> str | None:
    """Which of them the policy does not keep, in a sentence; None if it keeps all."""
    if spec.undo_days < floors.min_undo_days:
        return f"undoDays is at least {floors.min_undo_days} here"
    if spec.guard.max_percent > floors.max_percent:
        return f"guard.maxPercent is at most {floors.max_percent} here"
    if any(part is not None and part.after_days < floors.min_after_days for part in (spec.archive, spec.destroy)):
        return f"afterDays is at least {floors.min_after_days} here"
    return None
