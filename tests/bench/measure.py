"""What a bench measures, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """``ratio`` compares ours with the peer's; else the bound is for our own figure."""

    sense: Literal["<=", ">="]
    bound: float
    ratio: bool = True

    def met(self, figure: float) -> bool:
        return figure <= self.bound if self.sense == "<=" else figure >= self.bound


@dataclass(frozen=True, slots=True)
class Result:
    """Both sides' figures in the order in which they were taken, one of each a round; ``peer`` is empty where there is none.

    ``cpu``: milliseconds of processor time that our process and the peer's took for one piece of the work.
    """

    what: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float]
    goal: Goal
    cpu: tuple[float, float] | None = None

    @property
    def figure(self) -> float:
        """What the goal is about: the median of the rounds' ratios, or of our own figures."""
        return median(a / b for a, b in zip(self.ours, self.peer, strict=True)) if self.goal.ratio else median(self.ours)

    @property
    def met(self) -> bool:
        return self.goal.met(self.figure)


def in_turn(rounds: int, ours: Callable[[], float], peer: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Both sides' figures of ``rounds`` rounds, taken A B A B."""
    figures = [(ours(), peer()) for _ in range(rounds)]
    return [a for a, _ in figures], [b for _, b in figures]


def spread(figures: Sequence[float]) -> str:
    """``min / median / max`` in three digits."""
    return " / ".join(digits(figure) for figure in (min(figures), median(figures), max(figures))) if figures else "none"


def digits(figure: float) -> str:
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
