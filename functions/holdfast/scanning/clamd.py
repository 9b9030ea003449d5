"""ClamAV's daemon, over TCP or a Unix socket. Its protocol is little, so it is spoken here: ``zINSTREAM``, then chunks, each with
its length before it, an empty one, and one answer. Nothing holds more than a chunk.

clamd may answer and hang up before it has everything (its ``StreamMaxLength``), so it is listened to while it is sent to.

What clamd does not look at it calls OK, unless its ``AlertExceedsMax`` is on: see the guide for what its settings have to be.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator

from holdfast.scanning import answers
from holdfast.scanning.port import Result, ScannerUnavailable, Verdict

_LISTEN_SECONDS = 2.0
_ANSWER_BYTES = 4096


class Clamd:
    """Implements ``holdfast.scanning.port.Scanner``. A connection for each scan, as clamd has it."""

    def __init__(self, address: str, *, max_bytes: int, timeout: float, connect_timeout: float = 5) -> None:
        """``address``: ``host:port``, or ``unix:/path``. More than ``max_bytes`` are not sent. ``timeout``: seconds that clamd may
        take for the next chunk, and for its answer. Raises ValueError for an address that is none."""
        self._where = where(address)
        self._max_bytes, self._timeout, self._connect_timeout = max_bytes, timeout, connect_timeout

    def scan(self, size: int, chunks: Callable[[], Iterable[bytes]], each: Callable[[], None]) -> Verdict:
        if size > self._max_bytes:
            return Verdict(Result.TOO_LARGE, detail=f"{size} bytes are more than the {self._max_bytes} that are scanned.")
        with contextlib.closing(self._connected()) as connection:
            return answers.verdict(self._stream(connection, chunks(), each))

    def check(self) -> str | None:
        with contextlib.closing(self._connected()) as connection, _away():
            connection.sendall(b"zVERSION\0")
            said = self._answer(connection, lambda: None)
        if not said.startswith("ClamAV"):
            raise ScannerUnavailable
        return said

    def _connected(self) -> socket.socket:
        with _away():
            if isinstance(self._where, tuple):
                return socket.create_connection(self._where, self._connect_timeout)
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(self._connect_timeout)
                connection.connect(self._where)
            except BaseException:
                connection.close()
                raise
            return connection

    def _stream(self, connection: socket.socket, chunks: Iterable[bytes], each: Callable[[], None]) -> str:
        """Sends it all, or until clamd has had enough. Returns its answer."""
        sent = 0
        with _away():
            connection.settimeout(self._timeout)
            connection.sendall(b"zINSTREAM\0")
        for chunk in chunks:
            sent += len(chunk)
            if sent > self._max_bytes:  # the store has more than was registered
                return "INSTREAM size limit exceeded. ERROR"
            if not chunk:
                continue
            if not self._took(connection, struct.pack("!I", len(chunk)) + chunk):
                return self._answer(connection, each)
            each()
        self._took(connection, struct.pack("!I", 0))
        return self._answer(connection, each)

    def _took(self, connection: socket.socket, data: bytes) -> bool:
        """Whether clamd took it. Not if it has answered already, or hung up, which its answer says then."""
        with _away():
            listening = select.poll()
            listening.register(connection, select.POLLIN)
            if listening.poll(0):
                return False
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True

    def _answer(self, connection: socket.socket, each: Callable[[], None]) -> str:
        """Up to its end. "" when clamd hangs up without a word."""
        deadline = time.monotonic() + self._timeout
        said = b""
        while b"\0" not in said and len(said) < _ANSWER_BYTES:
            if time.monotonic() > deadline:
                raise ScannerUnavailable("The malware scanner takes too long.")
            with _away():
                connection.settimeout(_LISTEN_SECONDS)
                try:
                    more = connection.recv(_ANSWER_BYTES)
                except TimeoutError:
                    more = None
            if more is None:
                each()
                continue
            if not more:
                break
            said += more
        whole, end, _ = said.partition(b"\0")
        return whole.decode(errors="replace") if end else ""


def where(address: str) -> str | tuple[str, int]:
    """A path, or host and port. Raises ValueError."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{address!r}: a Unix socket is an absolute path")
        return path
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is neither host:port nor unix:/path")
    return host.removeprefix("[").removesuffix("]"), int(port)


@contextlib.contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # time-outs are among them
        raise ScannerUnavailable from error
