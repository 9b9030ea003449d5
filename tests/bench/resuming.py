"""P8, and P6 of tus: large uploads in chunks through us into SeaweedFS, against a server that only writes them down; and what
memory many at once take."""

from __future__ import annotations

import base64
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import MIB, Scale, Servers, environment, installation, random_file
from tests.bench.running import Running, most_rss, started
from tests.servers.process import passing_folder
from tests.stacks import User

CHUNK = 8 * MIB
AT_ONCE = 16


def chunks(servers: Servers, scale: Scale) -> list[Result]:
    """P8. MiB/s, one file at a time, until it is a version."""
    with _serving(servers) as (ada, server), passing_folder("bench-chunks") as folder:  # where SeaweedFS has its data
        source, target = random_file(Path(folder, "source"), scale.file), Path(folder, "target")
        with started("tests.bench.peers.chunks", "{port}", str(target), str(scale.file), environment={}) as other:
            other.first("GET", "/")
            cpu = [0.0, 0.0]

            def ours() -> float:
                return measured(0, server, lambda connection: create(connection, ada, scale.file))

            def peer() -> float:
                return measured(1, other, lambda _: "/upload")

            def measured(side: int, by: Running, begin: Callable[[socket.socket], str]) -> float:
                before, began = by.cpu(), time.perf_counter()
                with connected(by) as connection, source.open("rb") as content:
                    path = begin(connection)
                    for at in range(0, scale.file, CHUNK):
                        part = min(CHUNK, scale.file - at)
                        patch(connection, path, ada, at, part, _sending(content, at, part))
                seconds = time.perf_counter() - began
                cpu[side] += by.cpu() - before
                return scale.file / MIB / seconds

            ours(), peer()  # once before: volumes have grown
            cpu[:] = 0.0, 0.0
            figures = in_turn(scale.rounds, ours, peer)
        per_upload = (cpu[0] * 1000 / scale.rounds, cpu[1] * 1000 / scale.rounds)
        what = f"upload of {scale.file // MIB} MiB by tus in chunks of {CHUNK // MIB} MiB"
        return [Result(what, "MiB/s", *figures, Goal(">=", 0.8), per_upload)]


def _sending(content: BinaryIO, at: int, size: int) -> Callable[[socket.socket], object]:
    return lambda connection: connection.sendfile(content, at, size)


def memory(servers: Servers, scale: Scale) -> list[Result]:
    """P6 of tus. The most that the server's memory grew by while many uploads ran, each in one request, over what it was after as
    many small ones; a share of it for each."""
    block = os.urandom(MIB)
    size = scale.resumed

    def one(server: Running, ada: User, size: int) -> None:
        def send(connection: socket.socket) -> None:
            for at in range(0, size, MIB):
                connection.sendall(block[: min(MIB, size - at)])

        with connected(server) as connection:
            patch(connection, create(connection, ada, size), ada, 0, size, send)

    with _serving(servers) as (ada, server), ThreadPoolExecutor(AT_ONCE) as clients:

        def at_once(size: int) -> None:
            for done in [clients.submit(one, server, ada, size) for _ in range(AT_ONCE)]:
                done.result()

        at_once(1)
        before = server.rss()
        most = most_rss(server, lambda: at_once(size))
        what = f"RSS growth for each of {AT_ONCE} uploads of {size // MIB} MiB at once"
        return [Result(what, "MiB", [(most - before) / 1024 / AT_ONCE], [], Goal("<=", 10, ratio=False))]


@contextmanager
def _serving(servers: Servers) -> Iterator[tuple[User, Running]]:
    with installation(servers, objects=True) as stack:
        ada = stack.user("ada")
        with started("holdfast.web.container", "uploads", environment=environment(stack)) as server:
            server.first("GET", "/healthz")
            yield ada, server


@contextmanager
def connected(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        yield connection


_NUMBERS = itertools.count(1)


def create(connection: socket.socket, user: User, size: int) -> str:
    """Begins an upload and returns its path."""
    name = base64.b64encode(f"{next(_NUMBERS)}.bin".encode()).decode()  # each is a new asset
    said = {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}", "Content-Length": "0"}
    reply = asked(connection, "POST", "/uploads", user, said)
    location = next(line.split(b": ", 1)[1] for line in reply.split(b"\r\n") if line.lower().startswith(b"location: "))
    return "/" + location.decode().split("://", 1)[-1].split("/", 1)[1]


def patch(
    connection: socket.socket, path: str, user: User, offset: int, size: int, send: Callable[[socket.socket], object]
) -> None:
    """``size`` bytes from ``offset`` on, which ``send`` writes to the connection."""
    said = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", "Content-Length": str(size)}
    asked(connection, "PATCH", path, user, said, send)


def asked(
    connection: socket.socket,
    method: str,
    path: str,
    user: User,
    said: dict[str, str],
    send: Callable[[socket.socket], object] = lambda _: None,
) -> bytes:
    """The head of the reply, which has no body."""
    headers = {"Host": "bench", "Authorization": f"Bearer {user.token}", "Tus-Resumable": "1.0.0", **said}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
    send(connection)
    reply = b""
    while b"\r\n\r\n" not in reply:
        more = connection.recv(65536)
        assert more, reply
        reply += more
    assert reply.split(b" ", 2)[1] in (b"200", b"201", b"204"), reply
    return reply
