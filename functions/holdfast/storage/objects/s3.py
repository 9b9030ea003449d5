"""Objects in an S3 bucket: SeaweedFS, or anything that speaks S3 with If-None-Match and sha256 checksums.

What is called for every object goes over ``wire``; the calls of a multipart upload and the lists go through boto3, which is
imported at the first of them (200 ms, 50 MiB). Nothing here replaces an object: each write carries ``If-None-Match: *``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from holdfast.clock import Clock, system
from holdfast.storage.objects.assembly import Assembled, Held, Part, SignedPart
from holdfast.storage.objects.hashing import sha256_of
from holdfast.storage.objects.keys import check_key
from holdfast.storage.objects.parts import part_size
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import CHUNK, ObjectMissing, Stored, StoreUnavailable
from holdfast.storage.objects.probe import probe, probe_reading
from holdfast.storage.objects.s3_assembly import S3Part, abandon, base64_of, complete, list_parts, part_query
from holdfast.storage.objects.s3_writer import S3Writer
from holdfast.storage.objects.sigv4 import Credentials, presign_get, presign_put
from holdfast.storage.objects.wire import Wire, fault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Suspended versioning, too: what was written before is kept.
_VERSIONING = "versioning=", re.compile(rb"<Status>(Enabled|Suspended)</Status>")
_LOCK = "object-lock=", re.compile(rb"<ObjectLockEnabled>Enabled</ObjectLockEnabled>")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class S3Objects:
    """The objects port on one bucket, under ``prefix`` (a namespace, such as ``holdfast``). Safe for any number of threads.

    ``endpoint`` and ``public_endpoint`` are ``scheme://host[:port]``; links are made for the public one, by default the same.
    Timeouts are in seconds; ``read_timeout`` stays below the 30 s after which SeaweedFS gives up on placing a replica.
    ``attempts`` counts the first try. ``part_size`` gives the length of part n, from 1; S3 wants 5 MiB at least.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        public_endpoint: str | None = None,
        region: str = "us-east-1",
        prefix: str = "",
        connect_timeout: float = 3.0,
        read_timeout: float = 25.0,
        attempts: int = 3,
        connections: int = 64,
        part_size: Callable[[int], int] = part_size,
        clock: Clock = system,
    ) -> None:
        self.bucket = bucket
        prefix = prefix.strip("/")
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._origin = _origin(endpoint)
        self._public = _origin(public_endpoint or endpoint)
        self._credentials = Credentials(access_key, secret_key, region)
        self._timeouts = connect_timeout, read_timeout
        self._clock = clock
        self.part_size = part_size
        self.wire = Wire(
            self._origin,
            self._credentials,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            attempts=attempts,
            connections=connections,
        )
        self._client: S3Client | None = None
        self._lock = threading.Lock()

    def name(self, key: str) -> str:
        """The object's name in the bucket."""
        return f"{self._prefix}{check_key(key)}"

    def path(self, key: str) -> str:
        """The object's path over the wire; keys need no escaping."""
        return f"/{self.bucket}/{self.name(key)}"

    def writer(self, key: str, content_type: str) -> S3Writer:
        return S3Writer(self, check_key(key), content_type)

    def assemble(self, key: str, content_type: str) -> str:
        with step("assemble"):
            return self.open_upload(key, content_type)

    def open_upload(self, key: str, content_type: str) -> str:
        """Begins a multipart upload and returns its id."""
        with self.rare() as client:
            return client.create_multipart_upload(
                Bucket=self.bucket, Key=self.name(key), ContentType=content_type, ChecksumAlgorithm="SHA256"
            )["UploadId"]

    def part(self, key: str, assembly: str, number: int, offset: int, capacity: int) -> S3Part:
        return S3Part(self, check_key(key), assembly, number, offset, capacity)

    def parts(self, key: str, assembly: str) -> list[Held]:
        return list_parts(self, key, assembly)

    def complete(self, key: str, assembly: str, parts: Sequence[Part]) -> Assembled:
        return complete(self, key, assembly, parts)

    def abandon(self, key: str, assembly: str) -> None:
        abandon(self, key, assembly)

    def part_link(self, key: str, assembly: str, number: int, *, size: int, sha256: str, expires: datetime) -> SignedPart | None:
        headers = {"content-length": str(size), "x-amz-checksum-sha256": base64_of(sha256)}
        url = presign_put(
            self._credentials,
            origin=self._public,
            path=self.path(key),
            query=part_query(assembly, number),
            headers=headers,
            expires=expires,
            now=self._clock(),
        )
        return SignedPart(url, headers)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Generator[bytes, None, None]:
        if length == 0:
            if self.size(key) is None:
                raise ObjectMissing(key)
            return _nothing()
        headers = {}
        if start or length is not None:
            headers["range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        response = self.wire.call("GET", self.path(key), headers=headers, stream=True)
        if response.status == 404:
            raise ObjectMissing(key)
        if response.status == 416:
            return _nothing()
        if headers and response.status != 206:
            response.close()
            raise StoreUnavailable("The object store ignores the range that was asked for.")
        chunks = _chunks(response)
        next(chunks)
        return chunks

    def size(self, key: str) -> int | None:
        found = self.head(key)
        return found and found[0]

    def head(self, key: str) -> tuple[int, str] | None:
        """Size in bytes, and the sha256 as the store has it: base64, of the parts' digests and with ``-<parts>`` for a multipart
        object, empty when it keeps none."""
        response = self.wire.call("HEAD", self.path(key), headers={"x-amz-checksum-mode": "ENABLED"})
        if response.status == 404:
            # Without a body a missing bucket looks the same; a bucket that is gone must not pass for an object that was deleted.
            if self.wire.call("HEAD", f"/{self.bucket}").status == 404:
                raise fault(404, "NoSuchBucket")
            return None
        return int(response.headers["content-length"]), response.headers.get("x-amz-checksum-sha256", "")

    def holds(self, key: str, stored: Stored, checksum: str) -> bool:
        """Whether the key's object is the one described. Another checksum may be one of another kind: then the bytes are read."""
        found = self.head(key)
        if found is None or found[0] != stored.size:
            return False
        if found[1] == checksum:
            return True
        return sha256_of(self, key) == stored.sha256

    def delete(self, key: str) -> None:
        with step("delete"):
            # In this order, so that an upload that completes meanwhile is deleted too.
            self._tidy(key)
            self._remove(key)

    def tidy(self, key: str) -> None:
        with step("delete"):
            self._tidy(key)

    def _tidy(self, key: str) -> None:
        for upload in self._unfinished(self.name(key)):
            self.abort_upload(key, upload)

    def _remove(self, key: str) -> None:
        self.wire.call("DELETE", self.path(key))

    def _unfinished(self, name: str) -> list[str]:
        """The ids of the unfinished multipart uploads of exactly this name. Not by boto3's own paginator: it needs a
        NextKeyMarker, and SeaweedFS sends none."""
        found: list[str] = []
        markers: dict[str, str] = {}
        with self.rare() as client:
            while True:
                page = client.list_multipart_uploads(Bucket=self.bucket, Prefix=name, **markers)  # type: ignore[arg-type]
                found += [upload["UploadId"] for upload in page.get("Uploads", []) if upload["Key"] == name]
                following = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
                markers = {marker: value for marker, value in following.items() if value}
                if not page.get("IsTruncated") or not markers:
                    return found

    def abort_upload(self, key: str, upload: str) -> None:
        """Removes the parts of an unfinished upload. One that is not there is no error."""
        with self.rare() as client, suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=self.bucket, Key=self.name(key), UploadId=upload)

    def keys(self, prefix: str = "") -> Iterator[str]:
        skip = len(self._prefix)
        with self.rare() as client:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self._prefix}{prefix}"):
                for entry in page.get("Contents", []):
                    yield entry["Key"][skip:]

    def link(self, key: str, *, expires: datetime, content_type: str, disposition: str) -> str | None:
        return presign_get(
            self._credentials,
            origin=self._public,
            path=self.path(key),
            expires=expires,
            content_type=content_type,
            disposition=disposition,
            now=self._clock(),
        )

    def check(self) -> None:
        self._refuse_a_bucket_that_keeps()
        probe(self, self._remove)

    def check_reading(self) -> None:
        self._refuse_a_bucket_that_keeps()
        probe_reading(self)

    def _refuse_a_bucket_that_keeps(self) -> None:
        """With versioning or object lock a delete leaves the bytes behind a marker, and nothing could ever be erased."""
        for query, found, name in ((*_VERSIONING, "versioning"), (*_LOCK, "object lock")):
            response = self.wire.call("GET", f"/{self.bucket}", query=query)
            if response.status == 200 and found.search(response.data):
                raise StoreUnavailable(f"The bucket has {name}, which keeps what is deleted: Holdfast needs one without.")

    @contextmanager
    def rare(self) -> Iterator[S3Client]:
        """boto3's client; what it raises becomes StoreUnavailable, but for the errors that the caller handles."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield self._boto()
        except ClientError as error:
            raise fault(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise StoreUnavailable("The object store cannot be reached, or does not answer in time.") from error

    def _boto(self) -> S3Client:
        with self._lock:
            if self._client is None:
                self._client = _client(self._origin, self._credentials, *self._timeouts)
            return self._client


def _client(origin: str, credentials: Credentials, connect_timeout: float, read_timeout: float) -> S3Client:
    import boto3
    import botocore.session
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 2},
        proxies={},  # as on the wire: the environment's proxies are not for the store
    )
    core = botocore.session.Session()
    core.register_component("data_loader", _descriptions())
    session = boto3.session.Session(
        botocore_session=core,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name=credentials.region,
    )
    return session.client("s3", endpoint_url=origin, config=config)


@cache
def _descriptions() -> Any:
    """botocore's descriptions of S3, which are megabytes of JSON: read once in a process, not once for each client."""
    import botocore.loaders

    return botocore.loaders.create_loader()


def _origin(endpoint: str) -> str:
    """Scheme and host as a client names them in the Host header: without a default port. Raises ValueError if there is more."""
    parts = urlsplit(endpoint)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"not scheme://host[:port]: {endpoint!r}")
    return f"{parts.scheme}://{parts.netloc.removesuffix(_DEFAULT_PORTS[parts.scheme])}"


def _chunks(response: urllib3.BaseHTTPResponse) -> Generator[bytes, None, None]:
    """The first item is not content: taking it enters the ``try``, so that ``close`` frees the connection from then on."""
    try:
        yield b""
        while chunk := response.read(CHUNK, decode_content=False):
            yield chunk
    except HTTPError as error:
        raise StoreUnavailable("The object store broke off while an object was read.") from error
    finally:
        response.close()
        response.release_conn()


def _nothing() -> Generator[bytes, None, None]:
    yield from ()
