"""Strangers' clients upload while they and the server are killed again and again, and started again. ``HOLDFAST_TEST_UPLOAD_MIB``
says how much (1024 for all of what issue 6 asks for; 24 if it does not)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import npm
from tests.stacks import SQL, SQLITE, STACKS, WITH_LAKEFS, Stack
from tests.uploads.killing import at_random, killed
from tests.uploads.strangers import Stranger, relayed

SIZE = int(os.environ.get("HOLDFAST_TEST_UPLOAD_MIB", "24")) << 20
CHUNK = max(1 << 20, SIZE // 64)
LARGE = SIZE > 100 << 20
"""Takes as long as it takes."""
KILLS = {stack: 3 if LARGE else 2 if stack == SQLITE else 1 for stack in STACKS}
"""Of the client, and as many of the server. On servers fewer, for each costs the seconds that ours takes to start."""
NAME = "large.bin"
JS, SCRIPTS = Path(__file__).with_name("js"), Path(__file__).with_name("clients")
PARTS = 2 * (8 << 20) + (4 << 20)
"""Bytes that a request without end may lose: less than two parts, and what the network holds."""


@dataclass(frozen=True)
class Client:
    """``script``: what is run. ``at_once``: bytes that are on their way at a time. ``more``: what it is told besides."""

    script: Path
    at_once: int = CHUNK
    more: dict[str, Any] = field(default_factory=dict)

    def command(self, server: str, token: str, path: Path, state: Path) -> list[str]:
        if self.script.suffix == ".sh":
            return [str(self.script), server, token, str(path), NAME, str(state)]
        wanted = {"server": server, "token": token, "path": str(path), "filename": NAME, "chunk": CHUNK, "state": str(state)}
        program = "node" if self.script.suffix == ".mjs" else sys.executable
        return [program, str(self.script), json.dumps({**wanted, **self.more})]


NODE = JS / "upload.mjs"
CLIENTS = {
    "tuspy": Client(SCRIPTS / "with_tuspy.py"),
    "tus-js-client": Client(NODE, more={"client": "tus-js-client"}),
    "tus-js-client, bytes at creation": Client(NODE, more={"client": "tus-js-client", "atOnce": True}),
    "tus-js-client, parallel": Client(NODE, 3 * CHUNK, {"client": "tus-js-client", "parallel": 3}),
    "@uppy/tus": Client(NODE, more={"client": "@uppy/tus"}),
    "httpx": Client(SCRIPTS / "with_httpx.py"),
    "aiohttp, chunks": Client(SCRIPTS / "with_aiohttp.py", 3 * (768 << 10)),
    "curl": Client(SCRIPTS / "with_curl.sh", PARTS),
}
CASES = [(stack, name) for stack in (SQLITE, SQL) for name in CLIENTS]
CASES += [(stack, name) for stack in WITH_LAKEFS for name in ("tuspy", "tus-js-client", "@uppy/tus", "curl")]


@pytest.fixture(scope="session")
def npm_packages() -> None:
    npm.install(JS)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A file, and its sha256."""
    path, digest = tmp_path_factory.mktemp("large") / NAME, sha256()
    with path.open("wb") as file:
        for number in range(SIZE >> 20):
            block = sha256(b"%d" % number).digest() * (1 << 15)
            digest.update(block)
            file.write(block)
        digest.update(b"and a rest")
        file.write(b"and a rest")
    return path, digest.digest()


@pytest.mark.timeout(0 if LARGE else 300)
@pytest.mark.xdist_group("npm")
@pytest.mark.usefixtures("npm_packages")
@pytest.mark.parametrize(("stack", "name"), CASES, indirect=["stack"])
def test_a_strangers_client_that_dies_uploads_through_a_server_that_dies(
    stack: Stack, name: str, large: tuple[Path, bytes], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    stack.values.update(intent_timeout_seconds=15, reconcile_seconds=1)
    ada, (path, digest) = stack.user("ada"), large
    client, kills = CLIENTS[name], KILLS[stack.name]
    began = time.monotonic()
    with Stranger(tmp_path / "log") as stranger, killed(stack, at_random(SIZE, 2 * kills, name, 0.7), stranger, every=2) as server:
        with relayed(server.address, pace=SIZE / 2) as relay:
            stranger.run(client.command(relay.address, ada.token, path, tmp_path / "state"))
            stranger.finish(None if LARGE else 240)
        server.survive()
        assert (server.kills, stranger.deaths) == (kills, kills)
        with httpx.Client(headers={"Authorization": f"Bearer {ada.token}"}, trust_env=False, timeout=60) as http:
            version = _published(http, server.address)
            assert version["primary_filename"] == NAME
            found = sha256()
            which = {"version_id": version["version_id"]}
            with http.stream("GET", f"{server.address}/content/{version['asset_path']}", params=which) as content:
                for chunk in content.iter_bytes():
                    found.update(chunk)
    assert found.digest() == digest
    again = relay.sent - path.stat().st_size
    tell(
        f"{name}: {SIZE >> 20} MiB on {stack.name}, {server.kills} deaths of the server and {stranger.deaths} of the client, which "
        f"gave up {stranger.failures} times besides: {again} bytes sent more than once, headers included, in "
        f"{time.monotonic() - began:.0f} s"
    )
    assert again <= 2 * kills * client.at_once + SIZE // 100, "at most what is on its way is sent again each time"


def _published(http: httpx.Client, server: str) -> dict[str, Any]:
    """The one version, once it is there."""
    deadline = time.monotonic() + (3600 if LARGE else 120)
    while not (versions := http.get(f"{server}/assets", params={"versions": "all"}).json()["items"]):
        assert time.monotonic() < deadline, "it does not become a version"
        time.sleep(0.2)
    [version] = versions
    return dict(version)
