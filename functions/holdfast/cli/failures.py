"""What a command tells the shell. The codes are stable: scripts switch on them.

0    done
1    the server refused or failed, or ``verify`` found something
2    the command line or the settings are wrong
3    not logged in, or not allowed
4    not there (any more)
5    the state of the thing does not allow it: a conflict, a precondition, a hold
6    unavailable: the same command may succeed later
130  interrupted
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFUSED, USAGE, NOT_ALLOWED, NOT_FOUND, CONFLICT, UNAVAILABLE = 1, 2, 3, 4, 5, 6

PROXY_LIMIT = 413
"""With it proxies refuse what is larger than they pass on, and Holdfast what is larger than a workspace takes."""

_BY_STATUS = {
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    409: CONFLICT,
    410: NOT_FOUND,
    412: CONFLICT,
    423: CONFLICT,
    429: UNAVAILABLE,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: UNAVAILABLE,
}


class Failure(Exception):
    """Ends the command: ``message`` is one line for standard error, ``code`` the exit code."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Refusal(Failure):
    """An answer of the server that is an error. ``problem`` is its document (RFC 9457), as far as it sent one."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(_said(status, problem), exit_code(status))
        self.status = status
        self.problem = problem
        self.retry_after = retry_after

    @property
    def too_large_for_a_proxy(self) -> bool:
        """Whether the request was too large for something in front of the server: a 413 that is no problem document, for which
        ours have a type. Smaller requests may pass."""
        return self.status == PROXY_LIMIT and "type" not in self.problem


def exit_code(status: int) -> int:
    """The exit code for an HTTP status that is an error."""
    return _BY_STATUS.get(status, REFUSED)


def _said(status: int, problem: Mapping[str, Any]) -> str:
    said = problem.get("detail") or problem.get("title")
    if not said and status == PROXY_LIMIT:
        return "Something in front of the server, a proxy's limit perhaps, takes no request as large as this (413)."
    return str(said) if said else f"The server answered {status} and did not say why."
