"""What every adapter of the objects port keeps to."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.contract.object_stores import KEY, TYPE, Store, content_of, some_bytes, write

from holdfast.storage.objects import ObjectMissing, Objects, Stored
from holdfast.storage.objects.parts import PART
from holdfast.storage.objects.port import CHUNK

LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 12345]


@pytest.mark.parametrize("length", LENGTHS)
def test_an_object_reads_back_exactly_and_says_its_size_and_sha256(store: Store, length: int) -> None:
    content = some_bytes(length)

    stored = write(store.objects, KEY, content)

    assert stored == Stored(length, hashlib.sha256(content).hexdigest())
    assert content_of(store.objects, KEY) == content
    assert store.objects.size(KEY) == length
    assert store.hidden() == []


def test_many_parts_fed_in_odd_pieces_come_back_in_order(objects: Objects) -> None:
    content = some_bytes(5 * PART + 4321, seed=1)

    stored = write(objects, KEY, content, piece=777_773)

    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert hashlib.sha256(content_of(objects, KEY)).hexdigest() == stored.sha256


def test_a_writer_that_is_flushed_as_soon_as_it_is_full_writes_the_same(objects: Objects) -> None:
    content = some_bytes(2 * PART)
    writer = objects.writer(KEY, TYPE)
    rest = memoryview(content)
    while rest:
        rest = rest[writer.feed(rest) :]
        writer.flush()
        assert not writer.full

    assert writer.finish() == Stored(len(content), hashlib.sha256(content).hexdigest())
    assert content_of(objects, KEY) == content


def test_a_full_writer_takes_nothing_and_flushing_one_that_is_not_full_does_nothing(store: Store) -> None:
    writer = store.objects.writer(KEY, TYPE)
    writer.feed(b"a")
    writer.flush()
    assert not writer.full
    assert store.hidden() == []
    while not writer.full:
        writer.feed(bytes(CHUNK))

    assert writer.feed(b"more") == 0

    writer.abort()


def test_chunks_are_at_most_one_chunk_long(objects: Objects) -> None:
    write(objects, KEY, some_bytes(3 * CHUNK + 5))

    assert [len(chunk) for chunk in objects.read(KEY)] == [CHUNK, CHUNK, CHUNK, 5]


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (1, 1), (0, 0), (5, 0), (0, None), (1, None), (9, 1), (9, 100), (10, None), (10, 1), (11, 5), (1000, None), (0, 1000)],
)
def test_ranges_give_the_bytes_that_are_there(objects: Objects, start: int, length: int | None) -> None:
    content = b"0123456789"
    write(objects, KEY, content)

    assert content_of(objects, KEY, start, length) == content[start : None if length is None else start + length]


@pytest.mark.parametrize(("start", "length"), [(0, None), (0, 0), (0, 5), (3, None), (3, 5)])
def test_ranges_of_an_empty_object_are_empty(objects: Objects, start: int, length: int | None) -> None:
    write(objects, KEY, b"")

    assert content_of(objects, KEY, start, length) == b""


def test_a_range_may_cross_parts_and_chunks(objects: Objects) -> None:
    content = some_bytes(2 * PART + 99)
    write(objects, KEY, content)

    assert content_of(objects, KEY, PART - 7, CHUNK + 14) == content[PART - 7 : PART + CHUNK + 7]


@pytest.mark.parametrize("length", [None, 0, 5])
def test_reading_what_is_not_there_raises_at_the_call(objects: Objects, length: int | None) -> None:
    write(objects, KEY, b"x")

    with pytest.raises(ObjectMissing):
        objects.read("data/u1/1", 0, length)
    with pytest.raises(ObjectMissing):
        objects.read("data/u1", 0, length)
    assert objects.size("data/u1/1") is None
    assert objects.size("data/u1") is None


def test_a_reader_that_stops_early_disturbs_nobody(objects: Objects) -> None:
    content = some_bytes(4 * CHUNK)
    write(objects, KEY, content)
    for _ in range(100):
        chunks = objects.read(KEY)
        assert next(chunks) == content[:CHUNK]
        chunks.close()
        objects.read(KEY).close()

    assert content_of(objects, KEY) == content


@pytest.mark.parametrize("length", [10, PART + 10], ids=["small", "large"])
def test_delete_removes_the_object_and_may_be_repeated(store: Store, length: int) -> None:
    write(store.objects, KEY, some_bytes(length))
    write(store.objects, "data/u1/1", b"stays")

    store.objects.delete(KEY)
    store.objects.delete(KEY)
    store.objects.delete("data/nobody/0")

    assert store.objects.size(KEY) is None
    assert content_of(store.objects, "data/u1/1") == b"stays"
    assert store.hidden() == []


def test_tidy_removes_what_is_unfinished_and_leaves_the_object(store: Store) -> None:
    write(store.objects, KEY, b"stays")
    begun = store.objects.assemble(KEY, "text/plain")
    part = store.objects.part(KEY, begun, 1, 0, 10)
    part.feed(b"a part")
    part.finish()
    writer = store.objects.writer(KEY, "text/plain")
    rest = memoryview(bytes(13 << 20))
    while rest:
        writer.flush()
        rest = rest[writer.feed(rest) :]
    assert store.hidden() != []

    store.objects.tidy(KEY)
    store.objects.tidy("data/nobody/0")

    assert store.hidden() == []
    assert content_of(store.objects, KEY) == b"stays"
    writer.abort()


def test_a_key_can_be_written_again_after_its_delete(objects: Objects) -> None:
    write(objects, KEY, b"first")
    objects.delete(KEY)

    write(objects, KEY, b"second")

    assert content_of(objects, KEY) == b"second"


def test_writers_and_deletes_of_one_folder_do_not_hurt_each_other(objects: Objects) -> None:
    def work(number: int) -> None:
        for _ in range(30):
            write(objects, f"data/shared/deep/{number}", b"x")
            objects.delete(f"data/shared/deep/{number}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))

    assert list(objects.keys()) == []


def test_keys_are_sorted_and_chosen_by_prefix(objects: Objects) -> None:
    keys = ["check/1", "data/a1/0", "data/a1/1", "data/a1/10", "data/a1/2", "data/a2/0", "data/b1/0", "other"]
    for key in random.Random(0).sample(keys, len(keys)):
        write(objects, key, b"")

    assert list(objects.keys()) == keys
    for prefix in ("data", "data/", "data/a", "data/a1", "data/a1/", "data/a1/1", "o", "x", "data/x/", "data/a1/0/"):
        assert list(objects.keys(prefix)) == [key for key in keys if key.startswith(prefix)], prefix


def test_more_keys_than_a_page_of_the_store_holds(objects: Objects) -> None:
    keys = [f"data/{number:04}/0" for number in range(1001)] + ["data/u/1", "data/u/2"]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: write(objects, key, b""), keys))

    assert list(objects.keys("data/")) == keys


@pytest.mark.parametrize(
    "key",
    ["", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/..", ".", "a/./b", ".a", "a/.b", "-a", "a b", "a\\b", "a\0", "a\n",
     "ä", "a%2Fb", "a,b", "a~b", "x" * 201],
)  # fmt: skip
def test_what_is_not_a_key_is_refused_everywhere(objects: Objects, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        objects.writer(key, TYPE)
    with pytest.raises(ValueError, match="not a key"):
        objects.read(key)
    with pytest.raises(ValueError, match="not a key"):
        objects.size(key)
    with pytest.raises(ValueError, match="not a key"):
        objects.delete(key)


def test_a_key_may_have_200_characters(objects: Objects) -> None:
    key = "data/" + "x" * 195
    write(objects, key, b"x")

    assert list(objects.keys()) == [key]
    objects.delete(key)
    assert objects.size(key) is None


def test_the_check_passes_and_leaves_nothing(store: Store) -> None:
    store.objects.check()

    assert list(store.objects.keys()) == []
    assert store.hidden() == []


def test_the_check_of_a_reader_passes_and_writes_nothing(store: Store) -> None:
    store.objects.check_reading()

    assert list(store.objects.keys()) == []
    assert store.hidden() == []
