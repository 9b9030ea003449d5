"""Named places at which a test can make a process die or fail.

Every call that leaves the process on the write, archive, restore and destroy paths has one before and one after it, so that a test
can enumerate them (``names()``) and show that what a crash leaves behind is finished or undone. In production nothing is armed and
``hit`` is one dictionary look-up in an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Callable

_declared: dict[str, None] = {}
_armed: dict[str, Callable[[], None]] = {}


def declare(*names: str) -> None:
    """Makes names known to ``names()``. Each module declares its own at import, once."""
    for name in names:
        if name in _declared:
            raise ValueError(f"fail point declared twice: {name}")
        _declared[name] = None


def names() -> tuple[str, ...]:
    """All declared names of the modules imported so far, in the order of declaration."""
    return tuple(_declared)


def hit(name: str) -> None:
    """Says that execution is at ``name``. Does nothing unless a test armed it."""
    if _armed and (action := _armed.get(name)) is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """From now on ``hit(name)`` calls ``action``. Raises KeyError for a name that nobody declared."""
    if name not in _declared:
        raise KeyError(name)
    _armed[name] = action


def disarm() -> None:
    """Takes all arming back."""
    _armed.clear()
