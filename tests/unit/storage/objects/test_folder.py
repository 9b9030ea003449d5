"""What only the folder adapter shows: its files, and its disk's faults."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast import failpoints
from holdfast.storage.objects import Objects, StoreUnavailable
from holdfast.storage.objects.folder import BUFFER, FolderObjects

KEY = "data/u1/0"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FolderObjects]:
    yield FolderObjects(tmp_path / "store")
    failpoints.disarm()


def write(objects: Objects, key: str, content: bytes = b"x") -> None:
    writer = objects.writer(key, "a/b")
    rest = memoryview(content)
    while rest:
        if writer.full:
            writer.flush()
        rest = rest[writer.feed(rest) :]
    writer.finish()


def write_and_delete(objects: Objects, content: bytes) -> None:
    write(objects, KEY, content)
    objects.delete(KEY)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def folders(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


def test_nothing_is_made_before_the_first_object(objects: FolderObjects, tmp_path: Path) -> None:
    objects.writer(KEY, "a/b").abort()
    objects.delete(KEY)

    assert list(objects.keys()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_a_path_below_finished(objects: FolderObjects, tmp_path: Path) -> None:
    write(objects, KEY)

    assert files(tmp_path / "store") == [f"finished/{KEY}"]


def test_delete_takes_empty_folders_along_and_leaves_the_others(objects: FolderObjects, tmp_path: Path) -> None:
    write(objects, "data/u1/0")
    write(objects, "data/u2/0")

    objects.delete("data/u1/0")
    assert folders(tmp_path / "store") == ["finished", "finished/data", "finished/data/u2", "temporary"]

    objects.delete("data/u2/0")
    assert folders(tmp_path / "store") == ["finished", "temporary"]


@pytest.mark.parametrize("length", [1, BUFFER + 1])
def test_what_a_killed_process_leaves_is_invisible_and_goes_with_its_key(
    objects: FolderObjects, tmp_path: Path, length: int
) -> None:
    points = [name for name in failpoints.names() if name.startswith("objects.") and not name.startswith("objects.delete")]
    assert points
    for point in points:
        child = os.fork()
        if not child:
            failpoints.arm(point, lambda: os._exit(7))
            write(objects, KEY, bytes(length))
            os._exit(0)
        os.waitpid(child, 0)

        assert [path.stat().st_size for path in (tmp_path / "store" / "finished").rglob("*") if path.is_file()] in ([], [length])
        assert list(objects.keys()) in ([], [KEY])
        write(objects, KEY, bytes(length))
        objects.delete(KEY)
        assert files(tmp_path) == []


def test_a_writer_that_is_dropped_closes_its_file(objects: FolderObjects) -> None:
    before = len(os.listdir("/proc/self/fd"))
    writer = objects.writer(KEY, "a/b")
    while not writer.full:
        writer.feed(bytes(BUFFER))
    writer.flush()
    assert len(os.listdir("/proc/self/fd")) == before + 1

    del writer

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reader_that_stops_early_closes_its_file(objects: FolderObjects) -> None:
    write(objects, KEY, bytes(3))
    before = len(os.listdir("/proc/self/fd"))
    started, unstarted = objects.read(KEY), objects.read(KEY)
    next(started)
    assert len(os.listdir("/proc/self/fd")) == before + 2

    started.close()
    unstarted.close()

    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_keys_come_sorted_and_once_however_few_names_are_held_at_a_time(tmp_path: Path, at_once: int) -> None:
    objects = FolderObjects(tmp_path, names_at_once=at_once)
    keys = ["data/a/0", "data/a/1", "data/a/2", "data/b/0", "data/c/0", "data/d/0", "e"]
    for key in reversed(keys):
        write(objects, key)

    assert list(objects.keys()) == keys
    assert list(objects.keys("data/a")) == keys[:3]


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        (errno.ENOSPC, "disk of the object folder is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "rights"),
        (errno.EIO, "faulty"),
        (errno.ESTALE, "does not work"),
    ],
)
@pytest.mark.parametrize("step", ["put", "part", "complete", "delete"])
def test_a_fault_of_the_disk_is_unavailable_and_says_which(
    objects: FolderObjects, tmp_path: Path, step: str, number: int, detail: str
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    failpoints.arm(f"objects.{step}.before", fail)

    with pytest.raises(StoreUnavailable, match=detail):
        write_and_delete(objects, bytes(BUFFER + 1 if step == "complete" else 1))

    failpoints.disarm()
    objects.delete(KEY)
    assert files(tmp_path) == []


@pytest.mark.parametrize("step", ["put", "part", "delete"])
def test_the_check_fails_on_a_faulty_disk(objects: FolderObjects, step: str) -> None:
    def fail() -> None:
        raise OSError(errno.EROFS, "read-only")

    failpoints.arm(f"objects.{step}.before", fail)

    with pytest.raises(StoreUnavailable, match="read-only"):
        objects.check()


def test_a_root_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    objects = FolderObjects(tmp_path / "file")

    with pytest.raises(StoreUnavailable):
        objects.check()
    with pytest.raises(StoreUnavailable):
        write(objects, KEY)


def test_a_read_error_of_the_disk_is_unavailable(objects: FolderObjects, tmp_path: Path) -> None:
    write(objects, "data/u1/1")
    (tmp_path / "store/finished" / KEY).symlink_to("/proc/self/mem")  # Linux: reading its first byte is an EIO
    chunks = objects.read(KEY)

    with pytest.raises(StoreUnavailable, match="faulty"):
        next(chunks)


def test_there_is_no_link(objects: FolderObjects) -> None:
    write(objects, KEY)

    assert objects.link(KEY, expires=datetime.now(UTC), content_type="a/b", disposition="inline") is None
