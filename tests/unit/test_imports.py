"""What a function loads: its own clients and nobody else's, so that a container starts fast and stays small.

The direction of our own imports is the contracts of import-linter (pyproject.toml); this is about what a process really holds after
it has answered a request, on an installation with S3 and lakeFS.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest

from holdfast.web.serving import functions
from tests.stacks import SQLITE, Stack

HEAVY = {"alembic", "boto3", "cronsim", "kopf", "kubernetes", "lakefs_sdk", "mangum", "qdrant_client", "sqlalchemy", "yaml"}

PACKAGES = {"sql": {"sqlalchemy", "alembic"}, "s3": {"boto3"}, "lakefs": {"lakefs_sdk"}, "lifecycle": {"cronsim", "yaml"}}
"""Of ``HEAVY`` what each extra of pyproject.toml brings."""

NOTHING: set[str] = set()
SQL = {"sqlalchemy"}
STORE = {"sqlalchemy", "boto3"}
ALL = {"sqlalchemy", "boto3", "lakefs_sdk"}
POLICIES = {"sqlalchemy", "cronsim", "yaml"}
VERSION = "image/jpg/test/" + "0" * 64

FUNCTIONS: dict[str, tuple[str, str, set[str]]] = {
    "add_associated_files": ("POST", "/add-associated-files/image/jpg/test", ALL),
    "assets": ("GET", "/assets", SQL),
    "audit": ("GET", "/audit", SQL),
    "console": ("GET", "/console/upload", NOTHING),
    "content": ("GET", "/content/image/jpg/test", STORE),
    "delfile": ("POST", f"/delfile/{VERSION}", SQL),
    "docs": ("GET", "/docs", NOTHING),
    "file": ("GET", "/api/v1/file/all", STORE),
    "file_upload": ("POST", "/api/v1/file/upload/init/", ALL),
    "filearchive": ("POST", f"/filearchive/{VERSION}", SQL),
    "filedownload": ("GET", f"/filedownload/{VERSION}", STORE),
    "filerestore": ("POST", f"/filerestore/{VERSION}", SQL),
    "fileupload": ("POST", "/fileupload", ALL),
    "fileversions": ("GET", "/fileversions/image/jpg/test/test.jpg", STORE),
    "holds": ("GET", "/holds", SQL),
    "jwks": ("GET", "/.well-known/jwks.json", NOTHING),
    "labels": ("PUT", f"/labels/{VERSION}", SQL),
    "me": ("GET", "/me", SQL),
    "policies_preview": ("POST", "/policies/preview", POLICIES),
    "quarantine": ("GET", "/admin/quarantine", {"sqlalchemy", "lakefs_sdk"}),
    "runs": ("GET", "/runs", SQL),
    "shared_users": ("GET", "/shared-users", SQL),
    "token": ("POST", "/token", NOTHING),
    "token_revoke": ("POST", "/token/revoke", SQL),
    "ttl": ("PUT", f"/ttl/{VERSION}", SQL),
    "uploads": ("POST", "/uploads", ALL),
    "usage": ("GET", "/usage", SQL),
    "users": ("POST", "/users", {"sqlalchemy", "lakefs_sdk"}),
    "workspace": ("GET", "/workspace", SQL),
}
"""A request to each function, and the most that it may load for it. ``docs`` describes all functions, and is looked at unasked."""

ASK = """
import json, sys
from importlib import import_module
name, method, path, token, heavy = json.loads(sys.argv[1])
app = import_module(f"endpoints.{name}.app").app

async def ask():
    sent, body = [], b"username=ada&password=none" if path == "/token" else b'{"username": "x", "password": "12345678"}'
    kind = b"application/x-www-form-urlencoded" if path == "/token" else b"application/json"
    if name in ("fileupload", "add_associated_files"):
        kind, field = b"multipart/form-data; boundary=b", b"primary_file" if name == "fileupload" else b"associated_files"
        body = b'--b\\r\\nContent-Disposition: form-data; name="' + field + b'"; filename="a.txt"\\r\\n\\r\\nhello\\r\\n--b--\\r\\n'
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"authorization", b"Bearer " + token.encode())]
    coming = iter([{"type": "http.request", "body": body, "more_body": False}])
    async def receive():
        return next(coming, {"type": "http.disconnect"})
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "headers": headers}
    await app(scope, receive, send)
    return sent[0]["status"]

import asyncio
status = None if name == "docs" else asyncio.run(ask())
print(json.dumps([status, sorted(module for module in heavy if module in sys.modules)]))
sys.stdout.flush()
import os
os._exit(0)  # the stores that are not there are nobody's concern here
"""


def test_every_function_is_listed_here() -> None:
    assert set(functions()) - set(FUNCTIONS) == set()


@pytest.mark.parametrize("name", functions())
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_function_loads_its_own_clients_only(stack: Stack, name: str) -> None:
    method, path, allowed = FUNCTIONS[name]
    ada = stack.user("ada")
    away = "http://127.0.0.1:9"
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOLDFAST_DATA": str(stack.values["data"]),
        "HOLDFAST_DATABASE_URL": stack.values["database_url"],
        "HOLDFAST_TOKEN_SECRET": stack.values["token_secret"],
        "HOLDFAST_REGISTRATION": "open",
        "HOLDFAST_OBJECTS": "s3",
        "HOLDFAST_S3_ENDPOINT": away,
        "HOLDFAST_S3_ACCESS_KEY": "k",
        "HOLDFAST_S3_SECRET_KEY": "s",
        "HOLDFAST_VERSIONS": "lakefs",
        "HOLDFAST_LAKEFS_ENDPOINT": away,
        "HOLDFAST_LAKEFS_ACCESS_KEY": "k",
        "HOLDFAST_LAKEFS_SECRET_KEY": "s",
    }
    asked = json.dumps([name, method, path, ada.token, sorted(HEAVY)])
    ended = subprocess.run([sys.executable, "-c", ASK, asked], env=variables, capture_output=True, text=True, check=True)
    status, loaded = json.loads(ended.stdout.splitlines()[-1])
    assert status != 500, ended.stderr
    assert set(loaded) <= allowed
    installed = {package for extra in import_module(f"endpoints.{name}").EXTRAS for package in PACKAGES[extra]}
    assert set(loaded) <= installed, "its image does not hold what it loads"
