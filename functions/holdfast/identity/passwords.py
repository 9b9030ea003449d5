"""Passwords: argon2id with OWASP's least parameters (19 MiB, 2 passes, 1 lane), and the rules for new ones.

A hash takes 19 MiB while it is made, so at most ``AT_ONCE`` are made at a time; further ones wait their turn in their own threads.
"""

from __future__ import annotations

import ctypes
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from holdfast.errors import Invalid

SHORTEST, LONGEST = 8, 1024
"""Characters (NIST SP 800-63B, section 5.1.1: eight or more, nothing about their kinds)."""
AT_ONCE = 4

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# glibc would keep the last 19 MiB of each thread for it, which makes 760 MiB of 40 threads. Blocks from 16 MiB on it now maps, and
# unmaps when they are free; there it stops moving that threshold by itself. Other C libraries have no such function, and no need.
_M_MMAP_THRESHOLD = -3
if _mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
    _mallopt(_M_MMAP_THRESHOLD, 16 * 2**20)
_turn = threading.BoundedSemaphore(AT_ONCE)

# A well-formed hash that nobody's password has (its 32 bytes are zeros): verifying against it takes as long as against any other.
_NOBODY = f"$argon2id$v=19$m={19 * 1024},t=2,p=1${'A' * 22}${'A' * 43}"


def checked(password: str) -> str:
    """A new password that keeps the rules. Raises Invalid."""
    if not SHORTEST <= len(password) <= LONGEST or "\0" in password:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters, and none of them is NUL.", slug="password")
    return password


def hashed(password: str) -> str:
    """The hash to keep. Blocks for some 20 ms."""
    with _turn:
        return _hasher.hash(password)


def verify(password: str, kept: str | None) -> bool:
    """Whether it is the password behind ``kept``. With None, for a user whom there is not, it takes as long, and is never true."""
    if len(password) > LONGEST:
        return False
    with _turn:
        try:
            return _hasher.verify(kept or _NOBODY, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """Whether the parameters have risen since ``kept`` was made."""
    return _hasher.check_needs_rehash(kept)
