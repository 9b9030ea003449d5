"""Something is done to an asset while a version of it is purged: whoever is held up, and wherever, nothing is both saved and
erased, and nothing else notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from tests.asgi import Http
from tests.behaviour.erased import NOW, condemned, disagreements, keys, row
from tests.behaviour.moments import path, upload
from tests.crash.pausing import noted, pause_at, rest
from tests.crash.test_acts_at_once import HELD_UP
from tests.crash.test_holds_at_once import PLACING
from tests.crash.test_purge import DELETES, PURGE_POINTS
from tests.stacks import SQL, SQLITE, Stack

from holdfast.lifecycle.purging import purge
from holdfast.services import Services

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


def points_of(stack: Stack, services: Services) -> list[str]:
    """The fail points that a purge comes by, for which one version is due."""
    rest(stack)
    with noted() as points:
        assert purge(services).erased == 1
    assert set(points) >= {*PURGE_POINTS, *DELETES}
    return points


Take = Callable[[Http, dict[str, Any]], bool]
DECISIVE: dict[Take, str] = {restore: "assets.transition.commit.before", hold: PLACING[-1]}
"""From where on it has the version: a hold covers what was there once it is counted on it."""


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize("take", [restore, hold])
def test_a_restore_or_a_hold_at_any_moment_of_a_purge_comes_before_or_after_it(stack: Stack, take: Take, both: Both) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http, stack.client(ada, services) as elsewhere:

        def prepared(name: str) -> dict[str, Any]:
            version = condemned(http, name, b"hello", ("side.txt", b"beside"))
            rest(stack)
            return version

        prepared("purged.txt")
        of_purge = points_of(stack, services)
        first = prepared("first.txt")
        with noted() as of_taking:
            assert take(elsewhere, first)
        taken = [(first, True)]
        for number, point in enumerate(of_purge):
            version = prepared(f"purge{number}.txt")
            _, saved = both(partial(purge, services), point, partial(take, elsewhere, version))
            assert saved == (point == "purge.begin.before"), point
            taken.append((version, saved))
        for number, point in enumerate(of_taking):
            version = prepared(f"taking{number}.txt")
            saved, _ = both(partial(take, elsewhere, version), point, partial(purge, services))
            assert saved == (number >= of_taking.index(DECISIVE[take])), point
            taken.append((version, saved))

        purge(services)
        for version, saved in taken:
            found = row(stack, version)
            objects = [stack.own.objects.size(key) for key in keys(stack, version)]
            if saved:
                assert (found.status, found.phase) == (("archived", None) if take is restore else ("destroyed", "condemned"))
                assert None not in objects
            else:
                assert (found.phase, objects) == ("erased", [None, None])
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


KNOWN = {"archive": "assets.transition.before", "add files": "commit.publish.before", "upload": "commit.publish.before"}


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize("what", BESIDE)
def test_what_is_done_to_the_asset_beside_a_purge_is_done_as_ever(stack: Stack, what: str, both: Both) -> None:
    act, answer = BESIDE[what]
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http, stack.client(ada, services) as elsewhere:

        def prepared(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            old = condemned(http, name, b"first", ("side.txt", b"beside"))
            new = upload(http, name, b"second")
            rest(stack)
            return old, new

        pairs = [prepared("points.txt")]
        with noted() as of_act:
            assert act(elsewhere, *pairs[0]) == answer
        assert answer == 409 or KNOWN[what] in of_act
        of_purge = points_of(stack, services)
        for number, point in enumerate(of_purge):
            pairs.append(prepared(f"purge{number}.txt"))
            _, told = both(partial(purge, services), point, partial(act, elsewhere, *pairs[-1]))
            assert told == answer, point
        for number, point in enumerate(of_act):
            pairs.append(prepared(f"act{number}.txt"))
            told, _ = both(partial(act, elsewhere, *pairs[-1]), point, partial(purge, services))
            assert told == answer, point

        purge(services)
        for old, new in pairs:
            found = row(stack, old)
            assert (found.phase, [stack.own.objects.size(key) for key in keys(stack, old)]) == ("erased", [None, None]), old
            if act is _archive:
                assert row(stack, new).status == "archived", new
            else:
                there = http.get(f"/content/{new['asset_path']}", params={"version_id": new["version_id"]})
                assert there.content == b"second", new
            if act is _upload:
                assert http.get(f"/content/{old['asset_path']}").content == b"first", old
    assert disagreements(stack) == []
