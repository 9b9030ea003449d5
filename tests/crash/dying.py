"""Processes that die at a fail point: forked from the test run, so that each starts warm, and ended by ``os._exit``."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import pkgutil
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Never

import holdfast
from holdfast import failpoints

for _module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
    if "migrations" not in _module.name:  # those import only within Alembic
        importlib.import_module(_module.name)

Hit = tuple[str, int]
"""A fail point, and which time it is come to, from 1."""

DIED, BROKEN = 77, 78
"""Exit codes of a child: at the fail point, and by an error of the test's own."""


@dataclass
class Life:
    """What is known of a child that is gone, or of a survivor that has ``ended`` what it was to do. ``said`` is what it managed to
    say, ``hits`` where it came by, and ``hits_before`` how many of those came before each thing that it said."""

    died: bool = False
    ended: bool = False
    said: list[Any] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    hits_before: list[int] = field(default_factory=list)


Say = Callable[[Any], None]


def live(act: Callable[[Say], None], at: Hit | None = None) -> Life:
    """Runs ``act`` in a forked child that dies at ``at``, as a process dies: nothing is cleaned up, no other thread goes on.

    What ``act`` says reaches us even if the child dies right after. Raises AssertionError when ``act`` raises.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        voice = _Voice(writing, at)
        _be(voice, lambda: act(voice.say))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        life = _heard(stream)
    life.died = _ended(pid, life) == DIED
    return life


class Survivor:
    """A forked child that does one thing after the other and dies of none of them: as another replica, which lives on while others
    die. It starts as warm as a child of ``live``, and is then what a server is that has been running for a while.

    What it is to do is pickled. Hits and counts of fail points are those of the last thing that it was asked for.
    """

    def __init__(self, act: Callable[[Any, Say], None]) -> None:
        (listening, asking), (reading, writing) = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(asking)
            os.close(reading)
            voice = _Voice(writing, None)
            _be(voice, lambda: _go_on(voice, listening, act))
        os.close(listening)
        os.close(writing)
        self._asking, self._stream = os.fdopen(asking, "wb", buffering=0), os.fdopen(reading, "rb")

    def live(self, what: Any) -> Life:
        """Has it do ``what``. Raises AssertionError when that raises; it has ended then."""
        self._asking.write(pickle.dumps(what))
        life = _heard(self._stream)
        if not life.ended:
            self.end(life)
        return life

    def end(self, life: Life | None = None) -> None:
        self._asking.close()
        self._stream.close()
        code = _ended(self._pid, life or Life())
        assert code == 0


def _heard(stream: BinaryIO) -> Life:
    """Until it has done what it was to do, or is gone."""
    life = Life()
    while not life.ended:
        try:
            kind, what = pickle.load(stream)
        except EOFError:
            break
        if kind == "said":
            life.hits_before.append(len(life.hits))
            life.said.append(what)
        elif kind == "hit":
            life.hits.append(what)
        else:
            life.ended = True
    return life


def _ended(pid: int, life: Life) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, DIED), f"the child ended with {code}: {life.said[-1:]}"
    return code


class _Voice:
    """What a child tells through its pipe. It dies at ``at``."""

    def __init__(self, pipe: int, at: Hit | None) -> None:
        self._pipe, self._at = pipe, at
        self._lock, self._seen = threading.Lock(), Counter[str]()
        self._idle = False

    def say(self, what: Any) -> None:
        self._tell("said", what)

    def come(self, name: str) -> None:
        with self._lock:
            if self._idle:  # a thread that nobody waits for
                return
            self._seen[name] += 1
            here = (name, self._seen[name])
            os.write(self._pipe, pickle.dumps(("hit", here)))
            if here == self._at:
                os._exit(DIED)

    def begin(self) -> None:
        with self._lock:
            self._seen.clear()
            self._idle = False

    def end(self) -> None:
        with self._lock:
            self._idle = True
        self._tell("ended", None)

    def _tell(self, kind: str, what: Any) -> None:
        with self._lock:
            os.write(self._pipe, pickle.dumps((kind, what)))


def _go_on(voice: _Voice, listening: int, act: Callable[[Any, Say], None]) -> None:
    with os.fdopen(listening, "rb") as stream:
        while True:
            try:
                what = pickle.load(stream)
            except EOFError:
                return
            voice.begin()
            act(what, voice.say)
            voice.end()


def _be(voice: _Voice, act: Callable[[], None]) -> Never:
    """A child's life."""
    code = BROKEN
    try:
        gc.disable()  # it is short, and a collection would copy the parent's memory
        for name in failpoints.names():
            failpoints.arm(name, lambda name=name: voice.come(name))  # type: ignore[misc]
        act()
        code = 0
    except BaseException:
        voice.say(traceback.format_exc())
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)
