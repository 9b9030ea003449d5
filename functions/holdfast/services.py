"""The composition root: from settings to the things that do the work, each made when it is first asked for.

A function imports only what it needs (``token`` neither boto3 nor lakeFS nor SQLAlchemy), so the imports are within the properties.
One ``Services`` lives as long as its process; whoever forks makes a new one.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from holdfast.clock import Clock, system
from holdfast.settings import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from holdfast.assets.committer import Committer
    from holdfast.assets.links import Links
    from holdfast.assets.registering import Registrar
    from holdfast.audit.signing import Signing
    from holdfast.database.direct import Direct
    from holdfast.database.engine import Database
    from holdfast.identity.access import Claims
    from holdfast.identity.tokens import Tokens
    from holdfast.jobs.repeating import Runner
    from holdfast.scanning.port import Scanner
    from holdfast.storage.objects import Compactor, Objects
    from holdfast.storage.vectors.qdrant import Qdrant
    from holdfast.storage.versions import Versions
    from holdfast.web.hop import Threads


T_co = TypeVar("T_co", covariant=True)


class shared(cached_property[T_co]):  # noqa: N801  reads as what it extends
    """A property made once, even when several threads ask for it first at the same time (newer Pythons' own is made by each)."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T_co: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        assert isinstance(instance, Services)
        with instance._lock:
            return super().__get__(instance, owner)


class Services:
    """``clock`` is handed in by tests that move time."""

    def __init__(self, settings: Settings | None = None, clock: Clock = system) -> None:
        self.settings = settings or Settings()
        self.clock = clock
        self.closing = threading.Event()
        """Set when ``close`` begins: what takes long comes to an end, as far as it can be gone on with."""
        self._closing: list[Callable[[], None]] = []
        self._lock = threading.RLock()

    @shared
    def database(self) -> Database:
        from holdfast.database.engine import Database

        database = Database(self.settings.database, pool_size=self.settings.database_pool)
        self._closing.append(database.close)
        return database

    @shared
    def direct(self) -> Direct:
        from holdfast.database.direct import Direct

        direct = Direct(self.settings.database, pool_size=self.settings.database_pool)
        self._closing.append(direct.close)
        return direct

    @shared
    def objects(self) -> Objects:
        settings = self.settings
        if settings.objects == "folder":
            from holdfast.storage.objects.folder import FolderObjects

            return FolderObjects(settings.data / "objects")
        return self._s3(settings.s3_access_key, settings.s3_secret_key)

    @shared
    def purge_objects(self) -> Objects:
        """As ``objects``, with the purge's own identity where it has one."""
        settings = self.settings
        if settings.objects == "folder" or not settings.purge_s3_access_key:
            return self.objects
        return self._s3(settings.purge_s3_access_key, settings.purge_s3_secret_key)

    def _s3(self, access_key: str, secret_key: SecretStr) -> Objects:
        from holdfast.storage.objects.s3 import S3Objects

        settings = self.settings
        return S3Objects(
            endpoint=settings.s3_endpoint,
            public_endpoint=settings.s3_public_endpoint or None,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            prefix=settings.s3_prefix,
            access_key=access_key,
            secret_key=secret_key.get_secret_value(),
            clock=self.clock,
        )

    @shared
    def compactor(self) -> Compactor:
        from holdfast.storage.objects.compaction import Taken

        settings = self.settings
        if settings.objects == "folder":
            return Taken("immediate")
        if settings.compaction == "seaweedfs":
            from holdfast.storage.objects.seaweedfs import SeaweedFSCompactor

            return SeaweedFSCompactor(
                master=settings.seaweedfs_master,
                filer=settings.seaweedfs_filer,
                bucket=settings.s3_bucket,
                prefix=settings.s3_prefix,
            )
        left = None if settings.compaction == "vouched" else "The store cannot be asked whether its disks still hold the bytes."
        return Taken(settings.compaction, left)

    @shared
    def versions(self) -> Versions:
        settings = self.settings
        if settings.versions == "sql":
            from holdfast.storage.versions.sql import SqlVersions

            return SqlVersions(self.database)
        from holdfast.storage.versions.lakefs import LakeFSVersions

        return LakeFSVersions(
            endpoint=settings.lakefs_endpoint,
            access_key=settings.lakefs_access_key,
            secret_key=settings.lakefs_secret_key.get_secret_value(),
            repository=settings.lakefs_repository,
            bucket=settings.s3_bucket,
            prefix=settings.s3_prefix,
        )

    @shared
    def qdrant(self) -> Qdrant:
        """Where one is configured."""
        from holdfast.storage.vectors.qdrant import Qdrant

        return Qdrant(self.settings.qdrant_url, self.settings.qdrant_api_key.get_secret_value())

    @shared
    def scanner(self) -> Scanner:
        """Raises ValueError when its address is none: ask for it at start-up."""
        settings = self.settings
        if settings.scan == "off":
            from holdfast.scanning.off import NoScanner

            return NoScanner()
        from holdfast.scanning.clamd import Clamd

        return Clamd(settings.clamd, max_bytes=settings.scan_max_bytes, timeout=settings.scan_timeout_seconds)

    @shared
    def tokens(self) -> Tokens:
        """Raises KeyUnusable when a configured key cannot be used: ask for it at start-up."""
        from holdfast.identity.keys import load
        from holdfast.identity.tokens import Tokens

        return Tokens(load(self.settings), self.settings.token_minutes, self.clock)

    @shared
    def anybody(self) -> Claims | None:
        """Who asks when a request brings no token; None: nobody, it is refused. Where authentication is disabled it blocks, and
        raises Conflict when there can be no such user any more: ask for it at start-up."""
        if not self.settings.auth_disabled:
            return None
        from holdfast.identity import anybody

        return anybody.claims(self)

    @shared
    def links(self) -> Links:
        """Raises KeyUnusable when no secret can be had."""
        from holdfast.assets.links import Links
        from holdfast.identity.keys import kept

        configured = self.settings.link_secret.get_secret_value().encode()
        secret = configured or kept(self.settings.data / "link.secret", lambda: secrets.token_urlsafe(48).encode())
        return Links(secret, self.settings.link_minutes)

    @shared
    def signing(self) -> Signing:
        """Raises KeyUnusable when the key that signs the trail's seals cannot be used, or none can be kept."""
        from holdfast.audit.signing import load

        return load(self.settings)

    @shared
    def committer(self) -> Committer:
        from holdfast.assets.committer import Committer

        holder = f"{socket.gethostname()[:40]}:{secrets.token_hex(8)}"
        erase_again_after = self.settings.intent_timeout_seconds
        committer = Committer(self.database, self.versions, self.clock, holder, erase_again_after)
        self._closing.append(committer.close)
        return committer

    def registrar(self, threads: Threads) -> Registrar:
        """A new one, for the app whose ``threads`` these are."""
        from holdfast.assets.registering import Registrar

        return Registrar(self, threads)

    def background(self, *, scheduling: bool) -> Sequence[Runner]:
        """What runs beside the requests of ``holdfast serve``."""
        from holdfast.background import parts

        return parts(self, scheduling=scheduling)

    def start(self, *, scheduling: bool = True) -> Sequence[Runner]:
        """Starts what runs in the background, and returns it; ``close`` stops it. ``scheduling``: policies too, whose one source of
        truth this process's folder is then."""
        runners = self.background(scheduling=scheduling)
        for runner in runners:
            runner.start()
            self._closing.append(runner.stop)
        return runners

    def close(self) -> None:
        """Gives connections back. What was acknowledged is already safe."""
        self.closing.set()
        while self._closing:
            self._closing.pop()()
