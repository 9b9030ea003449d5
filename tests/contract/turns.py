"""Runs threads in turns that a test chooses, from one fail point to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from queue import Queue
from typing import Generic, TypeVar

from holdfast import failpoints

T = TypeVar("T")

WAIT = 30
"""Seconds after which a thread that neither stops nor ends fails the test."""


class Turns(Generic[T]):
    """Each of ``acts`` runs in a thread of its own, and only when it is its turn: until it comes to one of ``stops``, or ends."""

    def __init__(self, acts: Mapping[str, Callable[[], T]], stops: Iterable[str]) -> None:
        self._go = {name: threading.Semaphore(0) for name in acts}
        self._stopped: dict[str, Queue[bool]] = {name: Queue() for name in acts}
        self._results: dict[str, Future[T]] = {name: Future() for name in acts}
        self._running = set(acts)
        self._threads = [threading.Thread(target=self._run, args=(n, act), name=n, daemon=True) for n, act in acts.items()]
        for stop in stops:
            failpoints.arm(stop, self._stop)

    def play(self, schedule: Iterable[str]) -> dict[str, T]:
        """Gives the turns in this order, then to each in the order of ``acts`` until it ends; says what they returned.

        All begin before the first turn: they stand at their first stop then. A turn of what has ended is left out.
        """
        for thread in self._threads:
            thread.start()
            self._until_it_stops(thread.name)
        for name in schedule:
            self._turn(name)
        for name in self._results:
            while name in self._running:
                self._turn(name)
        return {name: future.result() for name, future in self._results.items()}

    def _turn(self, name: str) -> None:
        if name in self._running:
            self._go[name].release()
            self._until_it_stops(name)

    def _until_it_stops(self, name: str) -> None:
        if self._stopped[name].get(timeout=WAIT):
            self._running.remove(name)

    def _stop(self) -> None:
        name = threading.current_thread().name
        self._stopped[name].put(False)
        self._go[name].acquire()

    def _run(self, name: str, act: Callable[[], T]) -> None:
        try:
            self._results[name].set_result(act())
        except BaseException as error:
            self._results[name].set_exception(error)
        finally:
            self._stopped[name].put(True)
