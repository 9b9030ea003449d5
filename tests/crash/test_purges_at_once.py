"""Something is done to an asset while a version of it is purged: whoever is held up, and wherever, nothing is both saved and
erased, and nothing else notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.asgi import Http
from tests.behaviour.erased import NOW, condemned, disagreements, keys, row
from tests.behaviour.moments import path, upload
from tests.crash.pausing import pause_at
from tests.crash.test_acts_at_once import HELD_UP
from tests.crash.test_holds_at_once import PLACING
from tests.crash.test_purge import DELETES, PURGE_POINTS
from tests.stacks import SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.lifecycle.purging import purge

RESTORE_POINTS = ["assets.transition.before", "assets.transition.commit.before", "assets.transition.after"]
Both = Callable[[Callable[[], Any], str, Callable[[], Any]], tuple[Any, Any]]


@pytest.fixture
def both() -> Iterator[Both]:
    """Holds up the first at a fail point, lets the second go on meanwhile, and gives what both returned."""
    with ThreadPoolExecutor(2) as pool:

        def run(first: Callable[[], Any], point: str, second: Callable[[], Any]) -> tuple[Any, Any]:
            with pause_at(point) as pause:
                held_up = pool.submit(first)
                pause.wait()
                meanwhile = pool.submit(second)
                wait([meanwhile], HELD_UP)
                pause.let_go()
                return held_up.result(), meanwhile.result()

        yield run


def hold(http: Http, version: dict[str, Any]) -> bool:
    """Whether the hold came in time; a version that it came too late for is named."""
    wanted = {"matter": "m", "reason": "r", "assets": [version["asset_path"]]}
    reply = http.post("/holds", json=wanted)
    assert reply.status_code == 201, reply.text
    covered, lost = reply.json()["covered"], reply.json()["lost"]["count"]
    assert (covered, lost) in [(1, 0), (0, 1)]
    return bool(covered)


def restore(http: Http, version: dict[str, Any]) -> bool:
    reply = http.post(f"/filerestore/{path(version)}")
    assert reply.status_code in (200, 409), reply.text
    return reply.status_code == 200


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize("take", [restore, hold])
def test_a_restore_or_a_hold_at_any_moment_of_a_purge_comes_before_or_after_it(
    stack: Stack, take: Callable[[Http, dict[str, Any]], bool], both: Both
) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http, stack.client(ada, services) as elsewhere:

        def check(version: dict[str, Any], saved: bool) -> None:
            purge(services)
            found = row(stack, version)
            objects = [stack.own.objects.size(key) for key in keys(stack, version)]
            if saved:
                assert (found.status, found.phase) == (("archived", None) if take is restore else ("destroyed", "condemned"))
                assert None not in objects
            else:
                assert (found.phase, objects) == ("erased", [None, None])

        for number, point in enumerate([*PURGE_POINTS, *DELETES]):
            version = condemned(http, f"{number}.txt", b"hello", ("side.txt", b"beside"))
            _, saved = both(partial(purge, services), point, partial(take, elsewhere, version))
            assert saved == (point == "purge.begin.before")
            check(version, saved)
        for point in RESTORE_POINTS if take is restore else PLACING:
            version = condemned(http, f"{point}.txt", b"hello", ("side.txt", b"beside"))
            saved, _ = both(partial(take, elsewhere, version), point, partial(purge, services))
            # Until then neither has anything of the version: a hold covers what was there once it is counted on it.
            assert saved == (point not in ("assets.transition.before", *PLACING[:-1])), point
            check(version, saved)
    assert disagreements(stack) == []


Act = Callable[[Http, dict[str, Any], dict[str, Any]], int]
"""Does something to an asset of which there are a version that is purged, and a newer one. What it is answered with."""


def _archive(http: Http, _old: dict[str, Any], new: dict[str, Any]) -> int:
    return http.post(f"/filearchive/{path(new)}").status_code


def _add_files(http: Http, _old: dict[str, Any], new: dict[str, Any]) -> int:
    return http.post(f"/add-associated-files/{new['asset_path']}", files={"associated_files": ("more.txt", b"more")}).status_code


def _add_files_to_it(http: Http, old: dict[str, Any], _new: dict[str, Any]) -> int:
    to_it = {"primary_version_id": old["version_id"]}
    files = {"associated_files": ("more.txt", b"more")}
    return http.post(f"/add-associated-files/{old['asset_path']}", files=files, data=to_it).status_code


def _upload(http: Http, old: dict[str, Any], _new: dict[str, Any]) -> int:
    """Of the bytes that are being erased, which are to be there again."""
    name = f"{old['asset_path'].rpartition('/')[2]}.txt"
    return http.post("/fileupload", files={"primary_file": (name, b"first")}).status_code


BESIDE: dict[str, tuple[Act, int]] = {
    "archive": (_archive, 200),
    "add files": (_add_files, 200),
    "add files to what is purged": (_add_files_to_it, 409),
    "upload": (_upload, 200),
}


@pytest.mark.parametrize(
    ("stack", "what"), [*((SQLITE, what) for what in BESIDE), (SQL, "upload"), (SQL, "add files")], indirect=["stack"]
)
def test_what_is_done_to_the_asset_beside_a_purge_is_done_as_ever(stack: Stack, what: str, both: Both) -> None:
    act, answer = BESIDE[what]
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http, stack.client(ada, services) as elsewhere:

        def prepared(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            old = condemned(http, name, b"first", ("side.txt", b"beside"))
            return old, upload(http, name, b"second")

        def check(old: dict[str, Any], new: dict[str, Any], point: str) -> None:
            purge(services)
            found = row(stack, old)
            assert (found.phase, [stack.own.objects.size(key) for key in keys(stack, old)]) == ("erased", [None, None]), point
            if act is _archive:
                assert row(stack, new).status == "archived", point
            else:
                there = http.get(f"/content/{new['asset_path']}", params={"version_id": new["version_id"]})
                assert there.content == b"second", point
            if act is _upload:
                assert http.get(f"/content/{old['asset_path']}").content == b"first", point

        pair = prepared("points.txt")
        with noted() as its_points:
            assert act(elsewhere, *pair) == answer
        for number, point in enumerate([*PURGE_POINTS, *DELETES]):
            pair = prepared(f"purge{number}.txt")
            _, told = both(partial(purge, services), point, partial(act, elsewhere, *pair))
            assert told == answer, point
            check(*pair, point)
        for number, point in enumerate(its_points):
            pair = prepared(f"act{number}.txt")
            told, _ = both(partial(act, elsewhere, *pair), point, partial(purge, services))
            assert told == answer, point
            check(*pair, point)
    assert disagreements(stack) == []


@contextmanager
def noted() -> Iterator[list[str]]:
    """The fail points that anybody comes by, each once."""
    seen: dict[str, None] = {}
    for name in failpoints.names():
        failpoints.arm(name, lambda name=name: seen.setdefault(name))  # type: ignore[misc]
    came: list[str] = []
    try:
        yield came
    finally:
        failpoints.disarm()
        came += seen
