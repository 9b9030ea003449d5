"""What a refusal has to look like, and what it has to leave: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from holdfast import background
from holdfast.assets.verify import verify
from tests.security.tenants import stored
from tests.stacks import Stack

_INTERNAL = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|sqlalchemy|pymysql|sqlite|mariadb|mysql|boto|botocore|seaweed|lakefs"
    r"|SELECT |INSERT |UPDATE |DELETE FROM|127\.0\.0\.1|/tmp/|/home/|/usr/|<object at|Exception|Error\(",
    re.IGNORECASE,
)
"""What only somebody who reads our logs may see."""


def check_refused(stack: Stack, reply: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The problem, which is one that a client can read, and tells nothing of our inside."""
    assert 400 <= reply.status_code < 500, f"{reply.status_code}: {reply.text[:500]}"
    assert not statuses or reply.status_code in statuses, f"{reply.status_code}: {reply.text[:500]}"
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == reply.status_code
    assert all(problem[name] for name in ("type", "title", "detail"))
    assert len(reply.content) < 10_000
    check_tells_nothing(stack, reply.text)
    return problem


def check_tells_nothing(stack: Stack, text: str) -> None:
    assert _INTERNAL.search(text) is None, text
    inside = [str(stack.values[name]) for name in _OURS if name in stack.values]
    assert not [value for value in inside if value in text], text


_OURS = ("data", "database_url", "token_secret", "s3_endpoint", "s3_secret_key", "lakefs_endpoint", "lakefs_secret_key")


@contextmanager
def nothing_stored(stack: Stack) -> Iterator[None]:
    """Whatever happens within leaves no row, no byte and no disagreement once the background has had its turn."""
    check_clean(stack)
    before, keys = stored(stack), sorted(stack.own.objects.keys())
    yield
    check_clean(stack)
    assert stored(stack) == before
    assert sorted(stack.own.objects.keys()) == keys


def check_clean(stack: Stack) -> None:
    """Registry, versions and bytes agree, and no byte is nobody's."""
    background.settle(stack.own)
    found = [str(found) for found in verify(stack.own, deep=True) if not isinstance(found, int)]
    assert not found, found


def part(name: bytes, content: bytes = b"content", *, filename: bytes | None = None, **headers: str) -> bytes:
    """One part of a form, byte by byte: nothing is escaped. ``headers``: further ones, with ``_`` for ``-``."""
    disposition = b'Content-Disposition: form-data; name="' + name + b'"'
    if filename is not None:
        disposition += b'; filename="' + filename + b'"'
    lines = [disposition, *(f"{key.replace('_', '-')}: {value}".encode() for key, value in headers.items())]
    return b"--b\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


END = b"--b--\r\n"
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
