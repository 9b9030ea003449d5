"""What only a store with an address of its own shows about assemblies: links for parts, lost replies, and its lists."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.assembling import FIRST, LAST, SECOND, WHOLE, Assembly, assembled, begun, filled
from tests.contract.faulty import Behaviour, FaultyStore, once
from tests.contract.object_stores import KEY, content_of, s3_arguments, some_bytes, write
from tests.servers.seaweedfs import SeaweedFS

from holdfast.storage.objects import AssemblyMissing, Held, ObjectExists, Part, PartsDiffer, SignedPart, StoreUnavailable
from holdfast.storage.objects.parts import MIN_PART
from holdfast.storage.objects.s3 import S3Objects

Through = Callable[..., tuple[S3Objects, FaultyStore]]


@pytest.fixture
def objects(seaweedfs: SeaweedFS) -> S3Objects:
    return S3Objects(**s3_arguments(seaweedfs))


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def signed(assembly: Assembly, content: bytes, number: int = 1, seconds: float = 60) -> SignedPart:
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    link = assembly.objects.part_link(
        assembly.key, assembly.id, number, size=len(content), sha256=sha256_of(content), expires=expires
    )
    assert link is not None
    return link


def put(url: str, headers: Mapping[str, str], content: bytes) -> int:
    request = urllib.request.Request(url, content, dict(headers), method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def sent(content: bytes, number: int, offset: int) -> Part:
    """A part of which we know what its client says."""
    return Part(number, offset, len(content), sha256_of(content), zlib.crc32(content))


# Links


def test_parts_may_go_straight_to_the_store(objects: S3Objects) -> None:
    assembly = begun(objects)
    for number, content in enumerate([FIRST, SECOND, LAST], 1):
        link = signed(assembly, content, number)
        assert put(link.url, link.headers, content) == 200

    done = assembly.complete([sent(FIRST, 1, 0), sent(SECOND, 2, len(FIRST)), sent(LAST, 3, len(FIRST + SECOND))])

    assert done == assembled(WHOLE, None)
    assert content_of(objects, KEY) == WHOLE


def test_parts_of_both_kinds_make_one_object(objects: S3Objects) -> None:
    assembly = begun(objects)
    link = signed(assembly, FIRST)
    assert put(link.url, link.headers, FIRST) == 200
    last = assembly.put(LAST, 2, len(FIRST))

    assembly.complete([sent(FIRST, 1, 0), last])

    assert content_of(objects, KEY) == FIRST + LAST


def test_a_link_takes_no_other_bytes(objects: S3Objects) -> None:
    assembly = begun(objects)
    link = signed(assembly, b"promised")

    assert put(link.url, link.headers, b"promises") == 400
    for checksum in (link.headers, signed(assembly, b"promise").headers):
        for content in (b"promised!", b"promise"):
            headers = {**checksum, "content-length": str(len(content))}
            assert put(link.url, headers, content) == 403
    assert put(link.url, {"content-length": "8"}, b"promised") == 403
    other = signed(assembly, b"promises").headers
    assert put(link.url, other, b"promises") == 403
    assert assembly.objects.parts(KEY, assembly.id) == []

    assert put(link.url, link.headers, b"promised") == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("partNumber=1", "partNumber=2"),
        ("X-Amz-Expires=", "X-Amz-Expires=9"),
        ("data/u1/0", "data/u1/1"),
        ("uploadId=", "uploadId=0"),
        ("content-length%3B", ""),
        ("%3Bx-amz-checksum-sha256", ""),
    ],
)
def test_a_link_that_was_changed_takes_nothing(objects: S3Objects, old: str, new: str) -> None:
    assembly = begun(objects)
    link = signed(assembly, b"promised")
    assert old in link.url

    assert put(link.url.replace(old, new), link.headers, b"promised") in (403, 404)
    assert objects.parts(KEY, assembly.id) == []


def test_a_link_is_for_one_assembly(objects: S3Objects) -> None:
    assembly, other = begun(objects), begun(objects)
    link = signed(assembly, b"promised")

    assert put(link.url.replace(assembly.id, other.id), link.headers, b"promised") == 403


def test_a_link_takes_nothing_after_its_end(seaweedfs: SeaweedFS) -> None:
    objects = S3Objects(**s3_arguments(seaweedfs), clock=lambda: datetime.now(UTC) - timedelta(seconds=60))
    assembly = begun(objects)
    ended = signed(assembly, b"promised", seconds=-2)
    lasting = signed(assembly, b"promised")

    assert put(ended.url, ended.headers, b"promised") == 403
    assert put(lasting.url, lasting.headers, b"promised") == 200


def test_a_link_is_no_good_once_the_assembly_is_complete_or_abandoned(objects: S3Objects) -> None:
    for end in ("complete", "abandon"):
        assembly = begun(objects, f"data/{end}/0")
        link = signed(assembly, b"promised")
        assert put(link.url, link.headers, b"promised") == 200
        if end == "complete":
            assembly.complete([sent(b"promised", 1, 0)])
        else:
            objects.abandon(assembly.key, assembly.id)

        assert put(link.url, link.headers, b"promised") == 404

    assert content_of(objects, "data/complete/0") == b"promised"
    assert list(objects.keys()) == ["data/complete/0"]


def test_a_link_reads_nothing(objects: S3Objects) -> None:
    write(objects, KEY, b"secret")
    link = signed(begun(objects), b"promised")

    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.urlopen(link.url, timeout=10)
    caught.value.close()


def test_links_are_for_the_public_address(seaweedfs: SeaweedFS) -> None:
    arguments = s3_arguments(seaweedfs) | {"public_endpoint": "https://files.example.org:443"}

    link = signed(begun(S3Objects(**arguments)), b"promised")

    assert link.url.startswith(
        f"https://files.example.org/{arguments['bucket']}/{arguments['prefix']}/{KEY}?partNumber=1&uploadId="
    )
    assert set(link.headers) == {"content-length", "x-amz-checksum-sha256"}


def test_a_part_whose_crc32_nobody_vouches_for_leaves_the_object_without_one(objects: S3Objects) -> None:
    assembly = begun(objects)
    link = signed(assembly, FIRST)
    assert put(link.url, link.headers, FIRST) == 200
    parts = [replace(sent(FIRST, 1, 0), crc32=None), assembly.put(LAST, 2, len(FIRST))]

    assert assembly.complete(parts) == replace(assembled(FIRST + LAST, None), crc32=None)
    assert content_of(objects, KEY) == FIRST + LAST


def test_completing_with_other_hashes_than_the_store_took_is_refused(objects: S3Objects) -> None:
    assembly = begun(objects)
    link = signed(assembly, b"promised")
    put(link.url, link.headers, b"promised")

    for lie in (sent(b"promises", 1, 0), sent(b"promised!", 1, 0), sent(b"promised", 2, 0)):
        with pytest.raises(PartsDiffer) as caught:
            assembly.complete([lie])
        assert caught.value.numbers == (lie.number,)

    assert objects.size(KEY) is None
    assembly.complete([sent(b"promised", 1, 0)])


# Lists


def test_the_store_lists_what_it_has(objects: S3Objects) -> None:
    assembly = begun(objects)
    assert objects.parts(KEY, assembly.id) == []
    third = assembly.put(LAST, 3, 0)
    first = assembly.put(FIRST, 1, 0)

    found = objects.parts(KEY, assembly.id)

    assert [replace(held, sha256=None) for held in found] == [Held(1, len(FIRST), first.tag), Held(3, len(LAST), third.tag)]
    assert {held.sha256 for held in found} <= {None, first.sha256, third.sha256}


def test_a_part_that_came_twice_is_listed_once(objects: S3Objects) -> None:
    assembly = begun(objects)
    tags = {assembly.put(content, 1, 0).tag for content in (b"a", b"b", b"b")}

    [held] = objects.parts(KEY, assembly.id)

    assert held.tag in tags


def test_the_content_type_is_kept(seaweedfs: SeaweedFS, objects: S3Objects) -> None:
    assembly = Assembly(objects, objects.assemble(KEY, "image/png"))
    assembly.complete([assembly.put(b"x", 1, 0)])

    assert seaweedfs.client.head_object(Bucket=objects.bucket, Key=objects.name(KEY))["ContentType"] == "image/png"


# Damage, and replies that never arrive


def test_a_part_that_is_damaged_on_its_way_is_refused(objects: S3Objects) -> None:
    assembly = begun(objects)
    writer = assembly.writer(b"x" * 1000, 1, 0)
    call = objects.wire.call

    def damage(*arguments: object, **named: object) -> object:
        return call(*arguments, **{**named, "body": memoryview(b"y" + bytes(999))})  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects.wire, "call", damage)
        with pytest.raises(StoreUnavailable, match="400 BadDigest"):
            writer.finish()
    assert objects.parts(KEY, assembly.id) == []

    assembly.complete([writer.finish()])
    assert content_of(objects, KEY) == b"x" * 1000


@pytest.fixture
def through(seaweedfs: SeaweedFS, request: pytest.FixtureRequest) -> Through:
    def start(behave: Callable[[str, str], Behaviour], **more: object) -> tuple[S3Objects, FaultyStore]:
        faulty = FaultyStore(behave, seaweedfs.endpoint)
        request.addfinalizer(faulty.close)
        return S3Objects(**{**s3_arguments(seaweedfs), "endpoint": faulty.endpoint, **more}), faulty

    return start


@pytest.mark.parametrize("behaviour", ["fail", "lose the reply"])
@pytest.mark.parametrize(("method", "what"), [("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId="), ("HEAD", KEY)])
def test_one_fault_of_the_store_is_not_seen(through: Through, behaviour: Behaviour, method: str, what: str) -> None:
    objects, faulty = through(once(behaviour, method, what))
    assembly, parts = filled(objects)

    done = assembly.complete(parts)

    assert len([path for asked, path in faulty.seen if asked == method and what in path]) >= 2
    assert done == assembled(WHOLE, None)
    assert content_of(objects, KEY) == WHOLE


def test_a_completion_that_the_store_does_not_answer_can_be_asked_again(through: Through) -> None:
    objects, faulty = through(once("hang", "POST", "uploadId="), read_timeout=1)
    assembly, parts = filled(objects, contents=[b"x"])
    assert assembly.complete(parts) == assembled(b"x", None)
    other, parts = filled(objects, "data/u2/0", contents=[b"y"])
    faulty.behave = lambda method, path: "hang" if "uploadId=" in path else "pass on"
    with pytest.raises(StoreUnavailable, match="in time"):
        other.complete(parts)
    faulty.behave = lambda method, path: "pass on"

    assert other.complete(parts) == assembled(b"y", None)


def test_a_part_whose_store_fails_can_be_sent_again(through: Through) -> None:
    objects, faulty = through(lambda method, path: "fail" if "partNumber" in path else "pass on")
    assembly = begun(objects)
    writer = assembly.writer(b"x", 1, 0)
    with pytest.raises(StoreUnavailable):
        writer.finish()
    faulty.behave = lambda method, path: "pass on"

    assembly.complete([writer.finish()])

    assert content_of(objects, KEY) == b"x"


CALLS: dict[str, Callable[[Assembly, Part], object]] = {
    "assemble": lambda assembly, part: begun(assembly.objects),
    "part": lambda assembly, part: assembly.put(b"x", 1, 0),
    "parts": lambda assembly, part: assembly.objects.parts(assembly.key, assembly.id),
    "complete": lambda assembly, part: assembly.complete([part]),
    "complete, unsaid tag": lambda assembly, part: assembly.complete([replace(part, tag="")]),
    "abandon": lambda assembly, part: assembly.objects.abandon(assembly.key, assembly.id),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    ("behaviour", "detail"), [("fail", "fault .500"), ("hang", "in time"), ("refuse", "refuses the credentials")]
)
def test_a_store_that_fails_is_unavailable(
    through: Through, call: Callable[[Assembly, Part], object], behaviour: Behaviour, detail: str
) -> None:
    objects, faulty = through(lambda method, path: "pass on", read_timeout=0.5)
    assembly, [part] = filled(objects, contents=[b"x"])
    faulty.behave = lambda method, path: behaviour

    with pytest.raises(StoreUnavailable, match=detail):
        call(assembly, part)


# Whose bytes are there


def test_an_object_of_the_same_size_and_another_content_is_not_ours(objects: S3Objects) -> None:
    assembly, parts = filled(objects, contents=[b"ours"])
    write(objects, KEY, b"his!")

    with pytest.raises(ObjectExists):
        assembly.complete(parts)


def test_a_completion_that_finds_its_parts_divided_otherwise_counts_the_bytes(objects: S3Objects) -> None:
    """The store's checksum of it is another one, so that it has to be read."""
    other, parts = filled(objects, contents=[FIRST + SECOND, LAST])
    other.complete(parts)
    assembly, parts = filled(objects)

    assert assembly.complete(parts) == assembled(WHOLE, None)


def test_an_abort_does_not_reach_the_object_of_a_completion_that_was_cut_off(seaweedfs: SeaweedFS, objects: S3Objects) -> None:
    """SeaweedFS killed between making the object and removing the upload leaves both over the same bytes."""
    assembly, parts = filled(objects, contents=[some_bytes(MIN_PART)])
    seen: list[str] = []
    assembly.complete(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "abort_upload", lambda key, upload: seen.append(upload))
        objects.abandon(KEY, assembly.id)
        assembly.complete(parts)

    assert seen == []


def test_what_a_lost_reply_leaves_open_is_removed_by_delete(through: Through, seaweedfs: SeaweedFS) -> None:
    objects, _ = through(once("lose the reply", "POST", "uploads"))
    assembly, parts = filled(objects, contents=[b"x"])
    assembly.complete(parts)

    objects.delete(KEY)

    found = seaweedfs.client.list_multipart_uploads(Bucket=objects.bucket, Prefix=objects.name(KEY))
    assert found.get("Uploads", []) == []
    with pytest.raises(AssemblyMissing):
        assembly.complete(parts)
