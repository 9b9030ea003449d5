"""The scanner at a real clamd, and at one that is away, slow, or dies."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest
from tests.servers.clamd import MALWARE, MEBIBYTES, SIGNATURE, TEST_FILE, Clamd, samples

from holdfast.scanning.clamd import Clamd as Scanner
from holdfast.scanning.off import NoScanner
from holdfast.scanning.port import Result, ScannerUnavailable, Verdict

MIB = 1 << 20


def scanner(address: str, *, timeout: float = 60, max_bytes: int = 100 * MIB) -> Scanner:
    return Scanner(address, max_bytes=max_bytes, timeout=timeout)


def scan(one: Scanner, *chunks: bytes, each: Callable[[], None] = lambda: None) -> Verdict:
    return one.scan(sum(map(len, chunks)), lambda: chunks, each)


@pytest.fixture(params=["tcp", "unix"])
def real(request: pytest.FixtureRequest, clamd: Clamd) -> Scanner:
    return scanner(getattr(clamd, request.param))


def test_it_says_what_it_is(real: Scanner) -> None:
    said = real.check()
    assert said is not None
    assert said.startswith("ClamAV ")


def test_what_is_harmless_is_clean(real: Scanner) -> None:
    assert scan(real, b"harmless").result is Result.CLEAN
    assert scan(real).result is Result.CLEAN
    assert scan(real, b"", b"in", b"", b" pieces").result is Result.CLEAN


def test_what_a_signature_finds_is_infected_however_it_comes(real: Scanner) -> None:
    for chunks in ((MALWARE,), (b"before" + MALWARE + b"after",), (bytes(3 * MIB), MALWARE[:7], MALWARE[7:])):
        found = scan(real, *chunks)
        assert (found.result, found.signature) == (Result.INFECTED, f"{SIGNATURE}.UNOFFICIAL")
    assert scan(real, gzip.compress(MALWARE)).result is Result.INFECTED


def test_every_test_file_of_clamav_is_infected(clamd: Clamd) -> None:
    files = [path for path in samples().iterdir() if path.is_file()]
    assert len(files) > 40
    for path in files:
        found = scan(scanner(clamd.unix), path.read_bytes())
        assert (found.result, found.signature) == (Result.INFECTED, f"{TEST_FILE}.UNOFFICIAL"), path.name


def test_what_is_too_large_is_not_clean(real: Scanner, clamd: Clamd) -> None:
    at_most = [bytes(MIB)] * MEBIBYTES
    assert scan(real, *at_most).result is Result.CLEAN
    for over in ([*at_most, b"x"], [*at_most, *at_most, MALWARE], [bytes(MIB)] * 64):
        assert scan(real, *over).result is Result.TOO_LARGE
    bomb = gzip.compress(bytes(20 * MIB))
    assert len(bomb) < MIB
    found = scan(real, bomb)
    assert (found.result, "Limits.Exceeded" in found.detail) == (Result.TOO_LARGE, True)


def test_what_is_more_than_we_scan_is_not_sent() -> None:
    nobody = scanner("127.0.0.1:9", max_bytes=10)
    assert scan(nobody, b"x" * 11).result is Result.TOO_LARGE
    with pytest.raises(ScannerUnavailable):
        scan(nobody, b"x" * 10)


def test_a_store_that_has_more_than_it_said_does_not_get_past_the_limit(real: Scanner, clamd: Clamd) -> None:
    small = scanner(clamd.tcp, max_bytes=10)
    assert small.scan(5, lambda: [b"12345", b"678901"], lambda: None).result is Result.TOO_LARGE


def test_memory_is_constant(real: Scanner) -> None:
    given = 0

    def chunks() -> Iterable[bytes]:
        nonlocal given
        for chunk in repeat(bytes(MIB), MEBIBYTES):
            given += 1
            yield chunk

    assert real.scan(MEBIBYTES * MIB, chunks, lambda: None).result is Result.CLEAN
    assert given == MEBIBYTES


def test_what_the_store_raises_is_raised(real: Scanner) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise OSError("the store")

    with pytest.raises(OSError, match="the store"):
        real.scan(10, broken, lambda: None)


def test_many_at_once_do_not_mix(clamd: Clamd) -> None:
    one, found = scanner(clamd.tcp), dict[int, Result]()

    def ask(number: int) -> None:
        found[number] = scan(one, MALWARE if number % 2 else b"harmless").result

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: Result.INFECTED if number % 2 else Result.CLEAN for number in range(20)}


def test_a_clamd_that_is_away_is_no_verdict() -> None:
    for address in ("127.0.0.1:9", "unix:/nowhere/clamd.ctl"):
        with pytest.raises(ScannerUnavailable):
            scan(scanner(address), b"harmless")
        with pytest.raises(ScannerUnavailable):
            scanner(address).check()


def test_a_clamd_that_is_killed_on_the_way_is_no_verdict(own_clamd: Clamd) -> None:
    one, pid = scanner(own_clamd.tcp), own_clamd.pid()

    def chunks() -> Iterator[bytes]:
        yield bytes(MIB)
        os.kill(pid, signal.SIGKILL)
        yield from repeat(bytes(MIB), 5)

    with pytest.raises(ScannerUnavailable):
        one.scan(6 * MIB, chunks, lambda: None)
    with pytest.raises(ScannerUnavailable):
        scan(one, b"harmless")


def test_a_clamd_that_stands_still_is_no_verdict_and_whoever_waits_is_kept_alive(own_clamd: Clamd) -> None:
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1

    with own_clamd.standing_still(), pytest.raises(ScannerUnavailable):
        scan(scanner(own_clamd.tcp, timeout=5), b"harmless", each=beat)
    assert beats > 1
    assert scan(scanner(own_clamd.tcp), b"harmless").result is Result.CLEAN


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_an_answer_that_is_not_whole_is_none() -> None:
    def half(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"stream: OK")

    with answering(half) as address, pytest.raises(ScannerUnavailable):
        scan(scanner(address), b"harmless")


def test_an_answer_in_pieces_is_one() -> None:
    def pieces(connection: socket.socket) -> None:
        while b"\0\0\0\0" not in connection.recv(1 << 16):
            pass
        for piece in (b"stre", b"am: O", b"K\0"):
            connection.sendall(piece)
            time.sleep(0.01)

    with answering(pieces) as address:
        assert scan(scanner(address), b"harmless").result is Result.CLEAN


def test_whoever_takes_nothing_is_given_up() -> None:
    enough = threading.Event()
    with answering(lambda _connection: assert_(enough.wait(60))) as address:
        try:
            with pytest.raises(ScannerUnavailable):
                scan(scanner(address, timeout=1), *[bytes(MIB)] * 50)
        finally:
            enough.set()


def assert_(true: bool) -> None:
    assert true


def test_without_a_scanner_nothing_is_read() -> None:
    none = NoScanner()
    assert none.check() is None
    assert none.scan(1, lambda: pytest.fail("read"), lambda: None) == Verdict(Result.NOT_SCANNED)
