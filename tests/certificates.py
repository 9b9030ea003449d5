"""The authorities that this machine trusts are read once a process: httpx reads them for each client, in 30 ms, also of servers
without TLS, and the tests make thousands of clients."""

from __future__ import annotations

from functools import cache

from httpx._transports import default


def share() -> None:
    """From now on, for all of httpx's clients of this process that say the same of certificates."""
    default.create_ssl_context = cache(default.create_ssl_context)  # type: ignore[attr-defined]
