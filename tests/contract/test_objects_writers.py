"""Whole or not at all, and never in place of another: what every writer of the objects port keeps to, also when it dies."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from tests.contract.object_stores import KEY, TYPE, Store, content_of, fill, some_bytes, wait_for_senders, write

from holdfast import failpoints
from holdfast.storage.objects import ObjectExists, ObjectMissing, Objects, Stored, StoreUnavailable
from holdfast.storage.objects.parts import PART


def outcome(act: Callable[[], object]) -> object:
    """What it returns, or the type of what it raises."""
    try:
        return act()
    except (ObjectExists, StoreUnavailable) as error:
        return type(error)


@pytest.mark.parametrize("length", [10, 2 * PART + 10], ids=["small", "large"])
def test_nothing_is_visible_before_finish(objects: Objects, length: int) -> None:
    writer = objects.writer(KEY, TYPE)
    fill(writer, some_bytes(length))

    assert objects.size(KEY) is None
    assert list(objects.keys()) == []
    with pytest.raises(ObjectMissing):
        objects.read(KEY)

    writer.finish()
    assert list(objects.keys()) == [KEY]


@pytest.mark.parametrize("length", [0, 10, 2 * PART + 10], ids=["empty", "small", "large"])
def test_abort_leaves_nothing(store: Store, length: int) -> None:
    writer = store.objects.writer(KEY, TYPE)
    fill(writer, some_bytes(length))

    writer.abort()
    writer.abort()

    assert store.objects.size(KEY) is None
    assert store.hidden() == []


def test_a_writer_that_is_dropped_leaves_what_delete_removes_and_nothing_of_its_neighbours(store: Store) -> None:
    neighbours = [f"{KEY}0", f"{KEY}/1", f"{KEY}.x"]
    for key in [KEY, KEY, *neighbours]:
        writer = store.objects.writer(key, TYPE)
        fill(writer, some_bytes(PART + 1))
        del writer
    wait_for_senders()
    assert len(store.hidden()) == 5

    store.objects.delete(KEY)

    assert len(store.hidden()) == 3
    for key in neighbours:
        store.objects.delete(key)
    assert store.hidden() == []


@pytest.mark.parametrize("length", [10, PART + 10], ids=["small", "large"])
def test_what_is_there_is_never_replaced(store: Store, length: int) -> None:
    first, second = some_bytes(length, seed=1), some_bytes(length, seed=2)
    write(store.objects, KEY, first)
    writer = store.objects.writer(KEY, TYPE)
    fill(writer, second)

    with pytest.raises(ObjectExists):
        writer.finish()

    writer.abort()
    assert content_of(store.objects, KEY) == first
    assert store.hidden() == []


@pytest.mark.parametrize("length", [0, 10, PART, PART + 10])
def test_the_same_bytes_under_the_key_count_as_ours(store: Store, length: int) -> None:
    content = some_bytes(length)
    first = write(store.objects, KEY, content)

    assert write(store.objects, KEY, content) == first

    assert content_of(store.objects, KEY) == content
    assert store.hidden() == []


def test_the_same_bytes_count_as_ours_also_when_they_came_in_parts(objects: Objects) -> None:
    content = some_bytes(PART)
    writer = objects.writer(KEY, TYPE)
    fill(writer, content)
    writer.flush()
    writer.finish()

    assert write(objects, KEY, content).size == PART


@pytest.mark.parametrize("round_", range(5))
def test_of_eight_racing_writers_with_different_bytes_exactly_one_wins(store: Store, round_: int) -> None:
    contents = [some_bytes(1000, seed=seed) for seed in range(8)]
    start = Barrier(8)

    def race(content: bytes) -> object:
        writer = store.objects.writer(KEY, TYPE)
        fill(writer, content)
        start.wait()
        result = outcome(writer.finish)
        writer.abort()
        return result

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(race, contents))

    winners = [content for content, result in zip(contents, results, strict=True) if isinstance(result, Stored)]
    assert results.count(ObjectExists) == 7
    assert winners == [content_of(store.objects, KEY)]
    assert store.hidden() == []


@pytest.mark.parametrize("length", [1000, PART + 1], ids=["small", "large"])
def test_of_eight_racing_writers_with_the_same_bytes_all_win(store: Store, length: int) -> None:
    content = some_bytes(length)
    start = Barrier(8)

    def race(_: int) -> object:
        writer = store.objects.writer(KEY, TYPE)
        fill(writer, content)
        start.wait()
        return outcome(writer.finish)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(race, range(8)))

    assert results == [Stored(length, hashlib.sha256(content).hexdigest())] * 8
    assert content_of(store.objects, KEY) == content
    assert store.hidden() == []


def test_a_large_upload_that_is_deleted_under_its_writer_is_unavailable_and_stays_away(store: Store) -> None:
    writer = store.objects.writer(KEY, TYPE)
    fill(writer, some_bytes(PART + 1))
    wait_for_senders()
    store.objects.delete(KEY)

    with pytest.raises(StoreUnavailable):
        writer.finish()

    writer.abort()
    assert store.objects.size(KEY) is None
    assert store.hidden() == []


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("length", [10, 2 * PART], ids=["small", "large"])
def test_fail_points_stand_before_and_after_each_step(objects: Objects, length: int) -> None:
    passed: list[str] = []
    for name in failpoints.names():
        failpoints.arm(name, lambda name=name: passed.append(name))  # type: ignore[misc]

    write(objects, KEY, some_bytes(length))
    objects.delete(KEY)

    visible = "put" if length == 10 else "complete"
    assert passed[-4:] == [f"objects.{step}.{moment}" for step in (visible, "delete") for moment in ("before", "after")]
    if length > PART:
        assert passed[0] == "objects.part.before"
        assert passed.count("objects.part.before") == passed.count("objects.part.after") >= 2


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("length", [10, 2 * PART], ids=["small", "large"])
@pytest.mark.parametrize("step", ["put", "part", "complete"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_writer_that_dies_at_any_step_leaves_a_whole_object_or_none_and_delete_removes_the_rest(
    store: Store, length: int, step: str, moment: str
) -> None:
    class DeathError(Exception):
        pass

    def die() -> None:
        raise DeathError

    content = some_bytes(length)
    failpoints.arm(f"objects.{step}.{moment}", die)
    try:
        write(store.objects, KEY, content)
    except DeathError:
        wait_for_senders()
        assert store.objects.size(KEY) in (None, length)
    failpoints.disarm()
    if store.objects.size(KEY) is not None:
        assert content_of(store.objects, KEY) == content

    store.objects.delete(KEY)

    assert list(store.objects.keys()) == []
    assert store.hidden() == []


UPLOAD = """if True:
    import pickle, sys
    from pathlib import Path
    make, arguments = pickle.load(sys.stdin.buffer)
    objects = make(**arguments)

    def upload(key, mebibytes):
        writer, chunk = objects.writer(key, "a/b"), bytes(1 << 20)
        for _ in range(mebibytes):
            rest = memoryview(chunk)
            while rest:
                if writer.full:
                    writer.flush()
                rest = rest[writer.feed(rest):]
        writer.finish()

    def status(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    upload("warm", 9)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = status("VmRSS")
    upload("large", 100)
    print((status("VmHWM") - before) >> 10)
"""


def test_an_upload_costs_the_memory_of_two_parts(store: Store) -> None:
    """In MiB. A copy of a part would make it 18."""
    started = subprocess.run(
        [sys.executable, "-c", UPLOAD],
        input=pickle.dumps((type(store.objects), store.arguments)),
        stdout=subprocess.PIPE,
        check=True,
    )

    assert int(started.stdout) <= 14
    assert store.objects.size("large") == 100 << 20
