"""P5 and P6: one large upload through us into SeaweedFS: its time against boto3's, and what memory it takes."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.load import BOUNDARY
from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import MIB, Scale, Servers, environment, installation, random_file
from tests.bench.running import Running, most_rss, result_of, started
from tests.stacks import Stack, User


def uploads(servers: Servers, scale: Scale) -> list[Result]:
    """P5. MiB/s, one file at a time."""
    with _serving(servers) as (stack, ada, server), TemporaryDirectory() as folder:
        file = random_file(Path(folder, "file"), scale.file)
        store, cpu = servers.seaweedfs, [0.0, 0.0]
        job: dict[str, Any] = {"endpoint": store.endpoint, "access_key": store.access_key, "secret_key": store.secret_key}
        job.update(bucket=stack.values["s3_bucket"], prefix="peer", threads=1, size=16, file=str(file))

        def ours() -> float:
            before, began = server.cpu(), time.perf_counter()
            with file.open("rb") as content:
                upload(server, ada, scale.file, lambda connection: connection.sendfile(content))
            seconds = time.perf_counter() - began
            cpu[0] += server.cpu() - before
            return scale.file / MIB / seconds

        def peer() -> float:
            result = result_of("tests.bench.peers.puts", job)
            cpu[1] += result["cpu"]
            return scale.file / MIB / result["seconds"]

        ours(), peer()  # once before: volumes have grown
        cpu[:] = 0.0, 0.0
        figures = in_turn(scale.rounds, ours, peer)
        per_upload = (cpu[0] * 1000 / scale.rounds, cpu[1] * 1000 / scale.rounds)
        return [Result(f"upload of {scale.file // MIB} MiB", "MiB/s", *figures, Goal(">=", 0.6), per_upload)]


def memory(servers: Servers, scale: Scale) -> list[Result]:
    """P6. The most that the server's memory grew by, looked at all the time, over what it was after a first upload."""
    block = os.urandom(MIB)

    def send(size: int) -> Callable[[socket.socket], None]:
        def blocks(connection: socket.socket) -> None:
            for _ in range(size // MIB):
                connection.sendall(block)

        return blocks

    with _serving(servers) as (_, ada, server):
        first = min(scale.large, 64 * MIB)
        upload(server, ada, first, send(first))
        before = server.rss()
        most = most_rss(server, lambda: upload(server, ada, scale.large, send(scale.large)))
        what = f"RSS growth during an upload of {scale.large // MIB} MiB"
        return [Result(what, "MiB", [(most - before) / 1024], [], Goal("<=", 16, ratio=False))]


@contextmanager
def _serving(servers: Servers) -> Iterator[tuple[Stack, User, Running]]:
    with installation(servers, objects=True) as stack:
        ada = stack.user("ada")
        with started("holdfast.web.container", "fileupload", environment=environment(stack)) as server:
            server.first("GET", "/healthz")
            yield stack, ada, server


def upload(server: Running, user: User, size: int, send: Callable[[socket.socket], object]) -> None:
    """One file of ``size`` bytes, which ``send`` writes to the connection."""
    name = f"{time.time_ns()}.bin".encode()
    before = b'--%s\r\nContent-Disposition: form-data; name="primary_file"; filename="%s"\r\n\r\n' % (BOUNDARY, name)
    after = b"\r\n--%s--\r\n" % BOUNDARY
    head = f"POST /fileupload HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {user.token}\r\n".encode()
    form = b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d" % (BOUNDARY, len(before) + size + len(after))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + form + b"\r\n\r\n" + before)
        send(connection)
        connection.sendall(after)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200"), reply
