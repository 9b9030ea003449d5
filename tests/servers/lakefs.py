"""lakeFS 1.84 on a SeaweedFS, from `lakefs` on PATH. Or one that already runs, in `HOLDFAST_TEST_LAKEFS`:

    http://ACCESSKEY:SECRET@host:port?storage=s3://bucket/prefix

where `storage` is where its repositories may keep their objects. No package registry has lakeFS: it alone may be missing, and the
run then says in its last lines what that cost.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import yaml

from tests.servers.process import Process, ServerMissingError, answers, free_ports, fresh_folder, program
from tests.servers.seaweedfs import SeaweedFS

HOW = "put `lakefs` 1.84 on PATH, or set HOLDFAST_TEST_LAKEFS=http://ACCESSKEY:SECRET@host:port?storage=s3://bucket/prefix"
MEMORY = "400MiB"  # of Go's heap: without it minutes of load make 1.6 GiB of it, at the same speed


def is_here() -> bool:
    """Whether there is one to start, or one that runs."""
    return bool(os.environ.get("HOLDFAST_TEST_LAKEFS") or shutil.which("lakefs"))


class LakeFS:
    """A lakeFS with the settings that the chart deploys, as its only user, who may do everything (`client` is he)."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, storage: str, stop: Callable[[], None]) -> None:
        """`storage`: address in the object store under which each repository gets a namespace of its own."""
        self.endpoint = endpoint
        self.access_key = access_key
        self.secret_key = secret_key
        self.client = httpx.Client(base_url=f"{endpoint}/api/v1", auth=(access_key, secret_key), timeout=30, trust_env=False)
        self._storage = storage
        self._stop = stop
        self._numbers = itertools.count(1)

    @classmethod
    def start(cls, store: SeaweedFS) -> LakeFS:
        """Start on a fresh data folder and a fresh namespace of `store`, in about a second.

        Raises:
            ServerMissingError: there is neither `lakefs` nor an address.
            ServerFailedError: it did not come up.
        """
        if running := os.environ.get("HOLDFAST_TEST_LAKEFS"):
            return cls.at(running)
        lakefs = program("lakefs", HOW)
        folder = fresh_folder("lakefs")
        access_key, secret_key, [port] = "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), free_ports(1)
        bucket, prefix = store.namespace()
        configuration = {
            "listen_address": f"127.0.0.1:{port}",
            "logging": {"level": "WARN"},
            "stats": {"enabled": False},
            "email_subscription": {"enabled": False},
            "security": {"check_latest_version": False, "audit_check_url": ""},
            "database": {"type": "local", "local": {"path": f"{folder}/database"}},
            "auth": {"encrypt": {"secret_key": secrets.token_hex(16)}},
            "blockstore": {
                "type": "s3",
                "signing": {"secret_key": secrets.token_hex(16)},
                "s3": {
                    "endpoint": store.endpoint,
                    "force_path_style": True,
                    "discover_bucket_region": False,
                    "region": store.region,
                    "credentials": {"access_key_id": store.access_key, "secret_access_key": store.secret_key},
                },
            },
            "committed": {"local_cache": {"dir": f"{folder}/cache"}},
            "installation": {"user_name": "tests", "access_key_id": access_key, "secret_access_key": secret_key},
            "graveler": {"branch_ownership": {"enabled": True}, "max_batch_delay": "100us"},
        }
        file = folder / "lakefs.yaml"
        file.write_text(yaml.safe_dump(configuration))
        process = Process(
            "lakefs", [lakefs, "--config", file, "run"], folder, environment={"GOMEMLIMIT": MEMORY, "HOME": str(folder)}
        )
        server = cls(f"http://127.0.0.1:{port}", access_key, secret_key, f"s3://{bucket}/{prefix}", process.stop)
        process.wait_until(lambda: answers(f"{server.endpoint}/_health"))
        return server

    @classmethod
    def at(cls, address: str) -> LakeFS:
        """The server at an address of the form of `HOLDFAST_TEST_LAKEFS`; its repositories stay when the run ends.

        Raises:
            ServerMissingError: the address lacks something, or nothing answers there.
        """
        parts = urlsplit(address)
        storage = parse_qs(parts.query).get("storage")
        if not (parts.username and parts.password and storage):
            raise ServerMissingError(f"HOLDFAST_TEST_LAKEFS is incomplete: {HOW}")
        endpoint = f"{parts.scheme}://{parts.hostname}:{parts.port or 80}"
        if not answers(f"{endpoint}/_health"):
            raise ServerMissingError(f"no lakeFS answers at {endpoint}: {HOW}")
        return cls(endpoint, parts.username, parts.password, f"{storage[0].rstrip('/')}/{secrets.token_hex(6)}", lambda: None)

    def repository(self) -> str:
        """The name of a fresh repository over a fresh storage namespace, with the default branch `main`."""
        name = f"repository-{secrets.token_hex(3)}-{next(self._numbers)}"
        self.client.post(
            "/repositories", json={"name": name, "storage_namespace": f"{self._storage}/{name}", "default_branch": "main"}
        ).raise_for_status()
        return name

    def stop(self) -> None:
        self.client.close()
        self._stop()
