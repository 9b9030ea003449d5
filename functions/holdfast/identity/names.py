"""Which names users have. A name makes a branch, ``<name>_space``, so it is one that lakeFS takes (``^\\w[-\\w]*$``), in ASCII.

Two names that differ by case only are the same name: whoever comes second is refused. Logging in takes the name as it is written.
"""

from __future__ import annotations

import re

from holdfast.errors import Invalid

LONGEST = 63
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_-]{{0,{LONGEST - 1}}}", re.ASCII)
RESERVED = frozenset({"anonymous", "everybody", "holdfast", "nobody", "system"})
"""Nobody's names: the audit trail would read as if somebody else had acted."""
RULE = f"A user name has 1 to {LONGEST} letters, digits, '_' and '-' (ASCII), and does not begin with '-'."


def possible(name: str) -> bool:
    """Whether a user could have this name."""
    return _NAME.fullmatch(name) is not None and folded(name) not in RESERVED


def checked(name: str) -> str:
    """The name itself. Raises Invalid."""
    if _NAME.fullmatch(name) is None:
        raise Invalid(RULE, slug="user-name")
    if folded(name) in RESERVED:
        raise Invalid(f"The name '{name}' is reserved.", slug="user-name")
    return name


def folded(name: str) -> str:
    """The one spelling of names, and of branches, that are the same."""
    return name.lower()


def user_key(name: str, issuer: str = "") -> str:
    """What no two live users have in common: (issuer, name), in one spelling."""
    return f"{issuer} {folded(name)}"


def branch(name: str) -> str:
    """The workspace's name and its branch (000)."""
    return f"{name}_space"
