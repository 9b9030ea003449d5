"""One object on its way into a bucket: a single PUT when it fits into one part, else a multipart upload."""

from __future__ import annotations

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from holdfast import failpoints
from holdfast.storage.objects.assembly import AssemblyMissing
from holdfast.storage.objects.buffer import Buffer, Buffered
from holdfast.storage.objects.parts import PART
from holdfast.storage.objects.points import step
from holdfast.storage.objects.port import ObjectExists, Stored, StoreUnavailable
from holdfast.storage.objects.s3_assembly import send_part
from holdfast.storage.objects.wire import error_code, fault

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from holdfast.storage.objects.s3 import S3Objects

SENDER = "objects-part"
"""The name of the threads that send."""
_REMOVED = "The upload was removed while it was under way."


class S3Writer(Buffered):
    """Every request carries the sha256 of its body, signed, so that the store refuses what arrives damaged.

    One part is filled while the one before it is sent, and is itself on its way before that one's answer is there; taking turns
    leaves the store idle a third of the time. So a writer holds two parts while they are short, and one when they are longer
    (``parts``).
    """

    def __init__(self, store: S3Objects, key: str, content_type: str) -> None:
        super().__init__(Buffer(store.part_size(1)))
        self._store = store
        self._key = key
        self._content_type = content_type
        self._spare: Buffer | None = None
        self._sending: Future[CompletedPartTypeDef] | None = None
        """The part under way, whose bytes are in the spare buffer."""
        self._hash = hashlib.sha256()
        self._size = 0
        self._upload: str | None = None
        self._count = 0
        self._parts: list[CompletedPartTypeDef] = []
        self._digests = hashlib.sha256()
        """Of the parts' digests: S3's composite checksum."""

    def finish(self) -> Stored:
        if self._upload is None:
            stored = self._put()
        else:
            if self._buffer.used:
                self._pass_on()
            self._collect_last()
            stored = self._complete(self._upload)
        self._release()
        return stored

    def abort(self) -> None:
        if self._sending is not None:
            self._sending.exception()  # waits: a part that arrives after its upload was removed might stay for good
        self._release()
        if self._upload is not None:
            with suppress(StoreUnavailable):
                self._store.abort_upload(self._key, self._upload)

    def _release(self) -> None:
        self._buffer.release()
        self._spare = None

    def _put(self) -> Stored:
        content = self._buffer.content()
        digest = hashlib.sha256(content)
        stored = Stored(len(content), digest.hexdigest())
        checksum = _base64(digest.digest())
        headers = {"content-type": self._content_type, "if-none-match": "*", "x-amz-checksum-sha256": checksum}
        with step("put"):
            response = self._store.wire.call(
                "PUT", self._store.path(self._key), headers=headers, body=content, sha256=stored.sha256
            )
            if response.status not in (200, 412):
                raise fault(response.status, error_code(response))
            if response.status == 412 and not self._store.holds(self._key, stored, checksum):
                raise ObjectExists(self._key)
        return stored

    def _pass_on(self) -> None:
        """Starts to send the buffer, and goes on with the other one."""
        content = self._buffer.content()
        self._hash.update(content)
        digest = self._hash.copy() if self._upload is None else hashlib.sha256(content)
        if self._upload is None:
            self._upload = self._store.open_upload(self._key, self._content_type)
        failpoints.hit("objects.part.before")
        self._digests.update(digest.digest())
        self._size += len(content)
        self._count += 1
        before = self._sending
        self._sending = _in_a_thread(partial(self._send, self._upload, self._count, content, digest.digest()))
        self._collect(before)
        following = self._store.part_size(self._count + 1)
        if following > PART:
            self._collect_last()
            self._spare, self._buffer = None, Buffer(following)
        else:
            other = self._spare or Buffer(following)
            other.clear()
            self._spare, self._buffer = self._buffer, other

    def _collect_last(self) -> None:
        last, self._sending = self._sending, None
        self._collect(last)

    def _collect(self, sending: Future[CompletedPartTypeDef] | None) -> None:
        """Waits for a part under way. Raises what its sending raised."""
        if sending is not None:
            self._parts.append(sending.result())
            failpoints.hit("objects.part.after")

    def _send(self, upload: str, number: int, content: memoryview, digest: bytes) -> CompletedPartTypeDef:
        try:
            etag = send_part(self._store, self._key, upload, number, content, digest.hex())
        except AssemblyMissing as error:
            raise StoreUnavailable(_REMOVED) from error
        return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": _base64(digest)}

    def _complete(self, upload: str) -> Stored:
        stored = Stored(self._size, self._hash.hexdigest())
        with step("complete"):
            self._ask_to_complete(upload)
            # Whatever the answer was, what counts is whose bytes are there. A 412 or "no such upload" may answer our second attempt
            # when the answer to the first was lost; and to two writers that complete at the same moment SeaweedFS 4.48 may both say
            # 200.
            if not self._store.holds(self._key, stored, f"{_base64(self._digests.digest())}-{len(self._parts)}"):
                if self._store.size(self._key) is None:
                    raise StoreUnavailable(_REMOVED)
                raise ObjectExists(self._key)
        return stored

    def _ask_to_complete(self, upload: str) -> None:
        from botocore.exceptions import ClientError

        with self._store.rare() as client:
            try:
                client.complete_multipart_upload(
                    Bucket=self._store.bucket,
                    Key=self._store.name(self._key),
                    UploadId=upload,
                    IfNoneMatch="*",
                    MultipartUpload={"Parts": self._parts},
                )
                return
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "NoSuchUpload"):
                    raise
        self._store.abort_upload(self._key, upload)


def _in_a_thread(work: Callable[[], CompletedPartTypeDef]) -> Future[CompletedPartTypeDef]:
    """A thread for each part, which costs nothing beside it: a pool would need a size, a close, and care in a forked process."""
    future: Future[CompletedPartTypeDef] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=SENDER).start()
    return future


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
