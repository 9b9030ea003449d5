"""PyMySQL without ``cryptography``: for a function whose start is measured.

PyMySQL needs it for one step of one way to log in: a password for MySQL's ``caching_sha2_password`` over a connection that is not
encrypted. Ours are encrypted, except on loopback. Importing it takes longer than all the rest of PyMySQL, and 6 MiB; without it
PyMySQL does without. ``sys.modules[name] = None`` is how Python is told that an import fails (language reference, 5.3.1).
"""

from __future__ import annotations

import sys
from importlib import import_module, reload

_HEAVY = "cryptography"


def import_pymysql() -> None:
    """Imports PyMySQL and leaves out what is heavy. For the start of a process, while it has one thread: meanwhile ``cryptography``
    cannot be imported by anybody. Nothing happens when one of them is there already."""
    if "pymysql" in sys.modules or _HEAVY in sys.modules:
        return
    sys.modules[_HEAVY] = None  # type: ignore[assignment]
    try:
        import_module("pymysql")
    finally:
        del sys.modules[_HEAVY]


def complete_pymysql() -> bool:
    """Brings in what was left out. Whether there was something."""
    auth = sys.modules["pymysql._auth"]
    if auth._have_cryptography:
        return False
    return bool(reload(auth)._have_cryptography)
