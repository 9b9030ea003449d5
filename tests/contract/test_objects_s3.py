"""What only a store with an address of its own shows: links, lost replies, and servers that fail."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from typing import Literal

import pytest
from tests.contract.faulty import Behaviour, FaultyStore, once
from tests.contract.object_stores import KEY, TYPE, content_of, fill, s3_arguments, some_bytes, write
from tests.servers.process import free_ports
from tests.servers.seaweedfs import SeaweedFS

from holdfast.storage.objects import ObjectExists, StoreUnavailable
from holdfast.storage.objects.parts import PART
from holdfast.storage.objects.s3 import S3Objects

Through = Callable[..., tuple[S3Objects, FaultyStore]]


@pytest.fixture
def through(seaweedfs: SeaweedFS) -> Iterator[Through]:
    """Objects behind an endpoint that misbehaves as told."""
    open_stores: list[FaultyStore] = []

    def start(behave: Callable[[str, str], Behaviour], read_timeout: float = 20) -> tuple[S3Objects, FaultyStore]:
        faulty = FaultyStore(behave, seaweedfs.endpoint)
        open_stores.append(faulty)
        return S3Objects(**{**s3_arguments(seaweedfs), "endpoint": faulty.endpoint}, read_timeout=read_timeout), faulty

    yield start
    for faulty in open_stores:
        faulty.close()


def good(method: str, path: str) -> Behaviour:
    return "pass on"


def get(url: str) -> HTTPResponse:
    return urllib.request.urlopen(url, timeout=10)  # type: ignore[no-any-return]


def status_of(url: str) -> int:
    try:
        return get(url).status
    except urllib.error.HTTPError as error:
        return error.code


# Links


def soon(seconds: float = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize("length", [0, 10, PART + 1])
def test_a_link_gives_the_bytes_with_type_and_name_and_needs_no_token(seaweedfs: SeaweedFS, length: int) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs))
    content = some_bytes(length)
    write(objects, KEY, content)
    disposition = "attachment; filename=\"a b.png\"; filename*=UTF-8''%C3%A4%20b.png"

    link = objects.link(KEY, expires=soon(), content_type="image/png", disposition=disposition)

    assert link is not None
    answer = get(link)
    assert answer.read() == content
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == disposition
    assert status_of(link.partition("?")[0]) == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [("image%2Fpng", "text%2Fhtml"), ("inline", "attachment"), ("X-Amz-Expires=", "X-Amz-Expires=9"), ("data/u1/0", "data/u1/1")],
)
def test_a_link_that_was_changed_gives_nothing(seaweedfs: SeaweedFS, old: str, new: str) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs))
    write(objects, KEY, b"x")
    write(objects, "data/u1/1", b"another's")
    link = objects.link(KEY, expires=soon(), content_type="image/png", disposition="inline")
    assert link is not None
    assert old in link

    assert status_of(link) == 200
    assert status_of(link.replace(old, new)) == 403


def test_a_link_gives_nothing_after_its_end(seaweedfs: SeaweedFS) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs), clock=lambda: soon(-60))
    write(objects, KEY, b"x")

    ended = objects.link(KEY, expires=soon(-2), content_type="image/png", disposition="inline")
    lasting = objects.link(KEY, expires=soon(60), content_type="image/png", disposition="inline")

    assert ended is not None
    assert lasting is not None
    assert status_of(lasting) == 200
    assert status_of(ended) == 403


def test_links_are_for_the_public_address(seaweedfs: SeaweedFS) -> None:
    objects = S3Objects(
        endpoint=seaweedfs.endpoint,
        public_endpoint="https://files.example.org:443",
        bucket="b",
        prefix="n",
        access_key="a",
        secret_key="s",
    )

    link = objects.link(KEY, expires=soon(), content_type="a/b", disposition="inline")

    assert link is not None
    assert link.startswith("https://files.example.org/b/n/data/u1/0?")


@pytest.mark.parametrize("endpoint", ["", "files.example.org", "ftp://h", "http://h/path", "http://user@h", "http://h?x=1"])
def test_an_endpoint_is_an_origin(endpoint: str) -> None:
    with pytest.raises(ValueError, match="scheme://host"):
        S3Objects(endpoint=endpoint, bucket="b", access_key="a", secret_key="s")


def test_the_content_type_is_kept(seaweedfs: SeaweedFS) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs))
    for key, length in (("small", 1), ("large", PART + 1)):
        writer = objects.writer(key, "image/png")
        fill(writer, some_bytes(length))
        writer.finish()

        assert seaweedfs.client.head_object(Bucket=objects.bucket, Key=objects.name(key))["ContentType"] == "image/png"


def test_parts_may_grow_on_the_way(seaweedfs: SeaweedFS) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs), part_size=lambda number: (4 + number) << 20)
    content = some_bytes((5 + 6 + 7) * (1 << 20) + 1)

    write(objects, KEY, content)

    assert content_of(objects, KEY) == content
    head = seaweedfs.client.head_object(Bucket=objects.bucket, Key=objects.name(KEY), ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"].endswith("-4")


# Replies that never arrive


def test_a_put_whose_reply_is_lost_is_settled_as_ours(through: Through) -> None:
    objects, faulty = through(once("lose the reply", "PUT"))

    stored = write(objects, KEY, b"x" * 1000)

    assert stored.size == 1000
    assert [method for method, _ in faulty.seen] == ["PUT", "PUT", "HEAD"]
    assert content_of(objects, KEY) == b"x" * 1000


def test_a_put_whose_reply_is_lost_where_another_object_was_is_not_ours(through: Through) -> None:
    objects, faulty = through(good)
    write(objects, KEY, b"y" * 1000)
    faulty.behave = once("lose the reply", "PUT")

    with pytest.raises(ObjectExists):
        write(objects, KEY, b"x" * 1000)

    assert content_of(objects, KEY) == b"y" * 1000


@pytest.mark.parametrize(
    ("method", "what"), [("PUT", "partNumber=1"), ("PUT", "partNumber=3"), ("POST", "uploadId="), ("POST", "uploads")]
)
def test_a_large_upload_survives_a_lost_reply(through: Through, method: str, what: str) -> None:
    objects, faulty = through(once("lose the reply", method, what))
    content = some_bytes(2 * PART + 5)

    stored = write(objects, KEY, content)

    assert len([path for _, path in faulty.seen if what in path]) >= 2
    assert stored.size == len(content)
    assert content_of(objects, KEY) == content


def test_what_a_lost_reply_leaves_open_is_removed_by_delete(through: Through, seaweedfs: SeaweedFS) -> None:
    objects, _ = through(once("lose the reply", "POST", "uploads"))
    write(objects, KEY, some_bytes(PART + 1))

    objects.delete(KEY)

    found = seaweedfs.client.list_multipart_uploads(Bucket=objects.bucket, Prefix=objects.name(KEY))
    assert found.get("Uploads", []) == []


@pytest.mark.parametrize("behaviour", ["fail", "lose the reply"])
@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "DELETE"])
def test_one_fault_of_the_store_is_not_seen(through: Through, behaviour: Behaviour, method: str) -> None:
    objects, faulty = through(once(behaviour, method))

    write(objects, KEY, b"x")
    assert content_of(objects, KEY) == b"x"
    assert objects.size(KEY) == 1
    objects.delete(KEY)

    assert [asked for asked, path in faulty.seen if asked == method and "uploads" not in path].count(method) >= 2
    assert objects.size(KEY) is None


# Stores that fail

CALLS: dict[str, Callable[[S3Objects], object]] = {
    "put": lambda objects: write(objects, "data/new/0", b"x"),
    "parts": lambda objects: write(objects, "data/new/1", some_bytes(PART + 1)),
    "read": lambda objects: objects.read(KEY),
    "read nothing": lambda objects: objects.read(KEY, 0, 0),
    "size": lambda objects: objects.size(KEY),
    "delete": lambda objects: objects.delete(KEY),
    "keys": lambda objects: list(objects.keys()),
    "check": lambda objects: objects.check(),
    "check_reading": lambda objects: objects.check_reading(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    ("behaviour", "detail"), [("fail", "fault .500"), ("hang", "in time"), ("refuse", "refuses the credentials")]
)
def test_a_store_that_fails_is_unavailable(
    through: Through, call: Callable[[S3Objects], object], behaviour: Behaviour, detail: str
) -> None:
    objects, faulty = through(lambda method, path: behaviour, read_timeout=0.5)

    with pytest.raises(StoreUnavailable, match=detail) as caught:
        call(objects)

    assert 1 <= len(faulty.seen) <= 3
    assert caught.value.status == 503
    assert caught.value.retry_after == 5


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_store_that_is_not_there_is_unavailable(call: Callable[[S3Objects], object]) -> None:
    [port] = free_ports(1)
    objects = S3Objects(endpoint=f"http://127.0.0.1:{port}", bucket="b", access_key="a", secret_key="s")

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        call(objects)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_wrong_credentials_are_said_to_be_refused_and_not_shown(seaweedfs: SeaweedFS, call: Callable[[S3Objects], object]) -> None:
    objects = S3Objects(**{**s3_arguments(seaweedfs), "secret_key": "guessed-secret"})

    with pytest.raises(StoreUnavailable, match="refuses the credentials") as caught:
        call(objects)

    assert "guessed-secret" not in f"{caught.value!r}{caught.value.detail}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_bucket_that_is_gone_does_not_pass_for_an_object_that_is(
    seaweedfs: SeaweedFS, call: Callable[[S3Objects], object]
) -> None:
    objects = S3Objects(**{**s3_arguments(seaweedfs), "bucket": "no-such-bucket"})

    with pytest.raises(StoreUnavailable, match="no such bucket"):
        call(objects)


def test_an_answer_that_breaks_off_is_unavailable_and_not_a_short_object(through: Through) -> None:
    objects, faulty = through(good)
    content = some_bytes(3 << 20)
    write(objects, KEY, content)
    faulty.behave = once("cut short", "GET")
    chunks = objects.read(KEY)

    with pytest.raises(StoreUnavailable, match="broke off"):
        b"".join(chunks)

    assert content_of(objects, KEY) == content


def test_a_writer_whose_store_fails_can_be_aborted_and_leaves_nothing(through: Through, seaweedfs: SeaweedFS) -> None:
    objects, faulty = through(lambda method, path: "fail" if "partNumber=2" in path else "pass on")
    writer = objects.writer(KEY, TYPE)
    with pytest.raises(StoreUnavailable):
        fill(writer, some_bytes(3 * PART + 1))

    writer.abort()

    assert objects.size(KEY) is None
    found = seaweedfs.client.list_multipart_uploads(Bucket=objects.bucket, Prefix=objects.name(KEY))
    assert found.get("Uploads", []) == []
    faulty.behave = lambda method, path: "fail"
    writer.abort()


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_bucket_with_versioning_is_not_ready(seaweedfs: SeaweedFS, status: Literal["Enabled", "Suspended"]) -> None:
    arguments = s3_arguments(seaweedfs) | {"bucket": seaweedfs.bucket()}
    objects = S3Objects(**arguments)
    objects.check()
    seaweedfs.client.put_bucket_versioning(Bucket=objects.bucket, VersioningConfiguration={"Status": "Enabled"})
    seaweedfs.client.put_bucket_versioning(Bucket=objects.bucket, VersioningConfiguration={"Status": status})
    for check in (objects.check, objects.check_reading):
        with pytest.raises(StoreUnavailable, match="has versioning"):
            check()


def test_a_bucket_with_object_lock_is_not_ready(seaweedfs: SeaweedFS) -> None:
    bucket = "locked"
    seaweedfs.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    with pytest.raises(StoreUnavailable, match="keeps what is deleted"):
        S3Objects(**(s3_arguments(seaweedfs) | {"bucket": bucket})).check()


def test_small_objects_need_no_boto3(seaweedfs: SeaweedFS) -> None:
    script = """if True:
        import json, sys
        from datetime import UTC, datetime, timedelta
        from holdfast.storage.objects.s3 import S3Objects
        objects = S3Objects(**json.loads(sys.argv[1]))
        writer = objects.writer("data/u1/0", "image/png")
        writer.feed(b"small")
        writer.finish()
        objects.check()
        link = objects.link("data/u1/0", expires=datetime.now(UTC) + timedelta(60), content_type="a/b", disposition="inline")
        print(b"".join(objects.read("data/u1/0")), objects.size("data/u1/0"), sorted({"boto3", "botocore"} & set(sys.modules)))
    """
    arguments = json.dumps(s3_arguments(seaweedfs))

    printed = subprocess.run([sys.executable, "-c", script, arguments], check=True, capture_output=True, text=True)

    assert printed.stdout == "b'small' 5 []\n"
