"""Servers, an installation on them, and how much of everything a run does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from pydantic import SecretStr

from tests.databases import with_tables
from tests.servers.kubernetes import Kubernetes
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.seaweedfs import SeaweedFS
from tests.stacks import SECRET, Stack

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done. ``rounds`` of each side; sizes of files in bytes; counts of the rest."""

    rounds: int
    starts: int
    requests: int
    many_assets: int
    few_assets: int
    pages: int
    file: int
    large: int
    resumed: int
    straight: int
    uploads: int
    policies: int
    rest_seconds: int
    planned: int


FULL = Scale(
    rounds=5,
    starts=9,
    requests=6000,
    many_assets=1_000_000,
    few_assets=1_000,
    pages=200,
    file=256 * MIB,
    large=5 * 1024 * MIB,
    resumed=1024 * MIB,
    straight=1024 * MIB,
    uploads=800,
    policies=1000,
    rest_seconds=60,
    planned=10_000_000,
)
SMALL = Scale(
    rounds=1,
    starts=1,
    requests=64,
    many_assets=400,
    few_assets=300,
    pages=3,
    file=9 * MIB,
    large=1024 * MIB,  # P6 is looked at
    resumed=5 * MIB,
    straight=20 * MIB,
    uploads=32,
    policies=10,
    rest_seconds=2,
    planned=400,
)


class Servers(Protocol):
    """What the benches need, each started when it is first asked for."""

    @property
    def mariadb(self) -> MariaDB: ...
    @property
    def seaweedfs(self) -> SeaweedFS: ...
    @property
    def lakefs(self) -> LakeFS: ...
    @property
    def kubernetes(self) -> Kubernetes: ...


class _Stops(Protocol):
    def stop(self) -> None: ...


S = TypeVar("S", bound=_Stops)


class OwnServers:
    """Servers for as long as the block lasts. Raises ServerMissingError."""

    def __init__(self) -> None:
        self._closing = ExitStack()

    def __enter__(self) -> OwnServers:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _start(self, start: Callable[[], S]) -> S:
        server = start()
        self._closing.callback(server.stop)
        return server

    @cached_property
    def mariadb(self) -> MariaDB:
        """With room for a million versions, as who has so many gives it: tests have little, so that many servers run at once."""
        return self._start(lambda: MariaDB.start(buffer_pool="1G", log="512M"))

    @cached_property
    def seaweedfs(self) -> SeaweedFS:
        return self._start(SeaweedFS.start)

    @cached_property
    def lakefs(self) -> LakeFS:
        return self._start(lambda: LakeFS.start(self.seaweedfs))

    @cached_property
    def kubernetes(self) -> Kubernetes:
        return self._start(Kubernetes.start)


def random_file(path: Path, size: int) -> Path:
    """``path``, with whole MiB of random bytes, ``size`` at most."""
    with path.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
    return path


@contextmanager
def installation(servers: Servers, *, objects: bool = False, lakefs: bool = False) -> Iterator[Stack]:
    """An empty installation on MariaDB, with ``objects`` on SeaweedFS, with ``lakefs`` on that besides."""
    with ExitStack() as closing:
        folder = closing.enter_context(TemporaryDirectory(prefix="holdfast-bench-"))
        url = servers.mariadb.create_database()
        with with_tables(url):
            pass
        values: dict[str, Any] = {"data": Path(folder), "token_secret": SecretStr(SECRET), "database_url": url}
        if objects or lakefs:
            store = servers.seaweedfs
            values.update(objects="s3", s3_endpoint=store.endpoint, s3_bucket=store.bucket())
            values.update(s3_access_key=store.access_key, s3_secret_key=SecretStr(store.secret_key))
        if lakefs:
            server = servers.lakefs
            values.update(versions="lakefs", lakefs_endpoint=server.endpoint, lakefs_repository=server.repository())
            values.update(lakefs_access_key=server.access_key, lakefs_secret_key=SecretStr(server.secret_key))
        stack = Stack("bench", values)
        closing.callback(stack.close)
        yield stack


def environment(stack: Stack) -> dict[str, str]:
    """The installation's settings as a container gets them."""
    plain = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in stack.values.items()}
    return {f"HOLDFAST_{name.upper()}": str(value) for name, value in plain.items()}
