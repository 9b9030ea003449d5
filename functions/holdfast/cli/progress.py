"""How far a transfer is: a bar on standard error, for what takes longer than a second, where somebody looks at it."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from holdfast.cli.output import note, printable

if TYPE_CHECKING:
    from rich.progress import Progress


class Unit(Enum):
    """What a meter counts."""

    bytes = auto()
    things = auto()


PATIENCE = 1.0
"""Seconds that pass before a bar appears."""


class Meter:
    """Counts up to ``total``, if that is known. The block that uses it ends the bar."""

    def __init__(self, name: str, total: int | None, *, unit: Unit = Unit.bytes, patience: float = PATIENCE) -> None:
        self._name = printable(name)
        self._total = total
        self._unit = unit
        self._done = 0
        self._due = time.monotonic() + patience
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        self.restart(self._done + count)

    def restart(self, done: int = 0) -> None:
        """Sets the count to ``done``."""
        self._done = done
        if self._bar is None and time.monotonic() >= self._due:
            self._bar = self._start()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)

    def note(self, text: str) -> None:
        """A line beside the bar."""
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False)
        else:
            note(text)

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        counting: tuple[ProgressColumn, ...] = (MofNCompleteColumn(),)
        if self._unit is Unit.bytes:
            counting = (DownloadColumn(binary_units=True), TransferSpeedColumn())
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), *counting, TimeRemainingColumn())
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        bar.start()
        bar.add_task(escape(self._name), total=self._total)
        return bar
