"""An installation of the chart that stands on what others bring, and those others: a MariaDB, a store, what answers as Qdrant does,
a name of the ingress."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from holdfast.database.grants import grants
from tests.charts.identities import identities, keys
from tests.charts.release import LAKEFS, AtTheIngress, Release
from tests.charts.rendering import PROFILES, Body
from tests.servers.helm import Helm
from tests.servers.kubernetes import Kubernetes

NAME = "guest"
"""Of the release. It is not in the chart's name: objects are called after both."""
VALUES = yaml.safe_load(PROFILES["guest"].read_text())
ROLES = ("read", "write", "sweep", "purge", "worker")
IN_THE_STORE = tuple(one for one in ROLES if one != "sweep")
"""Those whose keys the release is given: without the operator no policy runs."""
MARIADB = "mariadb:11.8"
DOCKERFILE = r"""
FROM docker.io/library/debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core \
    && rm -rf /var/lib/apt/lists/*
"""
STARTS_MARIADB = r"""
mariadb-install-db --no-defaults --datadir=/data/db --skip-test-db --skip-name-resolve --auth-root-authentication-method=normal
exec mariadbd --no-defaults --datadir=/data/db --socket=/data/socket --pid-file=/data/pid --tmpdir=/data \
    --init-file=/given/first.sql --bind-address=0.0.0.0 --skip-name-resolve --max-connections=600 --innodb-buffer-pool-size=128M
"""
SEAWEEDFS = "chrislusf/seaweedfs:4.48"
STORES = [
    "weed", "-logtostderr=true", "server", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-master.telemetry=false",
    "-master.volumeSizeLimitMB=256", "-volume.max=100", "-filer", "-s3", "-s3.port=8333", "-s3.config=/given/s3.json",
    "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
]  # fmt: skip
STARTS_LAKEFS = {
    "HOME": "/tmp",
    "GOMEMLIMIT": "400MiB",
    "LAKEFS_LISTEN_ADDRESS": "0.0.0.0:8000",
    "LAKEFS_STATS_ENABLED": "false",
    "LAKEFS_SECURITY_CHECK_LATEST_VERSION": "false",
    "LAKEFS_GRAVELER_BRANCH_OWNERSHIP_ENABLED": "true",
    "LAKEFS_GRAVELER_MAX_BATCH_DELAY": "100us",
    "LAKEFS_DATABASE_TYPE": "local",
    "LAKEFS_DATABASE_LOCAL_PATH": "/data/database",
    "LAKEFS_COMMITTED_LOCAL_CACHE_DIR": "/data/cache",
    "LAKEFS_BLOCKSTORE_TYPE": "s3",
    "LAKEFS_BLOCKSTORE_S3_ENDPOINT": VALUES["s3"]["external"]["endpoint"],
    "LAKEFS_BLOCKSTORE_S3_FORCE_PATH_STYLE": "true",
    "LAKEFS_BLOCKSTORE_S3_DISCOVER_BUCKET_REGION": "false",
    "LAKEFS_BLOCKSTORE_S3_REGION": "us-east-1",
    "LAKEFS_INSTALLATION_USER_NAME": "guest",
}
ON_POSTGRES = os.environ.get("HOLDFAST_TEST_LAKEFS_DATABASE") == "postgres"
"""Where lakeFS' image is: whether others bring a PostgreSQL for a lakeFS of the release, and not the lakeFS."""
POSTGRES = "postgres:17"
DOCKERFILE_OF_POSTGRES = r"""
FROM docker.io/library/debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-17 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 999 --no-create-home theirs
"""
STARTS_POSTGRES = r"""
export PATH=$PATH:/usr/lib/postgresql/17/bin
initdb --pgdata=/data/db --username=lakefs --pwfile=/given/password --auth=scram-sha-256
exec postgres -D /data/db -c listen_addresses='*' -c unix_socket_directories=/data -c 'hba_file=/given/hba.conf'
"""
PYTHON = "python:3.13-slim-trixie"
ANSWERS_AS_QDRANT = r"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        allowed = self.headers.get("api-key") == open("/given/key").read()
        body = b'{"result": {"collections": []}, "status": "ok", "time": 0.0}'
        self.send_response((200 if self.path == "/collections" else 404) if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 6333), Answers).serve_forever()
"""


class Guest(Release):
    """Clients reach it, and its store, by names that lead to the ingress."""

    def __init__(self, kubernetes: Kubernetes, helm: Helm, namespace: str, address: str) -> None:
        super().__init__(kubernetes, helm, namespace, address, NAME)
        self.host, self.store = f"assets.{namespace}.svc", f"store.{namespace}.svc"

    def values(self) -> list[str]:
        said = {"ingress.host": self.host, "ingress.className": self.kubernetes.ingress_class}
        said |= {"s3.external.publicEndpoint": f"http://{self.store}"}
        if LAKEFS:
            theirs = {"lakefs.enabled": "false", "lakefs.external.endpoint": "http://lakefs:8000"}
            ours = {"lakefs.image": LAKEFS, "lakefs.database": "postgres"}
            said |= {"versions": "lakefs", **(ours if ON_POSTGRES else theirs)}
        return ["--values", str(PROFILES["guest"]), *(f"--set={name}={value}" for name, value in said.items())]

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Reaches every host at the ingress, as whoever has its names in the DNS."""
        with httpx.Client(base_url=f"http://{self.host}", timeout=60, transport=AtTheIngress(self.address)) as http:
            yield http

    def bring(self) -> None:
        """All that it stands on, when this returns."""
        self._build(MARIADB, DOCKERFILE)
        known = _credentials()
        self._apply(_secret("brought", known))
        self._apply(*_database(known["database-owner-password"]))
        self._apply(*_store(self.store, self.kubernetes.ingress_class))
        if url := self.kubernetes.ingress_inside:
            leads = {"type": "ExternalName", "externalName": f"{urlsplit(url).hostname}.svc.cluster.local"}
            self._apply(_body("v1", "Service", "assets", spec=leads))
        self._apply(*_vectors(known["qdrant-api-key"]))
        self._ready("database")
        self._ready("store")
        self._ready("vectors")
        makes = f"until weed shell <<< 's3.bucket.create -name {VALUES['s3']['bucket']}'; do sleep 1; done"
        self.kubectl("exec", "deployment/store", "--", "bash", "-c", makes)
        if LAKEFS:
            self.kubernetes.bring(LAKEFS)
        if LAKEFS and ON_POSTGRES:
            self._build(POSTGRES, DOCKERFILE_OF_POSTGRES)
            self._apply(*_postgres(known["lakefs-postgres-url"]))
            self._ready("postgres")
        elif LAKEFS:
            self._apply(*_lakefs(known["lakefs-access-key"], known["lakefs-secret-key"]))
            self._ready("lakefs")

    def _build(self, image: str, dockerfile: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Dockerfile").write_text(dockerfile)
            self.kubernetes.image(image, Path(folder), Path(folder) / "Dockerfile")

    def _ready(self, deployment: str) -> None:
        self.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=180s")

    def _apply(self, *bodies: Body) -> None:
        for body in bodies:
            self.kubectl("apply", "--server-side", "--filename=-", given=json.dumps(body))


def _credentials() -> dict[str, str]:
    """Every key that README.md has for what the guest is, and none more."""
    signs = ec.generate_private_key(ec.SECP256R1())
    found = {
        "database-owner-password": secrets.token_hex(20),
        "token-secret": secrets.token_hex(32),
        "link-secret": secrets.token_hex(32),
        "qdrant-api-key": secrets.token_hex(20),
        "audit-private-key": signs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }
    found |= {f"database-{role}-password": secrets.token_hex(20) for role in ROLES}
    for role in IN_THE_STORE:
        found[f"s3-{role}-access-key"], found[f"s3-{role}-secret-key"] = keys(role)
    if LAKEFS:
        found |= {"lakefs-access-key": f"AKIA{secrets.token_hex(8).upper()}", "lakefs-secret-key": secrets.token_hex(20)}
    if LAKEFS and ON_POSTGRES:
        found |= {f"lakefs-{name}-secret": secrets.token_hex(20) for name in ("encrypt", "signing")}
        found["s3-lakefs-access-key"], found["s3-lakefs-secret-key"] = keys("lakefs")
        found["lakefs-postgres-url"] = f"postgres://lakefs:{secrets.token_hex(20)}@postgres:5432/postgres?sslmode=disable"
    return found


def _database(password: str) -> list[Body]:
    """A MariaDB whose only user besides root may do what the guide says of the database's owner, and nothing else."""
    user = f"'{VALUES['mysql']['external']['user']}'@'%'"
    first = [f"CREATE USER {user} IDENTIFIED BY '{password}';", *grants("migrate", VALUES["database"]["name"], user)]
    container = {"image": MARIADB, "command": ["sh", "-euc", STARTS_MARIADB], "readinessProbe": {"tcpSocket": {"port": 3306}}}
    return [_secret("database", {"first.sql": "\n".join(first)}), *_served("database", 999, container, 3306, 3306)]


def _store(host: str, ingress_class: str) -> list[Body]:
    """A SeaweedFS in one process, with identities that may do what the chart's own may, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        known = identities(Path(folder) / "identities", VALUES["s3"]["bucket"], VALUES["s3"]["prefix"], (*IN_THE_STORE, "lakefs"))
    probe = {"httpGet": {"path": "/healthz", "port": 8333}}
    rule = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "store", "port": {"number": 80}}}}
    spec: Body = {"rules": [{"host": host, "http": {"paths": [rule]}}]}
    spec |= {"ingressClassName": ingress_class} if ingress_class else {}
    return [
        _secret("store", {"s3.json": json.dumps(known)}),
        *_served("store", 1000, {"image": SEAWEEDFS, "command": STORES, "readinessProbe": probe}, 80, 8333),
        _body("networking.k8s.io/v1", "Ingress", "store", spec=spec),
    ]


def _lakefs(access_key: str, secret_key: str) -> list[Body]:
    """A lakeFS on the store, with its own identity there. ``access_key`` and ``secret_key``: of its only user."""
    of_the_store = dict(zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), keys("lakefs"), strict=True))
    said = {f"LAKEFS_BLOCKSTORE_S3_CREDENTIALS_{name}": value for name, value in of_the_store.items()}
    said |= {"LAKEFS_INSTALLATION_ACCESS_KEY_ID": access_key, "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": secret_key}
    said |= {f"LAKEFS_{name}_SECRET_KEY": secrets.token_hex(20) for name in ("AUTH_ENCRYPT", "BLOCKSTORE_SIGNING")}
    probe = {"httpGet": {"path": "/_health", "port": 8000}}
    container = {
        "image": LAKEFS,
        "command": ["lakefs", "run"],
        "envFrom": [{"secretRef": {"name": "lakefs"}}],
        "readinessProbe": probe,
    }
    return [_secret("lakefs", STARTS_LAKEFS | said), *_served("lakefs", 65532, container, 8000, 8000)]


def _postgres(url: str) -> list[Body]:
    given = {"password": str(urlsplit(url).password), "hba.conf": "local all all scram-sha-256\nhost all all all scram-sha-256\n"}
    container = {"image": POSTGRES, "command": ["sh", "-euc", STARTS_POSTGRES], "readinessProbe": {"tcpSocket": {"port": 5432}}}
    return [_secret("postgres", given), *_served("postgres", 999, container, 5432, 5432)]


def _vectors(key: str) -> list[Body]:
    """What lets in whoever has the key, as a Qdrant does that has one: nothing more is asked of it."""
    probe = {"tcpSocket": {"port": 6333}}
    container = {"image": PYTHON, "command": ["python3", "/given/answers.py"], "readinessProbe": probe}
    given = {"key": key, "answers.py": ANSWERS_AS_QDRANT}
    return [_secret("vectors", given), *_served("vectors", 65532, container, 6333, 6333)]


def _served(name: str, user: int, container: Body, port: int, target: int) -> list[Body]:
    """A Deployment of one pod that keeps the restricted Pod Security Standard, with its Secret under /given, and its Service."""
    one: dict[str, Any] = {
        "name": name,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "given", "mountPath": "/given"}],
        **container,
    }
    security = {"runAsNonRoot": True, "runAsUser": user, "fsGroup": user, "seccompProfile": {"type": "RuntimeDefault"}}
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "given", "secret": {"secretName": name}}]
    pod = {"securityContext": security, "automountServiceAccountToken": False, "containers": [one], "volumes": volumes}
    labels = {"brought": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        _body("apps/v1", "Deployment", name, spec={"selector": {"matchLabels": labels}, "template": template}),
        _body("v1", "Service", name, spec={"selector": labels, "ports": [{"port": port, "targetPort": target}]}),
    ]


def _secret(name: str, content: dict[str, str]) -> Body:
    return _body("v1", "Secret", name, stringData=content)


def _body(version: str, kind: str, name: str, **more: Any) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}
