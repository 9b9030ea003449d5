"""Signed HTTP calls to an S3 endpoint, for what is called often: PUT, GET, HEAD and DELETE of one object or part.

boto3 spends four times the processor time on a small PUT. This is urllib3 (which botocore uses as well) and our own signature;
what is called rarely, and answers in XML, stays boto3's.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from holdfast.storage.objects.port import StoreUnavailable
from holdfast.storage.objects.sigv4 import EMPTY_SHA256, Credentials, sign_headers

SLICE = 256 << 10
"""Bytes handed to the socket at a time: its timeout is for one slice, so a slow network needs no long timeout."""
RETRIED = frozenset({409, 429, 500, 502, 503, 504})
"""409 is S3's ConditionalRequestConflict: another request for the key was under way, and Amazon says to try again."""
PAUSE = 0.1
"""Seconds before the second attempt, at most; each further pause may be twice as long."""
_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


class Wire:
    """A connection pool to one origin (scheme, host, port), for any number of threads."""

    def __init__(
        self,
        origin: str,
        credentials: Credentials,
        *,
        connect_timeout: float,
        read_timeout: float,
        attempts: int,
        connections: int,
    ) -> None:
        self._host = urlsplit(origin).netloc
        self._credentials = credentials
        self._attempts = attempts
        timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._pool = urllib3.connection_from_url(origin, maxsize=connections, timeout=timeout, retries=False)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: memoryview | None = None,
        sha256: str = EMPTY_SHA256,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """The store's answer, when its status is 2xx, 404, 412 or 416; with ``stream``, the body of a 2xx is still to be read.

        ``sha256`` is the body's, in hex. Tried again, ``attempts`` times in all, when the connection breaks or the store answers
        with a fault of its own, so a caller must expect that an earlier attempt was done; not when the answer is late. Raises
        StoreUnavailable.
        """
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = self._send(method, path, query=query, headers=headers or {}, body=body, sha256=sha256, stream=stream)
            except ReadTimeoutError as error:
                raise StoreUnavailable("The object store does not answer in time.") from error
            except HTTPError as error:
                if last:
                    raise StoreUnavailable("The object store cannot be reached.") from error
            else:
                if response.status not in RETRIED:
                    return _checked(response)
                if last:
                    raise fault(response.status, error_code(response))
                response.drain_conn()
            time.sleep(random.uniform(0, PAUSE * 2 ** (attempt - 1)))  # noqa: S311  (spreads the load, keeps no secret)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: str,
        headers: Mapping[str, str],
        body: memoryview | None,
        sha256: str,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        signed = sign_headers(
            self._credentials,
            method=method,
            path=path,
            query=query,
            headers={"host": self._host, **headers},
            payload_sha256=sha256,
            now=datetime.now(UTC),
        )
        if body is not None:
            signed["content-length"] = str(len(body))
        return self._pool.urlopen(
            method,
            f"{path}?{query}" if query else path,
            body=_slices(body) if body else None,
            headers=signed,
            redirect=False,
            preload_content=not stream,
            decode_content=False,
        )


def fault(status: int, code: str) -> StoreUnavailable:
    """What an answer that we cannot use means, for a reader of ours: nothing of the store's own text but its error code."""
    if status in (401, 403):
        return StoreUnavailable("The object store refuses the credentials (or the clocks differ).")
    if code == "NoSuchBucket":
        return StoreUnavailable("The object store has no such bucket.")
    return StoreUnavailable(f"The object store answers with a fault ({status}{code and ' '}{code}).")


def error_code(response: urllib3.BaseHTTPResponse) -> str:
    """The S3 error code in the body of an answer, which is read for it; empty when there is none."""
    try:
        found = _CODE.search(response.data)
    except HTTPError:
        return ""
    return found[1].decode() if found else ""


def _checked(response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    if response.status < 300 or response.status == 412:
        return response
    code = error_code(response)
    if response.status == 416 or (response.status == 404 and code != "NoSuchBucket"):
        return response
    raise fault(response.status, code)


def _slices(body: memoryview) -> Iterator[bytes]:
    """Views, not copies: urllib3 hands whatever it gets to ``sendall``, though it asks for bytes."""
    for start in range(0, len(body), SLICE):
        yield cast("bytes", body[start : start + SLICE])
