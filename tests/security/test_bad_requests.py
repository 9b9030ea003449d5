"""Requests that are no requests, or half of one: byte by byte, over a socket, to the real server."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.behaviour.moments import upload
from tests.security.refusals import END, check_clean, check_tells_nothing, nothing_stored, part
from tests.security.tenants import stored
from tests.stacks import SQL, SQLITE, Stack, User
from tests.unit.web.served import said, served

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)

BODY = part(b"primary_file", b"content", filename=b"note.txt") + END
BIG = part(b"primary_file", b"x" * 3_000_000, filename=b"note.txt") + END


@contextmanager
def listening(stack: Stack, user: User) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The server's address, and the head of the user's upload without its length. Afterwards the server has ended, with all that
    it was at."""
    token = user.token
    head = f"POST /fileupload HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n"
    with served(stack.app()) as address:
        yield address, head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n"


def check_answer(stack: Stack, answer: bytes, *statuses: int) -> None:
    """A problem with one of the statuses, or nothing if 0 is one of them."""
    if not answer and 0 in statuses:
        return
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found is not None, answer[:300]
    assert int(found[1]) in statuses, answer[:500]
    assert b"application/problem+json" in answer
    check_tells_nothing(stack, answer.decode("utf-8", "replace"))


@pytest.mark.parametrize("content", [BODY, BIG], ids=["small", "big"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_of_half_a_request_nothing_stays(stack: Stack, content: bytes, share: float) -> None:
    ada = stack.user("ada")
    with nothing_stored(stack), listening(stack, ada) as (address, head):
        sent = content[: int(len(content) * share)]
        check_answer(stack, said(address, head + b"Content-Length: %d\r\n\r\n" % len(content), sent, end=True), 0, 400)
        with socket.create_connection(address) as connection:  # and without waiting for an answer
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(content) + sent)
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content)
        check_answer(stack, said(address, chunked, sent, end=True), 0, 400)


def test_a_wrong_length_is_refused_and_nothing_is_stored(stack: Stack) -> None:
    ada = stack.user("ada")
    with nothing_stored(stack), listening(stack, ada) as (address, head):
        for length in (len(BODY) - 3, len(BODY) - 20, 10, 1):
            check_answer(stack, said(address, head + b"Content-Length: %d\r\n\r\n" % length, BODY), 400, 422)
        check_answer(stack, said(address, head + b"Content-Length: 0\r\n\r\n", BODY), 400, 422)
        for wrong in (b"-1", b"x", b"1e3", b"9" * 40, b"+5", b"0x10", b"5, 6"):
            check_answer(stack, said(address, head + b"Content-Length: " + wrong + b"\r\n\r\n", BODY, end=True), 0, 400)
        check_answer(stack, said(address, head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", BODY, end=True), 400)
        check_answer(stack, said(address, head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BODY, end=True), 400)
        check_answer(stack, said(address, head + b"Transfer-Encoding: gzip, chunked\r\n\r\n", BODY, end=True), 0, 400)
        check_answer(stack, said(address, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", BODY, end=True), 0, 400)


def test_what_is_no_http_is_refused(stack: Stack) -> None:
    with listening(stack, stack.user("ada")) as (address, _):
        for sent in (
            b"\r\n\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET\r\n\r\n",
            b"GET /me\r\n\r\n",
            b"GET /me HTTP/9.9\r\n\r\n",
            b"get /me HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /me HTTP/1.1\r\nHost h\r\n\r\n",
            b"GET /me HTTP/1.1\r\n: h\r\n\r\n",
            b"GET /me HTTP/1.1\r\nA\0B: h\r\n\r\n",
            b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /me\0 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"\0" * 1000,
        ):
            check_answer(stack, said(address, sent, end=True), 0, 400, 401, 404)


def test_huge_headers_are_refused(stack: Stack) -> None:
    with listening(stack, stack.user("ada")) as (address, _):
        for header in (b"X-Long: " + b"x" * 2_000_000, b"X: x\r\n" * 200_000, b"Cookie: " + b"a=b; " * 200_000):
            try:
                answer = said(address, b"GET /me HTTP/1.1\r\nHost: h\r\n" + header + b"\r\n\r\n", end=True)
            except OSError:  # it hung up while we were still sending
                continue
            check_answer(stack, answer, 0, 400, 401, 431)
        long_token = b"GET /me HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + b"x" * 60_000 + b"\r\n\r\n"
        check_answer(stack, said(address, long_token), 0, 400, 401, 431)
        long_path = b"GET /content/" + b"x" * 60_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"
        check_answer(stack, said(address, long_path), 0, 400, 401, 404, 414)


def test_afterwards_it_serves_as_before(stack: Stack) -> None:
    with listening(stack, stack.user("ada")) as (address, head):
        for sent in (head + b"Content-Length: 999\r\n\r\n" + BODY, b"\0\0\0", head):
            said(address, sent, end=True)
        answer = said(address, head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY), BODY)
        assert answer.startswith(b"HTTP/1.1 200 ")
    with stack.client(stack.user("eve")) as http:
        upload(http)
    check_clean(stack)
    assert len(stored(stack)["versions"]) == 2
