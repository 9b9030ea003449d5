"""What every adapter keeps to about assemblies: objects whose parts come from several requests and processes."""

from __future__ import annotations

import hashlib
import pickle
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from tests.contract.assembling import FIRST, LAST, SECOND, WHOLE, assembled, begun, filled
from tests.contract.object_stores import KEY, TYPE, Store, content_of, some_bytes, write

from holdfast import failpoints
from holdfast.storage.objects import Assembled, AssemblyMissing, ObjectExists, ObjectMissing, Objects, Part, PartsDiffer
from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART


def test_parts_become_one_object_that_says_its_size_and_crc32(store: Store) -> None:
    assembly, parts = filled(store.objects)
    assert store.objects.size(KEY) is None
    with pytest.raises(ObjectMissing):
        store.objects.read(KEY)

    done = assembly.complete(parts)

    assert done == assembled(WHOLE, done.sha256)
    assert content_of(store.objects, KEY) == WHOLE
    assert store.objects.size(KEY) == len(WHOLE)
    assert list(store.objects.keys()) == [KEY]
    assert store.hidden() == []


def test_what_a_part_is_called(objects: Objects) -> None:
    part = begun(objects).put(SECOND, 2, len(FIRST))

    assert part == Part(2, len(FIRST), len(SECOND), hashlib.sha256(SECOND).hexdigest(), zlib.crc32(SECOND), part.tag)


def test_an_id_is_short_printable_and_another_one_each_time(objects: Objects) -> None:
    ids = {objects.assemble(KEY, TYPE) for _ in range(3)}

    assert len(ids) == 3
    for id_ in ids:
        assert id_.isascii()
        assert id_.isprintable()
        assert len(id_) <= 255


@pytest.mark.parametrize("order", [(2, 1, 3), (3, 2, 1), (3, 1, 2)])
def test_parts_may_come_in_any_order(objects: Objects, order: tuple[int, ...]) -> None:
    assembly, contents = begun(objects), {1: (FIRST, 0), 2: (SECOND, len(FIRST)), 3: (LAST, len(FIRST + SECOND))}
    parts = {number: assembly.put(contents[number][0], number, contents[number][1]) for number in order}

    assembly.complete([parts[number] for number in (1, 2, 3)])

    assert content_of(objects, KEY) == WHOLE


def test_parts_may_come_at_once(objects: Objects) -> None:
    contents = [some_bytes(MIN_PART + number, number) for number in range(8)]
    assembly = begun(objects)
    offsets = [sum(map(len, contents[:number])) for number in range(8)]

    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(assembly.put, contents, range(1, 9), offsets))
    assembly.complete(parts)

    assert content_of(objects, KEY) == b"".join(contents)


def test_numbers_may_be_left_out(objects: Objects) -> None:
    assembly = begun(objects)
    parts = [assembly.put(FIRST, 7, 0), assembly.put(SECOND, 1000, len(FIRST)), assembly.put(LAST, MAX_PARTS, len(FIRST + SECOND))]

    assembly.complete(parts)

    assert content_of(objects, KEY) == WHOLE


@pytest.mark.parametrize("content", [b"", b"x", FIRST], ids=["empty", "a byte", "large"])
def test_one_part_may_be_all(store: Store, content: bytes) -> None:
    assembly, parts = filled(store.objects, contents=[content])

    done = assembly.complete(parts)

    assert done == assembled(content, done.sha256)
    assert content_of(store.objects, KEY) == content
    assert store.hidden() == []


def test_another_process_goes_on(store: Store) -> None:
    assembly = begun(store.objects)
    elsewhere = replace(assembly, objects=type(store.objects)(**store.arguments))
    first, second, last = (
        assembly.put(FIRST, 1, 0),
        elsewhere.put(SECOND, 2, len(FIRST)),
        assembly.put(LAST, 3, len(FIRST + SECOND)),
    )

    elsewhere.complete([first, second, last])

    assert content_of(store.objects, KEY) == WHOLE


# Writers of parts


def test_a_writer_has_its_room_and_sends_nothing_before_it_is_finished(objects: Objects) -> None:
    assembly = begun(objects)
    writer = objects.part(KEY, assembly.id, 1, 0, 10)
    assert writer.room == 10
    assert writer.feed(b"abc") == 3
    assert writer.room == 7
    assert writer.feed(memoryview(b"defghijklm")) == 7
    assert writer.room == 0
    assert writer.feed(b"n") == 0
    assert bytes(writer.content()) == b"abcdefghij"
    with pytest.raises(PartsDiffer) as caught:
        assembly.complete([Part(1, 0, 10, hashlib.sha256(b"abcdefghij").hexdigest(), zlib.crc32(b"abcdefghij"), "a")])
    assert caught.value.numbers == (1,)

    part = writer.finish()

    assert writer.room == 0
    assembly.complete([part])
    assert content_of(objects, KEY) == b"abcdefghij"


def test_an_aborted_writer_has_sent_nothing(objects: Objects) -> None:
    assembly = begun(objects)
    good = assembly.put(b"good", 1, 0)
    writer = assembly.writer(b"evil", 1, 0)

    writer.abort()
    writer.abort()

    assert writer.room == 0
    assembly.complete([good])
    assert content_of(objects, KEY) == b"good"


def test_a_part_is_replaced_by_a_later_one_of_its_number(store: Store) -> None:
    assembly, parts = filled(store.objects)
    other = some_bytes(len(SECOND), 9)
    replaced = assembly.put(other, 2, len(FIRST))

    done = assembly.complete([parts[0], replaced, parts[2]])

    assert done == assembled(FIRST + other + LAST, done.sha256)
    assert content_of(store.objects, KEY) == FIRST + other + LAST
    assert store.hidden() == []


def test_a_part_may_be_sent_again(objects: Objects) -> None:
    assembly, parts = filled(objects)

    assert assembly.put(SECOND, 2, len(FIRST)) == parts[1]

    assembly.complete(parts)
    assert content_of(objects, KEY) == WHOLE


def test_the_last_part_may_be_replaced_by_a_shorter_one(objects: Objects) -> None:
    assembly, parts = filled(objects)
    shorter = assembly.put(LAST[:50], 3, len(FIRST + SECOND))

    assembly.complete([*parts[:2], shorter])

    assert content_of(objects, KEY) == FIRST + SECOND + LAST[:50]


def test_completing_by_what_was_replaced_gives_that_or_nothing(objects: Objects) -> None:
    assembly, parts = filled(objects)
    assembly.put(some_bytes(len(SECOND), 9), 2, len(FIRST))

    differing: tuple[int, ...] = ()
    try:
        assembly.complete(parts)
    except PartsDiffer as error:
        differing = error.numbers

    assert (differing, objects.size(KEY)) in (((2,), None), ((), len(WHOLE)))
    if not differing:
        assert content_of(objects, KEY) == WHOLE


def test_parts_that_nobody_names_are_left_out(store: Store) -> None:
    assembly, parts = filled(store.objects)
    assembly.put(b"late", 4, len(WHOLE))

    done = assembly.complete(parts)

    assert done == assembled(WHOLE, done.sha256)
    assert content_of(store.objects, KEY) == WHOLE
    assert store.hidden() == []


# Completing


@pytest.mark.parametrize("number", [1, 2, 3])
def test_completing_without_a_part_that_was_named_says_which(store: Store, number: int) -> None:
    assembly, offset, parts = begun(store.objects), 0, list[Part]()
    for other, content in enumerate([FIRST, SECOND, LAST], 1):
        if other != number:
            parts.append(assembly.put(content, other, offset))
        else:
            parts.append(Part(other, offset, len(content), hashlib.sha256(content).hexdigest(), zlib.crc32(content), '"tag"'))
        offset += len(content)

    with pytest.raises(PartsDiffer) as caught:
        assembly.complete(parts)

    assert caught.value.numbers == (number,)
    assert store.objects.size(KEY) is None
    parts[number - 1] = assembly.put([FIRST, SECOND, LAST][number - 1], number, parts[number - 1].offset)
    assembly.complete(parts)
    assert content_of(store.objects, KEY) == WHOLE


def test_completing_with_a_part_that_is_other_than_said_says_which(store: Store) -> None:
    assembly, parts = filled(store.objects)
    other = some_bytes(len(SECOND), 9)
    lying = replace(parts[1], sha256=hashlib.sha256(other).hexdigest(), crc32=zlib.crc32(other))

    with pytest.raises(PartsDiffer) as caught:
        assembly.complete([parts[0], lying, parts[2]])

    assert 2 in caught.value.numbers
    assert store.objects.size(KEY) is None
    assembly.complete(parts)
    assert content_of(store.objects, KEY) == WHOLE


FAULTS: dict[str, Callable[[list[Part]], list[Part]]] = {
    "none": lambda parts: [],
    "wrong order": lambda parts: [parts[1], parts[0], parts[2]],
    "twice": lambda parts: [parts[0], *parts],
    "a gap": lambda parts: [parts[0], parts[2]],
    "not from the beginning": lambda parts: parts[1:],
    "overlapping": lambda parts: [parts[0], replace(parts[1], offset=parts[1].offset - 1), parts[2]],
    "number 0": lambda parts: [replace(parts[0], number=0), *parts[1:]],
    "number 10,001": lambda parts: [*parts[:2], replace(parts[2], number=MAX_PARTS + 1)],
    "a small one that is not the last": lambda parts: [Part(1, 0, 100, parts[2].sha256, 0), replace(parts[1], offset=100)],
    "a negative length": lambda parts: [*parts[:2], replace(parts[2], size=-1)],
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_an_object_is_refused(store: Store, fault: Callable[[list[Part]], list[Part]]) -> None:
    assembly, parts = filled(store.objects)

    with pytest.raises(ValueError, match="part"):
        assembly.complete(fault(parts))

    assert store.objects.size(KEY) is None
    assert len(store.hidden()) == 1


def test_completing_again_says_the_same_whoever_asks(store: Store) -> None:
    assembly, parts = filled(store.objects)
    done = assembly.complete(parts)

    elsewhere = replace(assembly, objects=type(store.objects)(**store.arguments))
    assert [assembly.complete(parts), elsewhere.complete(parts)] == [done, done]

    assert content_of(store.objects, KEY) == WHOLE
    assert store.hidden() == []


def test_completing_again_to_something_else_does_not_touch_the_object(store: Store) -> None:
    assembly, parts = filled(store.objects)
    assembly.complete(parts)

    with pytest.raises(ObjectExists):
        assembly.complete(parts[:2])

    assert content_of(store.objects, KEY) == WHOLE


@pytest.mark.parametrize("round_", range(3))
def test_all_who_complete_at_once_are_told_the_same(store: Store, round_: int) -> None:
    assembly, parts = filled(store.objects)
    start = Barrier(4)

    def race(_: int) -> Assembled:
        start.wait()
        return assembly.complete(parts)

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(race, range(4)))

    assert done == [assembled(WHOLE, done[0].sha256)] * 4
    assert content_of(store.objects, KEY) == WHOLE
    assert store.hidden() == []


def test_a_part_after_completion_is_refused_and_leaves_the_object_as_it_is(store: Store) -> None:
    assembly, parts = filled(store.objects)
    late = assembly.writer(some_bytes(len(SECOND), 9), 2, len(FIRST))
    assembly.complete(parts)

    for writer in (late, assembly.writer(b"late", 9, 0)):
        with pytest.raises(AssemblyMissing):
            writer.finish()

    assert content_of(store.objects, KEY) == WHOLE
    assert assembly.complete(parts).size == len(WHOLE)
    assert store.hidden() == []


@pytest.mark.parametrize("round_", range(5))
def test_parts_that_race_with_completion_never_reach_the_object(store: Store, round_: int) -> None:
    assembly, parts = filled(store.objects)
    start = Barrier(4)

    def send(number: int) -> object:
        writer = assembly.writer(SECOND, 2, len(FIRST)) if number % 2 else assembly.writer(b"late", 9, len(WHOLE))
        start.wait()
        try:
            return writer.finish()
        except AssemblyMissing as error:
            return error

    def complete() -> Assembled:
        start.wait()
        return assembly.complete(parts)

    with ThreadPoolExecutor(4) as threads:
        sent = [threads.submit(send, number) for number in range(3)]
        assert threads.submit(complete).result().size == len(WHOLE)
        assert all(isinstance(future.result(), Part | AssemblyMissing) for future in sent)

    assert content_of(store.objects, KEY) == WHOLE
    assert store.hidden() == []


def test_another_object_under_the_key_stays(store: Store) -> None:
    assembly, parts = filled(store.objects)
    write(store.objects, KEY, b"another")

    with pytest.raises(ObjectExists):
        assembly.complete(parts)

    assert content_of(store.objects, KEY) == b"another"


def test_the_same_bytes_under_the_key_count_as_ours(store: Store) -> None:
    assembly, parts = filled(store.objects, contents=[b"the same"])
    write(store.objects, KEY, b"the same")

    done = assembly.complete(parts)

    assert done == assembled(b"the same", done.sha256)


# The end of an assembly


def test_an_abandoned_assembly_is_gone(store: Store) -> None:
    assembly, parts = filled(store.objects)

    for _ in range(2):
        store.objects.abandon(KEY, assembly.id)

    assert store.hidden() == []
    with pytest.raises(AssemblyMissing):
        assembly.put(FIRST, 1, 0)
    with pytest.raises(AssemblyMissing):
        assembly.complete(parts)
    with pytest.raises(AssemblyMissing):
        store.objects.parts(KEY, assembly.id)
    assert store.objects.size(KEY) is None
    assert store.hidden() == []


def test_abandoning_leaves_the_other_assemblies_of_the_key_and_what_was_completed(store: Store) -> None:
    first, parts = filled(store.objects)
    second, _ = filled(store.objects)
    store.objects.abandon(KEY, second.id)
    first.complete(parts)

    store.objects.abandon(KEY, first.id)

    assert content_of(store.objects, KEY) == WHOLE
    assert store.hidden() == []


@pytest.mark.parametrize("complete", [False, True], ids=["unfinished", "complete"])
def test_deleting_the_key_removes_it_all(store: Store, complete: bool) -> None:
    assembly, parts = filled(store.objects)
    begun(store.objects)
    neighbour = begun(store.objects, f"{KEY}0")
    if complete:
        assembly.complete(parts)

    store.objects.delete(KEY)

    assert len(store.hidden()) == 1
    with pytest.raises(AssemblyMissing):
        assembly.complete(parts)
    with pytest.raises(AssemblyMissing):
        assembly.put(FIRST, 1, 0)
    assert store.objects.size(KEY) is None
    neighbour.complete([neighbour.put(b"stays", 1, 0)])
    assert content_of(store.objects, f"{KEY}0") == b"stays"
    assert store.hidden() == []


def test_what_is_not_an_assembly_is_missing(objects: Objects) -> None:
    elsewhere = begun(objects, "data/u2/0")
    stranger = replace(elsewhere, key=KEY)
    part = elsewhere.put(b"x", 1, 0)

    with pytest.raises(AssemblyMissing):
        stranger.complete([part])
    assert objects.size(KEY) is None
    objects.abandon(KEY, "0" * 32)
    with pytest.raises(AssemblyMissing):
        replace(elsewhere, id="0" * 32).put(b"x", 1, 0)
    elsewhere.complete([part])
    assert content_of(objects, "data/u2/0") == b"x"


@pytest.mark.parametrize("key", ["", "../a", "a//b", "a b"])
def test_what_is_not_a_key_has_no_assemblies(objects: Objects, key: str) -> None:
    for ask in (
        lambda: objects.assemble(key, TYPE),
        lambda: objects.part(key, "0" * 32, 1, 0, 1),
        lambda: objects.parts(key, "0" * 32),
        lambda: objects.complete(key, "0" * 32, [Part(1, 0, 1, "0" * 64, 0, "t")]),
        lambda: objects.abandon(key, "0" * 32),
    ):
        with pytest.raises(ValueError, match="not a key"):
            ask()


# Dying


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("step", ["assemble", "part", "complete"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_dies_at_any_step_leaves_what_another_one_finishes(store: Store, step: str, moment: str) -> None:
    class DeathError(Exception):
        pass

    def die() -> None:
        failpoints.disarm()
        raise DeathError

    failpoints.arm(f"objects.{step}.{moment}", die)
    while True:
        try:
            assembly, parts = filled(store.objects)
            break
        except DeathError:
            continue
    try:
        assembly.complete(parts)
    except DeathError:
        assert store.objects.size(KEY) in (None, len(WHOLE))

    done = assembly.complete(parts)

    assert done == assembled(WHOLE, done.sha256)
    assert content_of(store.objects, KEY) == WHOLE
    store.objects.delete(KEY)
    assert list(store.objects.keys()) == []
    assert store.hidden() == []


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_dies_while_abandoning_can_do_it_again(store: Store, moment: str) -> None:
    class DeathError(Exception):
        pass

    def die() -> None:
        raise DeathError

    assembly, _ = filled(store.objects)
    failpoints.arm(f"objects.abandon.{moment}", die)
    with pytest.raises(DeathError):
        store.objects.abandon(KEY, assembly.id)
    failpoints.disarm()

    store.objects.abandon(KEY, assembly.id)

    assert store.hidden() == []


@pytest.mark.usefixtures("armed")
def test_fail_points_stand_before_and_after_each_step(objects: Objects) -> None:
    passed: list[str] = []
    for name in failpoints.names():
        failpoints.arm(name, lambda name=name: passed.append(name))  # type: ignore[misc]

    assembly, parts = filled(objects, contents=[b"x"])
    assembly.complete(parts)
    objects.abandon(KEY, assembly.id)

    steps = ("assemble", "part", "complete", "abandon")
    assert passed == [f"objects.{step}.{moment}" for step in steps for moment in ("before", "after")]


PART = """if True:
    import pickle, sys
    from pathlib import Path
    make, arguments, key, assembly = pickle.load(sys.stdin.buffer)
    objects = make(**arguments)

    def status(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    def part(number, mebibytes):
        writer, chunk = objects.part(key, assembly, number, 0, mebibytes << 20), bytes(1 << 20)
        while writer.room:
            writer.feed(chunk)
        writer.finish()

    part(1, 1)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = status("VmRSS")
    for number in range(2, 6):
        part(number, 32)
    print((status("VmHWM") - before) >> 10)
"""


def test_a_part_costs_its_own_memory_once_and_gives_it_back(store: Store) -> None:
    """In MiB, of parts of 32."""
    arguments = type(store.objects), store.arguments, KEY, begun(store.objects).id
    started = subprocess.run([sys.executable, "-c", PART], input=pickle.dumps(arguments), stdout=subprocess.PIPE, check=True)

    assert int(started.stdout) <= 36


def test_many_parts_of_odd_lengths(objects: Objects) -> None:
    lengths = random.Random(5)
    contents = [some_bytes(MIN_PART + lengths.randrange(1000), number) for number in range(5)] + [b"end"]
    assembly, parts = filled(objects, contents=contents)

    done = assembly.complete(parts)

    assert done == assembled(b"".join(contents), done.sha256)
    assert content_of(objects, KEY) == b"".join(contents)
