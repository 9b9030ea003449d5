"""Throttling of logins, as data: how many failures there were, and until when one has to wait. ``identity.login`` keeps it in SQL.

A name has to wait after ``limit`` failures in a row, at first ``wait`` seconds, then twice as long after each further one, up to
``LONGEST``. Whether there is a user of that name makes no difference. An address has to wait only after ``ADDRESS_SHARE`` times as
many: attempts on a name that is waiting are not counted, so one forgotten password cannot lock out everybody behind one router.
A login that succeeds clears its name, but not its address, or an attacker would clear his own with an account of his own.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from datetime import datetime, timedelta

ADDRESS_SHARE = 10
LONGEST = timedelta(hours=1)
FORGOTTEN = timedelta(days=1)
"""After so long without a failure all is as if there had been none."""


def of_name(name: str) -> str:
    """The subject of a user name. What is kept is a hash, because people type their passwords there."""
    return _subject(f"user:{name.lower()}")


def of_address(address: str | None) -> str | None:
    """The subject of a client's address: an IPv4 address, or the /64 that one IPv6 customer has. None when it is none of these."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return _subject(f"address:{ipaddress.ip_network((parsed, 64), strict=False)}")
        parsed = parsed.ipv4_mapped
    return _subject(f"address:{parsed}")


def blocked_until(failures: int, now: datetime, limit: int, wait: int) -> datetime | None:
    """Until when one has to wait whose ``failures``-th failure in a row was at ``now``; None while it is below ``limit``."""
    if failures < limit:
        return None
    doubled = timedelta(seconds=wait * 2 ** min(failures - limit, 20))
    return now + min(doubled, max(LONGEST, timedelta(seconds=wait)))


def seconds_until(until: datetime, now: datetime) -> int:
    """Whole seconds from ``now`` to ``until``, rounded up, at least one."""
    return max(1, math.ceil((until - now).total_seconds()))


def _subject(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
