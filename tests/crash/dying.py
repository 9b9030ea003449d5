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
from typing import Any

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
    """What is known of a child that is gone. ``said`` is what it managed to say, ``hits`` where it came by, and ``hits_before`` how
    many of those came before each thing that it said."""

    died: bool
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
        _be_born(act, at, reading, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        life = Life(False)
        while True:
            try:
                kind, what = pickle.load(stream)
            except EOFError:
                break
            if kind == "said":
                life.hits_before.append(len(life.hits))
                life.said.append(what)
            else:
                life.hits.append(what)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, DIED), f"the child ended with {code}: {life.said[-1:]}"
    life.died = code == DIED
    return life


def _be_born(act: Callable[[Say], None], at: Hit | None, reading: int, writing: int) -> None:
    code = BROKEN
    try:
        gc.disable()  # a child's life is short, and a collection would copy the parent's memory
        os.close(reading)
        lock, seen = threading.Lock(), Counter[str]()

        def send(kind: str, what: Any) -> None:
            with lock:
                os.write(writing, pickle.dumps((kind, what)))

        def come(name: str) -> None:
            with lock:
                seen[name] += 1
                here = (name, seen[name])
                os.write(writing, pickle.dumps(("hit", here)))
                if here == at:
                    os._exit(DIED)

        for name in failpoints.names():
            failpoints.arm(name, lambda name=name: come(name))  # type: ignore[misc]
        act(lambda what: send("said", what))
        code = 0
    except BaseException:
        os.write(writing, pickle.dumps(("said", traceback.format_exc())))
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)
