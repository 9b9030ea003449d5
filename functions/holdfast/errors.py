"""The error tree: what can go wrong, as types. One place (``holdfast.web.problems``) turns them into HTTP.

    Problem                    anything that a client is told
    ├── Invalid          422   the request is well-formed, and what it says cannot be
    │   └── Malformed    400   the request itself cannot be read
    ├── Unauthenticated  401   no token, or one that does not hold
    ├── Forbidden        403   known, and not allowed
    ├── NotFound         404   not there, or not yours: the two are never told apart
    ├── Conflict         409   the state of the thing does not allow it
    ├── Gone             410   it was there, and its time is over
    ├── PreconditionFailed 412 an If-Match or If-None-Match does not hold
    ├── TooLarge         413   above the workspace's maximum size or quota
    ├── UnsupportedMediaType 415 the body is of a type that is not taken here
    ├── RangeUnsatisfiable 416 no byte of the content lies in the range asked for
    ├── Held             423   a legal hold stops it
    ├── TooManyRequests  429   throttled; ``retry_after`` says for how long
    ├── BytesMissing     500   the store has nothing under the key that the registry says
    └── Unavailable      503   a store or the database does not answer; ``retry_after`` says when to come again

``slug`` is the stable end of the problem's ``type`` URI: clients may switch on it, so it never changes. ``detail`` is written for
the person who reads it, and never holds an internal message.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """Base of all that a client is told. ``extra`` become members of the problem document (RFC 9457, section 3.2)."""

    status: ClassVar[int] = 500
    slug: str = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, slug: str | None = None, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.slug = slug or type(self).slug
        self.retry_after = retry_after
        self.extra = extra


class Invalid(Problem):
    status, slug, title = 422, "invalid", "Invalid request"


class Malformed(Invalid):
    status, slug, title = 400, "malformed", "Malformed request"


class Unauthenticated(Problem):
    status, slug, title = 401, "unauthenticated", "Not authenticated"


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "Not allowed"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "Not found"


class Conflict(Problem):
    status, slug, title = 409, "conflict", "Conflict"


class Gone(Problem):
    status, slug, title = 410, "gone", "Gone"


class PreconditionFailed(Problem):
    status, slug, title = 412, "precondition-failed", "Precondition failed"


class TooLarge(Problem):
    status, slug, title = 413, "too-large", "Too large"


def file_too_large(limit: int) -> TooLarge:
    """``limit``: bytes."""
    return TooLarge(f"The file is larger than {limit} bytes, the most that is allowed here.", limit=limit)


class UnsupportedMediaType(Problem):
    status, slug, title = 415, "unsupported-media-type", "Unsupported media type"


class RangeUnsatisfiable(Problem):
    """``size``: of the content, in bytes, for the reply's Content-Range."""

    status, slug, title = 416, "range-unsatisfiable", "Range not satisfiable"

    def __init__(self, detail: str, *, size: int, **rest: Any) -> None:
        super().__init__(detail, size=size, **rest)


class Held(Problem):
    status, slug, title = 423, "held", "Held"


class TooManyRequests(Problem):
    status, slug, title = 429, "too-many-requests", "Too many requests"


class BytesMissing(Problem):
    status, slug, title = 500, "bytes-missing", "Bytes missing"


class Unavailable(Problem):
    status, slug, title = 503, "unavailable", "Temporarily unavailable"


def by_slug(status: int, slug: str, detail: str, extra: dict[str, Any]) -> Problem:
    """The problem that was recorded as these four: an intent's outcome is kept in SQL and raised again in the waiting request."""
    kinds: list[type[Problem]] = [Problem, *_all(Problem)]  # the first is an error that nobody thought of
    kind = next((k for k in kinds if k.status == status), Problem)
    return kind(detail, slug=slug, **extra)


def _all(kind: type[Problem]) -> list[type[Problem]]:
    return [k for sub in kind.__subclasses__() for k in (sub, *_all(sub))]
