"""The adapters of the objects port, each with a look behind it, and what their tests do with them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.seaweedfs import SeaweedFS

from holdfast.storage.objects import Objects, Stored, Writer
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.port import CHUNK
from holdfast.storage.objects.s3 import S3Objects
from holdfast.storage.objects.s3_writer import SENDER

TYPE = "application/octet-stream"
KEY = "data/u1/0"


@dataclass
class Store:
    objects: Objects
    arguments: dict[str, Any]
    """What ``objects`` was made from, for tests that make it once more in another process."""
    hidden: Callable[[], list[str]]
    """What the store holds that is not visible through the port: temporaries, unfinished uploads."""


def folder_store(root: Path) -> Store:
    return Store(FolderObjects(root), {"root": root}, lambda: [path.name for path in (root / "temporary").glob("*")])


def s3_arguments(seaweedfs: SeaweedFS) -> dict[str, Any]:
    """For a namespace of its own."""
    bucket, prefix = seaweedfs.namespace()
    return {
        "endpoint": seaweedfs.endpoint,
        "bucket": bucket,
        "prefix": prefix,
        "access_key": seaweedfs.access_key,
        "secret_key": seaweedfs.secret_key,
    }


def s3_store(seaweedfs: SeaweedFS) -> Store:
    arguments = s3_arguments(seaweedfs)

    def unfinished() -> list[str]:
        found = seaweedfs.client.list_multipart_uploads(Bucket=arguments["bucket"], Prefix=f"{arguments['prefix']}/")
        return [upload["Key"] for upload in found.get("Uploads", [])]

    return Store(S3Objects(**arguments), arguments, unfinished)


def some_bytes(length: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length)


def fill(writer: Writer, content: bytes, piece: int = CHUNK) -> None:
    """As handlers do it: feed what comes, flush when it is full."""
    view = memoryview(content)
    for start in range(0, len(content), piece):
        rest = view[start : start + piece]
        while rest:
            if writer.full:
                writer.flush()
            rest = rest[writer.feed(rest) :]


def wait_for_senders() -> None:
    """Until no part is under way any more, whoever dropped its writer."""
    for thread in threading.enumerate():
        if thread.name == SENDER:
            thread.join()


def write(objects: Objects, key: str, content: bytes, piece: int = CHUNK) -> Stored:
    writer = objects.writer(key, TYPE)
    fill(writer, content, piece)
    return writer.finish()


def content_of(objects: Objects, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(objects.read(key, start, length))
