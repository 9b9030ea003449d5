"""How far a transfer is: a bar on standard error, for what takes longer than a second, where somebody looks at it."""

from __future__ import annotations

import sys
import threading
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from holdfast.cli.output import note, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Unit(Enum):
    """What a meter counts."""

    bytes = auto()
    things = auto()


PATIENCE = 1.0
"""Seconds that pass before a bar appears."""


class Bars:
    """One below the other, for what goes on at a time; with a ``total`` there is one, too, for all of it together. Any thread may
    move them. The block that uses them ends them."""

    def __init__(self, total: int | None = None, *, unit: Unit = Unit.bytes) -> None:
        self._total = total
        self._unit = unit
        self._done = 0
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def add(self, name: str, total: int | None) -> TaskID:
        from rich.markup import escape

        with self._lock:
            if self._progress is None:
                self._progress = self._start()
                if self._total is not None:
                    self._all = self._progress.add_task("all files", total=self._total)
            return self._progress.add_task(escape(name), total=total)

    def move(self, bar: TaskID | None, done: int, by: int) -> None:
        """Sets a bar to ``done``, which is ``by`` more than it was. ``bar``: None while it does not show yet."""
        with self._lock:
            self._done += by
            if self._progress is not None:
                if bar is not None:
                    self._progress.update(bar, completed=done)
                if self._all is not None:
                    self._progress.update(self._all, completed=self._done)

    def note(self, text: str) -> None:
        """A line beside the bars."""
        if self._progress is not None:
            self._progress.console.print(printable(text), markup=False, highlight=False)
        else:
            note(text)

    def _start(self) -> Progress:
        from rich.console import Console
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
        # What comes on standard output Rich would print above the bars, on standard error: good only where both are one terminal.
        together = sys.stdout.isatty()
        progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=together)
        progress.start()
        return progress


class Meter:
    """Counts up to ``total``, if that is known, with a bar of its own, or one of several ``bars``. The block that uses it ends a
    bar of its own. Threads may share it."""

    def __init__(
        self, name: str, total: int | None, *, unit: Unit = Unit.bytes, patience: float = PATIENCE, bars: Bars | None = None
    ) -> None:
        self._name = printable(name)
        self._total = total
        self._done = 0
        self._due = time.monotonic() + patience
        self._own = bars is None
        self._bars = bars or Bars(unit=unit)
        self._bar: TaskID | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._own:
            self._bars.__exit__(*error)

    def advance(self, count: int) -> None:
        with self._lock:
            self._move(self._done + count)

    def restart(self, done: int = 0) -> None:
        """Sets the count to ``done``."""
        with self._lock:
            self._move(done)

    def note(self, text: str) -> None:
        """A line beside the bar."""
        self._bars.note(text)

    def _move(self, done: int) -> None:
        by, self._done = done - self._done, done
        if self._bar is None and time.monotonic() >= self._due:
            self._bar = self._bars.add(self._name, self._total)
        self._bars.move(self._bar, done, by)
