"""Strangers' clients upload to a server that is killed again and again. ``HOLDFAST_TEST_UPLOAD_MIB`` says how much (1024 for all of
what issue 6 asks for; 24 if it does not)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from tests.servers import npm
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.killing import killed
from tests.uploads.speaking import metadata

SIZE = int(os.environ.get("HOLDFAST_TEST_UPLOAD_MIB", "24")) << 20
CHUNK = max(1 << 20, SIZE // 64)
LARGE = SIZE > 100 << 20
"""Takes as long as it takes."""
KILLS = 3
NAME = "large.bin"
JS = Path(__file__).with_name("js")

Client = Callable[[str, str, Path], str]
"""Uploads a file, given the endpoint and a token, and returns the upload's URL."""


def with_tuspy(endpoint: str, token: str, path: Path) -> str:
    client = TusClient(endpoint, headers={"Authorization": f"Bearer {token}"})
    with path.open("rb") as file:  # given a path, it opens it for each chunk, and never closes it
        uploader = client.uploader(file_stream=file, chunk_size=CHUNK, metadata={"filename": NAME}, retries=200, retry_delay=0.2)
        uploader.upload()
    return str(uploader.url)


def with_node(**more: object) -> Client:
    def upload(endpoint: str, token: str, path: Path) -> str:
        wanted = {"endpoint": endpoint, "token": token, "path": str(path), "filename": NAME, "chunk": CHUNK, **more}
        done = subprocess.run(
            ["node", str(JS / "upload.mjs"), json.dumps(wanted)],
            capture_output=True,
            text=True,
            timeout=None if LARGE else 280,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    return upload


def with_curl(endpoint: str, token: str, path: Path) -> str:
    """All that is left in one request, each time."""

    def curl(url: str, *arguments: str, **said: object) -> str | None:
        """The reply's headers; None when there was none. ``said``: headers, with ``_`` for ``-``."""
        headers = {"Tus_Resumable": "1.0.0", "Authorization": f"Bearer {token}", **said}
        lines = [part for name, value in headers.items() for part in ("--header", f"{name.replace('_', '-')}: {value}")]
        command = ["curl", "--silent", "--max-time", "60", "--noproxy", "*", "--include", *lines, *arguments, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None

    size = path.stat().st_size
    about = metadata(filename=NAME)["Upload-Metadata"]
    created = curl(endpoint, "--request", "POST", Upload_Length=size, Upload_Metadata=about)
    assert created is not None
    [url] = re.findall(r"(?im)^location: (\S+)", created)
    rest, offset = path.with_name("rest"), 0
    while offset < size:
        with path.open("rb") as file, rest.open("wb") as copy:
            file.seek(offset)
            shutil.copyfileobj(file, copy)
        slowly = ("--limit-rate", str(SIZE // 2), "--upload-file", str(rest), "--request", "PATCH")
        curl(url, *slowly, Upload_Offset=offset, Content_Type="application/offset+octet-stream")
        if (found := curl(url, "--head")) and (told := re.search(r"(?im)^upload-offset: (\d+)", found)):
            offset = int(told[1])
    return str(url)


CLIENTS: dict[str, Client] = {
    "tuspy": with_tuspy,
    "tus-js-client": with_node(client="tus-js-client"),
    "tus-js-client, bytes at creation": with_node(client="tus-js-client", atOnce=True),
    "tus-js-client, parallel": with_node(client="tus-js-client", parallel=3),
    "@uppy/tus": with_node(client="@uppy/tus"),
    "curl": with_curl,
}


@pytest.fixture(scope="session")
def npm_packages() -> None:
    npm.install(JS)


@pytest.mark.timeout(0 if LARGE else 300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # tuspy leaves its connections open
@pytest.mark.xdist_group("npm")
@pytest.mark.usefixtures("npm_packages")
@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_strangers_client_uploads_through_a_server_that_dies(
    stack: Stack, name: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    stack.values.update(intent_timeout_seconds=15, reconcile_seconds=1)
    path = tmp_path / NAME
    with path.open("wb") as file:
        for number in range(SIZE >> 20):
            file.write(sha256(b"%d" % number).digest() * (1 << 15))
        file.write(b"and a rest")
    ada = stack.user("ada")
    headers = {"Authorization": f"Bearer {ada.token}", "Tus-Resumable": "1.0.0"}
    with killed(stack, SIZE, KILLS, seed=len(name)) as server:
        url = CLIENTS[name](f"{server.address}/uploads", ada.token, path)
        assert server.kills == KILLS
        with httpx.Client(headers=headers, trust_env=False, timeout=60) as http:
            found = _published(http, url)
            digest = sha256()
            version = {"version_id": found["holdfast-version-id"]}
            with http.stream("GET", f"{server.address}/content/{found['holdfast-asset-path']}", params=version) as content:
                for chunk in content.iter_bytes():
                    digest.update(chunk)
            versions = http.get(f"{server.address}/assets").json()["items"]
    with path.open("rb") as file:
        assert digest.digest() == sha256(file.read()).digest()
    assert [version["primary_filename"] for version in versions] == [NAME]
    tell(f"{name}: {SIZE >> 20} MiB through {KILLS} deaths on {stack.name}")


def _published(http: httpx.Client, url: str) -> httpx.Headers:
    """The headers of the upload, once it has become a version."""
    deadline = time.monotonic() + 120
    while True:
        found = http.head(url)
        assert found.status_code == 200
        if "holdfast-version-id" in found.headers:
            return found.headers
        assert time.monotonic() < deadline, "it does not become a version"
        time.sleep(0.2)
