"""The compaction port: what it says of a deleted object's bytes is what the disks hold."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.contract.faulty import FaultyStore
from tests.contract.object_stores import KEY, s3_store, write
from tests.servers.seaweedfs import SeaweedFS

from holdfast.storage.objects import Objects, Sight, StoreUnavailable, Trace
from holdfast.storage.objects.compaction import Taken
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.seaweedfs import SeaweedFSCompactor

PATIENCE = 60.0


def looked(compactor: SeaweedFSCompactor, trace: Trace, until: Callable[[Sight], bool]) -> Sight:
    """The first sight of the object that is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while True:
        [sight] = compactor.look([trace])
        if until(sight):
            return sight
        assert time.monotonic() < deadline, sight
        trace = sight.trace
        time.sleep(0.1)


def compacted(compactor: SeaweedFSCompactor, trace: Trace) -> Sight:
    """Returns when nothing is left of the object. The store is asked to compact again and again, as a purge does: it leaves
    a volume out that is busy."""

    def gone(sight: Sight) -> bool:
        if sight.left is not None:
            compactor.compact()
        return sight.left is None

    return looked(compactor, trace, gone)


def made(seaweedfs: SeaweedFS) -> tuple[Objects, SeaweedFSCompactor]:
    store = s3_store(seaweedfs)
    arguments = {name: store.arguments[name] for name in ("bucket", "prefix")}
    return store.objects, SeaweedFSCompactor(master=seaweedfs.master, filer=seaweedfs.filer, **arguments)


def traced(compactor: SeaweedFSCompactor, key: str = KEY) -> Trace:
    trace = compactor.trace(key)
    assert trace is not None
    return trace


def test_bytes_on_seaweedfs_are_there_until_their_volume_was_compacted_after_the_delete(seaweedfs: SeaweedFS) -> None:
    objects, compactor = made(seaweedfs)
    content = secrets.token_bytes(100_000)
    write(objects, KEY, content)
    trace = traced(compactor)
    [before] = compactor.look([trace])
    assert before.alive
    objects.delete(KEY)
    assert seaweedfs.on_disk(content[:64])
    deleted = looked(compactor, trace, lambda sight: not sight.alive)
    assert deleted.left is not None
    assert "has not been compacted since" in deleted.left
    assert seaweedfs.on_disk(content[:64]), "a deleted object's bytes stay on the disk"
    gone = compacted(compactor, deleted.trace)
    assert not seaweedfs.on_disk(content[:64])
    assert compactor.look([gone.trace]) == [gone], "and it stays so"


def test_a_compaction_before_the_delete_has_arrived_does_not_count(seaweedfs: SeaweedFS) -> None:
    objects, compactor = made(seaweedfs)
    content = secrets.token_bytes(50_000)
    write(objects, KEY, content)
    trace = traced(compactor)
    objects.delete(KEY)
    compactor.compact()  # the filer has not told the volume server yet
    [sight] = compactor.look([trace])
    assert sight.left is not None or not seaweedfs.on_disk(content[:64])
    after = looked(compactor, sight.trace, lambda sight: not sight.alive)
    # The delete may have arrived while the store was at it: then the bytes can be gone, and are not said to be before the next one.
    assert after.left is not None or not seaweedfs.on_disk(content[:64])
    compacted(compactor, after.trace)
    assert not seaweedfs.on_disk(content[:64])


def test_an_object_of_many_parts_has_all_its_needles_looked_for(seaweedfs: SeaweedFS) -> None:
    objects, compactor = made(seaweedfs)
    write(objects, KEY, secrets.token_bytes(13 << 20))
    trace = traced(compactor)
    assert sum(len(needles) for needles in trace["needles"].values()) >= 3
    objects.delete(KEY)
    deleted = looked(compactor, trace, lambda sight: not sight.alive)
    compacted(compactor, deleted.trace)


def test_a_delete_that_the_filer_forgot_is_insisted_on(seaweedfs: SeaweedFS) -> None:
    objects, compactor = made(seaweedfs)
    content = secrets.token_bytes(50_000)
    write(objects, KEY, content)
    trace = traced(compactor)
    forget(seaweedfs, KEY, compactor)
    assert objects.size(KEY) is None
    time.sleep(3)  # longer than the filer's queue takes
    [sight] = compactor.look([trace])
    assert sight.alive
    compactor.insist(sight.trace)
    deleted = looked(compactor, sight.trace, lambda sight: not sight.alive)
    compacted(compactor, deleted.trace)
    assert not seaweedfs.on_disk(content[:64])


def forget(seaweedfs: SeaweedFS, key: str, compactor: SeaweedFSCompactor) -> None:
    """As a filer does that dies after it has acknowledged a delete: the name goes, the needles stay."""
    url = f"{seaweedfs.filer}{compactor._folder}{key}"
    assert httpx.delete(url, params={"skipChunkDeletion": "true"}, trust_env=False).status_code == 204


def test_an_object_that_is_not_there_has_no_trace(seaweedfs: SeaweedFS) -> None:
    _, compactor = made(seaweedfs)
    assert compactor.trace("data/nobody/0") is None


def test_an_empty_object_leaves_nothing(seaweedfs: SeaweedFS) -> None:
    objects, compactor = made(seaweedfs)
    write(objects, KEY, b"")
    trace = traced(compactor)
    objects.delete(KEY)
    assert [sight.left for sight in compactor.look([trace])] == [None]


@pytest.mark.parametrize("answers", ["fail", "refuse"])
def test_servers_that_do_not_answer_prove_nothing(seaweedfs: SeaweedFS, answers: str) -> None:
    objects, compactor = made(seaweedfs)
    write(objects, KEY, b"hello")
    trace = traced(compactor)
    objects.delete(KEY)
    away = FaultyStore(lambda _method, _path: answers, seaweedfs.master)  # type: ignore[arg-type,return-value]
    try:
        blind = SeaweedFSCompactor(master=away.endpoint, filer=away.endpoint, bucket="shared")
        for ask in (lambda: blind.trace(KEY), lambda: blind.look([trace]), blind.compact):
            with pytest.raises(StoreUnavailable):
                ask()
        lost = {volume: [away.endpoint.removeprefix("http://")] for volume in trace["servers"]}
        [sight] = compactor.look([{**trace, "servers": lost}])
        assert sight.left is not None
    finally:
        away.close()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not the address"):
        SeaweedFSCompactor(master="", filer="http://localhost:8888", bucket="b")


def test_in_a_folder_a_deleted_objects_bytes_are_gone_at_once(tmp_path: Path) -> None:
    objects, compactor = FolderObjects(tmp_path), Taken("immediate")
    marker = secrets.token_bytes(64)
    write(objects, KEY, marker)
    trace = compactor.trace(KEY)
    objects.delete(KEY)
    assert [sight.left for sight in compactor.look([trace])] == [None]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and marker in path.read_bytes()] == []
