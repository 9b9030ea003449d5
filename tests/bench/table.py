"""The results as text: on the terminal, and as ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.measure import Result, digits, spread
from tests.bench.rows import ROWS

INTRODUCTION = """\
# Benchmarks

Made by `make bench` (`python -m tests.bench --write`), which runs both sides of each row in turn (ours, the peer's, ours, …) on the
same servers and the same work. Read the ratios: the figures themselves are this machine's, with everything (clients, servers and
ours) on its processors. A ratio is the median of the rounds' own ratios; figures are least / median / most of all rounds.
Where it is given, CPU is the processor time of our process and of the peer's for one piece of the work, which says more than the
rate where the servers are what is slow.
"""


def lines(name: str, results: Sequence[Result]) -> list[str]:
    """For the terminal."""
    return [
        f"{name:10} {r.what}: ours {spread(r.ours)} {r.unit}"
        + (f", peer {spread(r.peer)} {r.unit}" if r.peer else "")
        + f"; {_figure(r)} (goal {_goal(r)}) {'met' if r.met else 'MISSED'}"
        + (f"; CPU {digits(r.cpu[0])} ms, peer {digits(r.cpu[1])} ms" if r.cpu else "")
        for r in results
    ]


def page(measured: Mapping[str, Sequence[Result]], versions: Mapping[str, str], machine: str) -> str:
    """The page of the documentation. ``measured`` by the names of ``rows.ROWS``."""
    out = [INTRODUCTION, f"Measured on {machine}, with {', '.join(f'{name} {version}' for name, version in versions.items())}.", ""]
    out += ["| | what | peer | ours | the peer's | ratio | goal | |", "|---|---|---|---|---|---|---|---|"]
    for name, results in measured.items():
        out += [
            f"| {name} | {ROWS[name].ours}: {r.what} | {ROWS[name].peer} | {spread(r.ours)} {r.unit} "
            f"| {f'{spread(r.peer)} {r.unit}' if r.peer else ''} | {_figure(r)} | {_goal(r)} | {_verdict(r)} |"
            for r in results
        ]
    spent = [(name, r) for name, results in measured.items() for r in results if r.cpu]
    if spent:
        out += ["", "| | CPU of ours | CPU of the peer |", "|---|---|---|"]
        out += [f"| {name}: {r.what} | {digits(r.cpu[0])} ms | {digits(r.cpu[1])} ms |" for name, r in spent if r.cpu]
    missed = [name for name, results in measured.items() if not all(r.met for r in results)]
    if missed:
        out += ["", "## What holds back what is missed", ""]
        out += [f"* **{name}**: {ROWS[name].held_back}" for name in missed]
    return "\n".join(out) + "\n"


def _figure(result: Result) -> str:
    return digits(result.figure) if result.goal.ratio else f"{digits(result.figure)} {result.unit}"


def _goal(result: Result) -> str:
    return f"{result.goal.sense} {result.goal.bound:g}" + ("" if result.goal.ratio else f" {result.unit}")


def _verdict(result: Result) -> str:
    if result.goal.bound == 0 and not result.met:
        return "missed"
    return "**met**" if result.met else f"missed by {abs(result.figure / result.goal.bound - 1):.0%}".replace("%", " %")
