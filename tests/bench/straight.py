"""P5 direct: a large upload in parts straight to SeaweedFS, against boto3's of the same parts, as many of them at a time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from urllib3 import PoolManager

from tests.bench.measure import Goal, Result, in_turn
from tests.bench.rig import MIB, Scale, Servers, environment, installation, random_file
from tests.bench.running import Running, result_of, started
from tests.stacks import User

PART, AT_ONCE, FIRST = 16 * MIB, 8, 2


def uploads(servers: Servers, scale: Scale) -> list[Result]:
    """MiB/s, until the file is a version. Each part is hashed by its client before it is promised; the hash of the whole, where
    that is promised too, is known to the client before it begins, and computed anew by us from the store."""
    with installation(servers, objects=True) as stack, TemporaryDirectory() as folder:
        ada, store, file = stack.user("ada"), servers.seaweedfs, random_file(Path(folder, "file"), scale.straight)
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256")
        job: dict[str, Any] = {"endpoint": store.endpoint, "access_key": store.access_key, "secret_key": store.secret_key}
        job.update(bucket=stack.values["s3_bucket"], threads=AT_ONCE, size=16, file=str(file), part=PART)

        def peer() -> float:
            job["prefix"] = f"peer/{time.time_ns()}"  # else it deletes what it wrote before, while ours is measured
            return scale.straight / MIB / result_of("tests.bench.peers.puts", job)["seconds"]

        found = []
        with started("holdfast.web.container", "file_upload", environment=environment(stack)) as server:
            server.first("GET", "/healthz")
            for promise, bound in ((None, 0.95), (digest.hexdigest(), 0.85)):

                def ours(promise: str | None = promise) -> float:
                    return scale.straight / MIB / upload(server, ada, file, promise)

                ours(), peer()  # once before: volumes have grown
                figures = in_turn(scale.rounds, ours, peer)
                what = f"{scale.straight // MIB} MiB in parts of {PART // MIB} MiB, {AT_ONCE} at a time"
                found.append(Result(what + (", sha256 promised" if promise else ""), "MiB/s", *figures, Goal(">=", bound)))
        return found


def upload(server: Running, user: User, file: Path, promise: str | None) -> float:
    """Seconds until the file is a version, whose whole sha256 is ``promise``, if that is said."""
    size, token = file.stat().st_size, {"Authorization": f"Bearer {user.token}"}

    def ask(step: str, body: str | None, kind: str) -> dict[str, Any]:
        said = server.ask("POST", f"/api/v1/file/upload/{step}", body, {**token, "Content-Type": kind})
        found: dict[str, Any] = json.loads(said)["data"]
        return found

    numbers = range(1, -(-size // PART) + 1)
    began = time.perf_counter()
    upload_id = ask("init/", None, "text/plain")["upload_id"]

    def read(number: int) -> bytes:
        return os.pread(fd, PART, (number - 1) * PART)

    def hashed(number: int) -> dict[str, Any]:
        content = read(number)
        return {"number": number, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def send(link: dict[str, Any]) -> None:
        reply = store.request("PUT", link["url"], body=read(link["number"]), headers=link["headers"], retries=False)
        assert reply.status == 200, (reply.status, reply.data)

    with opened(file) as fd, PoolManager(maxsize=AT_ONCE) as store, ThreadPoolExecutor(AT_ONCE) as pool:
        sending: list[Future[None]] = []
        # As many as are sent at a time are promised in one request; fewer at first, so that the store has something to do.
        for first in (0, *range(FIRST, len(numbers), AT_ONCE)):
            parts = [hashed(number) for number in numbers[first : first + (AT_ONCE if first else FIRST)]]
            wanted = json.dumps({"upload_id": upload_id, "part_size": PART, "parts": parts})
            sending += [pool.submit(send, link) for link in ask("parts", wanted, "application/json")["parts"]]
        for sent in sending:
            sent.result()
    form = {"upload_id": upload_id, "total_chunks": len(numbers), "total_size": size, "filename": f"{time.time_ns()}.bin"}
    promised = {"sha256": promise} if promise else {}
    done = ask("complete/", urlencode({**form, **promised}), "application/x-www-form-urlencoded")
    assert done["status"] == "SUCCESS", done
    return time.perf_counter() - began


@contextmanager
def opened(file: Path) -> Iterator[int]:
    fd = os.open(file, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
