"""Many uploads while the server, and the store, are killed at random moments. ``HOLDFAST_TEST_UPLOADS`` says how many (1000 for all
of what issue 6 asks for; 100 if it does not)."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from tests.servers.process import passing_folder
from tests.servers.required import running
from tests.servers.seaweedfs import SeaweedFS
from tests.stacks import SQL, SQLITE, Stack, User, made
from tests.uploads.killing import at_random, killed
from tests.uploads.speaking import BYTES, VERSION, data, metadata, path_of

COUNT = int(os.environ.get("HOLDFAST_TEST_UPLOADS", "100"))
AT_ONCE = 8
SMALL, LARGE = 100_000, 3 << 20
"""Bytes of a chunk: of most uploads, whose chunks are objects of their own until the end, and of every tenth, whose bytes become
parts."""


@dataclass
class Told:
    """Of one upload: how often an answer did not come, or was not the good one, and how many bytes were sent again in all."""

    interruptions: int = 0
    again: int = 0


class Sender:
    """A client that keeps at it: what it was acknowledged it never sends again."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def send(self, name: str, content: bytes, chunk: int) -> Told:
        told, acknowledged = Told(), 0
        about = {**VERSION, "Upload-Length": str(len(content)), **metadata(filename=name)}
        path = path_of(self._insisting(lambda: self._http.post("/uploads", headers=about), 201))
        while acknowledged < len(content):
            piece = content[acknowledged : acknowledged + chunk]
            said = {**BYTES, "Upload-Offset": str(acknowledged)}
            if _status(lambda: self._http.patch(path, headers=said, content=piece)) == 204:  # noqa: B023  called at once
                acknowledged += len(piece)
                continue
            told.interruptions += 1
            time.sleep(1)  # for the store, which is away for longer than the server
            found = self._insisting(lambda: self._http.head(path, headers=VERSION), 200)
            offset = int(found.headers["upload-offset"])
            assert acknowledged <= offset <= acknowledged + len(piece), "nothing acknowledged is lost, and nothing is made up"
            told.again += acknowledged + len(piece) - offset
            acknowledged = offset
        return told

    def _insisting(self, ask: Callable[[], httpx.Response], wanted: int) -> httpx.Response:
        deadline = time.monotonic() + 120
        while True:
            try:
                reply = ask()
            except httpx.HTTPError:
                reply = None
            if reply is not None and reply.status_code == wanted:
                return reply
            assert reply is None or reply.status_code in (423, 500, 502, 503, 504), reply.text
            assert time.monotonic() < deadline, "it does not answer any more"
            time.sleep(0.1)


def _status(ask: Callable[[], httpx.Response]) -> int | None:
    try:
        return ask().status_code
    except httpx.HTTPError:
        return None


@pytest.fixture
def mortal() -> Iterator[SeaweedFS]:
    yield from running(lambda: SeaweedFS.start(mortal=True))


@pytest.mark.timeout(0 if COUNT > 100 else 600)
@pytest.mark.parametrize("name", [SQLITE, SQL])
def test_deaths_at_random_moments_cost_a_chunk_each_and_make_no_file_wrong(
    request: pytest.FixtureRequest, name: str, tell: Callable[[str], None]
) -> None:
    with passing_folder("stack") as folder, made(request, name, folder, store_fixture="mortal") as stack:
        stack.values.update(reconcile_seconds=1)
        uploads = [contents(number) for number in range(COUNT)]
        total = sum(len(content) for content, _ in uploads)
        store = request.getfixturevalue("mortal") if name == SQL else None
        with killed(stack, at_random(total, max(3, COUNT // AT_ONCE), name), store) as server:
            ada = stack.user("ada")
            numbers = itertools.count()

            def client() -> list[Told]:
                done = []
                with connected(server.address, ada) as http:
                    while (number := next(numbers)) < COUNT:
                        content, chunk = uploads[number]
                        told = Sender(http).send(f"file{number}.bin", content, chunk)
                        assert told.again <= told.interruptions * chunk
                        done.append(told)
                return done

            with ThreadPoolExecutor(AT_ONCE) as clients:
                told = [one for client in [clients.submit(client) for _ in range(AT_ONCE)] for one in client.result()]
            server.survive()
            wrong = compare(stack, server.address, ada, [content for content, _ in uploads])
        assert len(told) == COUNT
        assert wrong == []
        met = [one for one in told if one.interruptions]
        assert met, "deaths met uploads"
        again = sum(one.again for one in told)
        tell(
            f"{stack.name}: {COUNT} uploads, {server.kills} deaths of the server and {server.other_kills} of the store, which met "
            f"{len(met)} uploads {sum(one.interruptions for one in met)} times: {again} of {total} bytes sent again, at most a "
            f"chunk each time; 0 wrong files"
        )


def connected(address: str, user: User) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {user.token}"}, timeout=30, trust_env=False)


def contents(number: int) -> tuple[bytes, int]:
    """What is uploaded, and in which chunks."""
    chance = random.Random(number)
    chunk = LARGE if number % 10 == 9 else SMALL
    return data(chance.randrange(1, 5 * chunk), number), chunk


def compare(stack: Stack, address: str, user: User, contents: list[bytes]) -> list[str]:
    """Which of the files are not there, or not what was sent, once everything has been finished."""
    wrong = []
    with connected(address, user) as http:
        deadline = time.monotonic() + 120
        for number, content in enumerate(contents):
            url = f"/content/application/bin/file{number}"
            while (reply := http.get(url)).status_code == 404 and time.monotonic() < deadline:
                time.sleep(0.2)  # it is finished without its client's help
            if reply.status_code != 200 or reply.content != content:
                wrong.append(f"file{number}: {reply.status_code}, {len(reply.content)} of {len(content)} bytes")
        listed = http.get("/assets", params={"limit": 1000, "versions": "all"}).json()["items"]
    if len(listed) != len(contents):
        wrong.append(f"{len(listed)} versions of {len(contents)} files")
    return wrong
