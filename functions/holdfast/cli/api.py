"""The HTTP interface as the commands call it. Nothing else of the package speaks HTTP."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from holdfast import __version__
from holdfast.cli.credentials import DEFAULT_URL, Credentials
from holdfast.cli.failures import UNAVAILABLE, USAGE, Failure, Refusal
from holdfast.cli.multipart import Body
from holdfast.cli.progress import Meter

T = TypeVar("T")
Params = Mapping[str, str | int | bool | list[str] | None]

TIMEOUT = httpx.Timeout(120, connect=10, pool=10)
"""Seconds. An upload's answer comes after its commit, for which the server waits 20 s unless told otherwise."""

TRY_AGAIN = frozenset({429, 502, 503, 504})
LONGEST_WAIT = 30.0


class Api:
    """One server, spoken to as one user or nobody. Raises Refusal for an error that it answers, Failure for no answer."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        sleep: Callable[[float], object] | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
    ) -> None:
        headers = {"User-Agent": f"holdfast/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.url = url.rstrip("/")
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait
        with self._reaching():
            self._client = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        return cls(credentials.url, credentials.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that the server answers."""
        with self._reaching():
            response = self._client.request(method, path, json=json, data=form, files=files, params=_given(params), headers=headers)
        return _object(response)

    def pages(self, path: str, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a listing, page after page."""
        asked = dict(params or {})
        while True:
            page = self.call("GET", path, params=asked)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            asked["cursor"] = page["next_cursor"]

    def send(self, path: str, body: Body, headers: Mapping[str, str], *, patience: float, meter: Meter) -> dict[str, Any]:
        """Posts files. ``headers`` hold an Idempotency-Key: an attempt that the server put off, or whose answer was lost, is
        repeated under the same key until ``patience`` seconds are over, and stores nothing twice."""

        def sent(count: int) -> None:
            self.go_on()
            meter.advance(count)

        def attempt() -> dict[str, Any]:
            meter.restart()
            with self._reaching():
                response = self._client.post(path, content=body.stream(sent), headers={**headers, **body.headers})
            return _object(response)

        return self.insist(attempt, patience=patience, meter=meter)

    def insist(self, attempt: Callable[[], T], *, patience: float, meter: Meter, reached: bool = False) -> T:
        """What ``attempt`` returns, which is repeated until ``patience`` seconds are over, as long as the server may still answer
        otherwise. ``reached``: the server was there before, and may come again when nobody answers."""
        deadline = time.monotonic() + patience
        for number in itertools.count(2 if reached else 1):
            self.go_on()
            try:
                return attempt()
            except Failure as failure:
                wait = _wait(failure, number)
                if wait is None or time.monotonic() + wait > deadline:
                    raise
                meter.note(f"{failure.message} Trying again in {wait:.0f} s.")
            self._sleep(wait)
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Nothing is sent or tried again any more, in no thread."""
        self._stopping.set()

    def go_on(self) -> None:
        """Raises Failure once it is to stop."""
        if self._stopping.is_set():
            raise Failure("Stopped.")

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds)

    @contextmanager
    def open(self, path: str, params: Params, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A GET whose body is read by the caller. Follows a link to the store, which does not get the token."""
        with (
            self._reaching(),
            self._client.stream("GET", path, params=_given(params), headers=headers, follow_redirects=True) as response,
        ):
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield response

    def head(self, path: str, params: Params) -> httpx.Headers:
        """The headers of a HEAD."""
        with self._reaching():
            response = self._client.head(path, params=_given(params), follow_redirects=True)
        if response.is_error:
            raise _refusal(response)
        return response.headers

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(f"{self.url} is no address of a server; one is {DEFAULT_URL}.", USAGE) from error
        except httpx.ConnectError as error:
            raise Unreached(f"{self.url} does not answer.") from error
        except httpx.TransportError as error:
            raise Lost(f"The connection to {self.url} was lost.") from error


class Unreached(Failure):
    """Nobody listens there: nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNAVAILABLE)


class Lost(Unreached):
    """The connection ended before the answer came: what was asked may or may not be done."""


def path(*segments: str) -> str:
    """``/a/b/c`` from segments; an asset path's own slashes stay."""
    return "".join(f"/{quote(segment, safe='/')}" for segment in segments)


def _wait(failure: Failure, attempt: int) -> float | None:
    """Seconds until the next attempt; None where none would help. Spread, so that many clients do not come back as one."""
    if isinstance(failure, Refusal):
        if failure.status not in TRY_AGAIN:
            return None
        if failure.retry_after is not None:
            return failure.retry_after + random.uniform(0, 1)  # noqa: S311  spreads clients, guards nothing
    elif not isinstance(failure, Lost) and (attempt == 1 or not isinstance(failure, Unreached)):
        return None  # the first attempt reached nobody: the address is wrong, or the server is down
    return min(LONGEST_WAIT, 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311


def _given(params: Params | None) -> dict[str, Any] | None:
    """None where there are none: an empty mapping would take the query of a link away."""
    return {name: value for name, value in (params or {}).items() if value is not None} or None


def _object(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise _refusal(response)
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Failure(f"{response.request.url.host} answered something that is not Holdfast's.")
    return body


def _refusal(response: httpx.Response) -> Refusal:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    after = response.headers.get("Retry-After", "")
    return Refusal(response.status_code, problem if isinstance(problem, dict) else {}, float(after) if after.isdigit() else None)
