"""What only the folder's assemblies show: their file, and who may still write to it."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from holdfast import failpoints
from holdfast.storage.objects import AssemblyMissing, Part, PartsDiffer, StoreUnavailable
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.parts import MIN_PART

KEY = "data/u1/0"
FIRST, LAST = b"a" * MIN_PART, b"end"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FolderObjects]:
    yield FolderObjects(tmp_path)
    failpoints.disarm()


def put(objects: FolderObjects, assembly: str, content: bytes, number: int = 1, offset: int = 0) -> Part:
    writer = objects.part(KEY, assembly, number, offset, len(content))
    writer.feed(content)
    return writer.finish()


def content(objects: FolderObjects) -> bytes:
    return b"".join(objects.read(KEY))


def test_the_object_is_the_file_itself_and_its_sha256_is_known(objects: FolderObjects, tmp_path: Path) -> None:
    assembly = objects.assemble(KEY, "a/b")
    [file] = (tmp_path / "temporary").iterdir()
    inode = file.stat().st_ino
    parts = [put(objects, assembly, FIRST), put(objects, assembly, LAST, 2, MIN_PART)]

    done = objects.complete(KEY, assembly, parts)

    assert (tmp_path / "finished" / KEY).stat().st_ino == inode
    assert list((tmp_path / "temporary").iterdir()) == []
    assert (done.size, done.crc32) == (MIN_PART + 3, zlib.crc32(FIRST + LAST))
    assert done.sha256 is not None


def test_a_file_that_lost_bytes_says_which_parts(objects: FolderObjects, tmp_path: Path) -> None:
    assembly = objects.assemble(KEY, "a/b")
    parts = [
        put(objects, assembly, FIRST),
        put(objects, assembly, FIRST, 2, MIN_PART),
        put(objects, assembly, LAST, 3, 2 * MIN_PART),
    ]
    [file] = (tmp_path / "temporary").iterdir()
    with file.open("r+b") as damaged:
        damaged.seek(MIN_PART + 5)
        damaged.write(b"b")
        damaged.truncate(2 * MIN_PART + 1)

    with pytest.raises(PartsDiffer) as caught:
        objects.complete(KEY, assembly, parts)

    assert caught.value.numbers == (2, 3)
    assert objects.size(KEY) is None


def test_a_part_that_opened_the_file_before_it_was_completed_does_not_reach_the_object(objects: FolderObjects) -> None:
    """It waits for the lock, and finds that the file is the object's."""
    assembly = objects.assemble(KEY, "a/b")
    part = put(objects, assembly, b"good")
    completing, go_on = Event(), Event()
    late = objects.part(KEY, assembly, 1, 0, 4)
    late.feed(b"late")
    with ThreadPoolExecutor(2) as threads:
        os_link = os.link

        def link(source: Path, target: Path) -> None:
            os_link(source, target)
            completing.set()
            go_on.wait(10)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "link", link)
            done = threads.submit(objects.complete, KEY, assembly, [part])
            completing.wait(10)
            sent = threads.submit(late.finish)
            while not _waits_for_a_lock():
                pass
            go_on.set()
            assert done.result().size == 4
        with pytest.raises(AssemblyMissing):
            sent.result()

    assert content(objects) == b"good"


def _waits_for_a_lock() -> bool:
    pid = f" {os.getpid()} "
    return any("->" in line and pid in line for line in Path("/proc/locks").read_text().splitlines())


def test_who_dies_before_the_first_name_is_taken_away_leaves_no_way_into_the_object(objects: FolderObjects, tmp_path: Path) -> None:
    assembly = objects.assemble(KEY, "a/b")
    part = put(objects, assembly, b"good")
    [file] = (tmp_path / "temporary").iterdir()
    done = objects.complete(KEY, assembly, [part])
    os.link(tmp_path / "finished" / KEY, file)

    with pytest.raises(AssemblyMissing):
        put(objects, assembly, b"evil")

    assert content(objects) == b"good"
    assert objects.complete(KEY, assembly, [part]) == done
    assert not file.exists()


def test_an_assembly_that_is_abandoned_while_it_is_completed_is_no_object(objects: FolderObjects, tmp_path: Path) -> None:
    assembly = objects.assemble(KEY, "a/b")
    part = put(objects, assembly, b"good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda fd, size: objects.abandon(KEY, assembly))
        with pytest.raises(StoreUnavailable, match="removed"):
            objects.complete(KEY, assembly, [part])

    with pytest.raises(AssemblyMissing):
        objects.complete(KEY, assembly, [part])
    assert objects.size(KEY) is None


@pytest.mark.parametrize("step", ["assemble", "part", "complete", "abandon"])
def test_a_fault_of_the_disk_is_unavailable_and_what_was_asked_can_be_asked_again(objects: FolderObjects, step: str) -> None:
    def fail() -> None:
        failpoints.disarm()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assembly = objects.assemble(KEY, "a/b")
    writer = objects.part(KEY, assembly, 1, 0, 4)
    writer.feed(b"good")
    part = Part(1, 0, 4, "", zlib.crc32(b"good"))
    asked: dict[str, Callable[[], object]] = {
        "assemble": lambda: objects.assemble(KEY, "a/b"),
        "part": writer.finish,
        "complete": lambda: objects.complete(KEY, assembly, [part]),
        "abandon": lambda: objects.abandon(KEY, assembly),
    }
    if step == "complete":
        writer.finish()
    failpoints.arm(f"objects.{step}.before", fail)
    with pytest.raises(StoreUnavailable, match="full"):
        asked[step]()

    asked[step]()


def test_nothing_is_open_after_all(objects: FolderObjects) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assembly = objects.assemble(KEY, "a/b")
    part = put(objects, assembly, b"x")
    objects.complete(KEY, assembly, [part])
    objects.complete(KEY, assembly, [part])

    assert len(os.listdir("/proc/self/fd")) == before


def test_there_is_neither_a_list_nor_a_link(objects: FolderObjects) -> None:
    assembly = objects.assemble(KEY, "a/b")
    put(objects, assembly, b"x")

    assert objects.parts(KEY, assembly) == []
    assert objects.part_link(KEY, assembly, 1, size=1, sha256="0" * 64, expires=datetime.now(UTC)) is None


@pytest.mark.parametrize("assembly", ["", "..", "../x", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "\n", "x" * 255])
def test_what_is_not_an_id_is_refused(objects: FolderObjects, assembly: str) -> None:
    for ask in (
        lambda: objects.part(KEY, assembly, 1, 0, 1),
        lambda: objects.parts(KEY, assembly),
        lambda: objects.complete(KEY, assembly, []),
        lambda: objects.abandon(KEY, assembly),
    ):
        with pytest.raises(ValueError, match="not an assembly"):
            ask()
