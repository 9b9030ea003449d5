"""A thread that does the same again and again beside the requests, until it is stopped."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Protocol

from holdfast.errors import Unavailable

_log = logging.getLogger(__name__)

LEAST, MOST = 0.8, 1.2
"""Of the seconds that were asked for, what a pause has."""


class Runner(Protocol):
    """What runs beside the requests."""

    def start(self) -> None:
        """Begins. Called once."""

    def stop(self) -> None:
        """Returns when it is at rest. Called once."""

    def alive(self) -> bool:
        """Whether it goes on, as far as can be seen from outside: a long act is no standstill."""


class Repeating:
    """``start`` and ``stop`` are each called once."""

    def __init__(self, name: str, act: Callable[[threading.Event], object], seconds: float) -> None:
        """``act`` is done at once, and then every ``seconds`` seconds or so, whatever it raises. It is handed what says that it had
        better come to an end."""
        self._name = name
        self._act = act
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Returns when what is under way is done."""
        self._stopping.set()
        self._thread.join()

    def alive(self) -> bool:
        """Whether its thread is there."""
        return self._thread.is_alive()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self._act(self._stopping)
            except Unavailable as away:
                _log.warning("%s has to wait: %s", self._name, away.slug)
            except Exception:  # the next time may do better, and nobody else would
                _log.exception("%s failed", self._name)
            pause = self._seconds * random.uniform(LEAST, MOST)  # noqa: S311  replicas that started together part
