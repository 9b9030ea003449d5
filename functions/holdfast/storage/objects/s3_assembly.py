"""An assembly in a bucket: a multipart upload whose parts come from several processes, or straight from clients.

What SeaweedFS 4.48 does, measured, and why this is as it is:

* It never compares a body with the signed ``x-amz-content-sha256``. It does compare it with ``x-amz-checksum-sha256`` (400
  BadDigest, nothing stored), but takes that of an upload with checksums of the same kind only. So the uploads are made with
  SHA256, whose checksum is one of the parts' checksums, and not with a CRC32 of the whole, with which a client could put other
  bytes in than he signed for.
* A completion that names each part's ETag and SHA256 is refused (400) when a part is missing, has another ETag, or another SHA256;
  and the object carries the SHA256 of the parts' SHA256s, which we compare with ours at the end. The CRC32 of the whole is
  combined from the parts', whose bytes were hashed in the same pass, if all of them came through us.
* A second part of one number is kept beside the first. The one whose ETag is named becomes part of the object, and the other's
  bytes are freed. Parts with a number that is not named are left out as well, but their bytes are never freed.
* An upload that was completed is gone for its parts (404), and completing it again says 200, or 412 with If-None-Match.
* An upload whose completion was cut off between making the object and removing the upload shares its bytes with the object.
  Versions before this one freed them when it was aborted (seaweedfs/seaweedfs issue 11382): nothing is aborted once there is an
  object.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.storage.objects.assembly import (
    Assembled,
    AssemblyMissing,
    Held,
    Part,
    PartsDiffer,
    check_parts,
    crc32_of,
    size_of,
)
from holdfast.storage.objects.buffered_part import BufferedPart
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import ObjectExists, ObjectMissing, StoreUnavailable
from holdfast.storage.objects.sigv4 import encode_query
from holdfast.storage.objects.wire import error_code, fault

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from holdfast.storage.objects.s3 import S3Objects

_GONE = ("PreconditionFailed", "NoSuchUpload")
_OTHER = ("InvalidPart", "BadDigest", "EntityTooSmall", "InvalidPartOrder")


class S3Part(BufferedPart):
    def __init__(self, store: S3Objects, key: str, upload: str, number: int, offset: int, capacity: int) -> None:
        super().__init__(number, offset, capacity)
        self._store = store
        self._key = key
        self._upload = upload

    def _send(self, part: Part, content: memoryview) -> str:
        with step("part"):
            return send_part(self._store, self._key, self._upload, part.number, content, part.sha256)


def send_part(store: S3Objects, key: str, upload: str, number: int, content: memoryview, sha256: str) -> str:
    """PUTs a part and returns its ETag. Raises AssemblyMissing, StoreUnavailable."""
    response = store.wire.call(
        "PUT",
        store.path(key),
        query=part_query(upload, number),
        headers={"x-amz-checksum-sha256": base64_of(sha256)},
        body=content,
        sha256=sha256,
    )
    if response.status == 404:
        raise AssemblyMissing(key)
    if response.status != 200:
        raise fault(response.status, error_code(response))
    return response.headers["etag"]


def part_query(upload: str, number: int) -> str:
    return encode_query({"partNumber": str(number), "uploadId": upload})


def list_parts(store: S3Objects, key: str, upload: str) -> list[Held]:
    """What the store has, of several parts with one number the latest (to the second, which is what it tells)."""
    with store.rare() as client:
        try:
            pages = client.get_paginator("list_parts").paginate(Bucket=store.bucket, Key=store.name(key), UploadId=upload)
            found = [part for page in pages for part in page.get("Parts", [])]
        except client.exceptions.NoSuchUpload as error:
            raise AssemblyMissing(key) from error
    found.sort(key=lambda part: part["LastModified"])
    latest = {part["PartNumber"]: part for part in found}
    return [
        Held(number, part["Size"], part["ETag"], _hex_of(part.get("ChecksumSHA256", ""))) for number, part in sorted(latest.items())
    ]


def complete(store: S3Objects, key: str, upload: str, parts: Sequence[Part]) -> Assembled:
    check_parts(parts)
    with step("complete"):
        if not all(part.tag for part in parts):
            parts = _tagged(store, key, upload, parts)
        code = _ask_to_complete(store, key, upload, parts)
        # Whatever the answer was, what counts is which bytes are there: the answer to an earlier attempt may have been lost.
        if not _holds(store, key, parts):
            if store.size(key) is not None:
                raise ObjectExists(key)
            if code == "PreconditionFailed":
                raise StoreUnavailable("An object was removed while it was completed.")
            # SeaweedFS says NoSuchUpload of an upload that has no parts, too.
            raise PartsDiffer(_differing(store, key, upload, parts))
    return Assembled(size_of(parts), crc32_of(parts), None)


def abandon(store: S3Objects, key: str, upload: str) -> None:
    with step("abandon"):
        if store.size(key) is None:
            store.abort_upload(key, upload)


def base64_of(sha256: str) -> str:
    return b64encode(bytes.fromhex(sha256)).decode()


def _hex_of(checksum: str) -> str | None:
    return b64decode(checksum).hex() if checksum else None


def _tagged(store: S3Objects, key: str, upload: str, parts: Sequence[Part]) -> list[Part]:
    """The parts with the tags that the store has given them. Raises PartsDiffer."""
    try:
        found = {held.number: held for held in list_parts(store, key, upload)}
    except AssemblyMissing:
        return list(parts)  # it may be complete
    differ = [part.number for part in parts if not part.tag and (part.number not in found or found[part.number].size != part.size)]
    if differ:
        raise PartsDiffer(differ)
    return [part if part.tag else replace(part, tag=found[part.number].tag) for part in parts]


def _ask_to_complete(store: S3Objects, key: str, upload: str, parts: Sequence[Part]) -> str:
    """The error code with which the store refuses; empty when it does not."""
    from botocore.exceptions import ClientError

    named: list[CompletedPartTypeDef] = [
        {"PartNumber": part.number, "ETag": part.tag, "ChecksumSHA256": base64_of(part.sha256)} for part in parts
    ]
    with store.rare() as client:
        try:
            client.complete_multipart_upload(
                Bucket=store.bucket,
                Key=store.name(key),
                UploadId=upload,
                IfNoneMatch="*",
                MultipartUpload={"Parts": named},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in (*_GONE, *_OTHER):
                raise
            return code
    return ""


def _holds(store: S3Objects, key: str, parts: Sequence[Part]) -> bool:
    """Whether the key's object is made of these parts. One without their checksum is read."""
    found = store.head(key)
    if found is None or found[0] != size_of(parts):
        return False
    digests = hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in parts))
    if found[1] == f"{base64_of(digests.hexdigest())}-{len(parts)}":
        return True
    try:
        return all(_sha256_of(store, key, part) == part.sha256 for part in parts)
    except ObjectMissing:
        return False


def _sha256_of(store: S3Objects, key: str, part: Part) -> str:
    """Of the object's bytes where the part should be. Raises ObjectMissing."""
    digest = hashlib.sha256()
    for chunk in store.read(key, part.offset, part.size):
        digest.update(chunk)
    return digest.hexdigest()


def _differing(store: S3Objects, key: str, upload: str, parts: Sequence[Part]) -> list[int]:
    """Which parts the store has not; all, when it has them and yet refused them. Raises AssemblyMissing."""
    found = {(held.number, held.size, held.tag) for held in list_parts(store, key, upload)}
    return [part.number for part in parts if (part.number, part.size, part.tag) not in found] or [part.number for part in parts]
