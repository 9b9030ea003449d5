"""``/console/upload`` in a real browser, used as people use it."""

from __future__ import annotations

import re
from copy import copy
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from holdfast.database import tables as t
from tests.behaviour.moments import bearer
from tests.cli.proxy import between
from tests.console.person import Person, at_the_page
from tests.security.tenants import PASSWORD
from tests.servers.chromium import Chromium
from tests.servers.clamd import MALWARE, SIGNATURE, Clamd
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.killing import Served, served
from tests.uploads.speaking import data

MIB = 1 << 20
pytestmark = pytest.mark.xdist_group("console")
everywhere = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


def file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def a_film_on_its_way(person: Person, folder: Path) -> tuple[Path, bytes]:
    """A file, and what is in it; the rest of it takes seconds."""
    content = data(4 * MIB)
    film = file(folder, "film.bin", content)
    person.slowly()
    person.choose(film)
    person.sent_some(film.name)
    return film, content


def there(person: Person, versions: str = "newest") -> list[dict[str, Any]]:
    """What is in the workspace."""
    url = f"{person.server.address}/assets"
    reply = httpx.get(url, headers=bearer(person.user.token), params={"versions": versions}, trust_env=False, timeout=30)
    found: list[dict[str, Any]] = reply.json()["items"]
    return found


def names(person: Person) -> list[str]:
    return sorted(version["primary_filename"] for version in there(person))


def test_many_files_become_versions_and_are_downloaded_by_links(alone: Person, tmp_path: Path) -> None:
    files = [file(tmp_path, f"file {number}.txt", b"%d" % number) for number in range(8)]
    alone.choose(*files, file(tmp_path, "empty.txt", b""))
    for path in files:
        alone.has(path.name, "done")
    alone.has("empty.txt", "done")
    expect(alone.page.locator("#summary")).to_have_text("9 of 9 files done, 100 % of 8 B")
    assert names(alone) == ["empty.txt", *(path.name for path in files)]
    expect(alone.row("file 3.txt")).to_contain_text(
        re.compile("version [0-9a-f]{12} of text/txt/file_3. Malware: not scanned here")
    )

    with alone.page.expect_download() as downloading:
        alone.press("Download", "file 3.txt")
    assert Path(downloading.value.path()).read_bytes() == b"3"
    assert downloading.value.suggested_filename == "file 3.txt"
    alone.press("Make a link", "file 3.txt")
    link = alone.row("file 3.txt").get_by_role("link")
    expect(link).to_be_focused()
    assert httpx.get(str(link.get_attribute("href")), trust_env=False).content == b"3"
    assert alone.user.token not in alone.page.content()


def test_a_folder_that_is_dropped_keeps_its_folders_in_names_and_labels(person: Person, tmp_path: Path) -> None:
    file(tmp_path, "trip/june/day.txt", b"june")
    file(tmp_path, "trip/july/day.txt", b"july")
    file(tmp_path, "trip/all.txt", b"all")
    person.page.get_by_label("Put them into folder").fill("my/trips/")
    person.drop(tmp_path / "trip", file(tmp_path, "alone.txt", b"alone"))
    for path in ("trip/june/day.txt", "trip/july/day.txt", "trip/all.txt", "alone.txt"):
        person.has(f"my/trips/{path}", "done")
    found = {version["primary_filename"]: version["labels"] for version in there(person)}
    assert found == {
        "my--trips--alone.txt": {"folder": "my/trips"},
        "my--trips--trip--all.txt": {"folder": "my/trips/trip"},
        "my--trips--trip--july--day.txt": {"folder": "my/trips/trip/july"},
        "my--trips--trip--june--day.txt": {"folder": "my/trips/trip/june"},
    }


def test_a_folder_can_be_chosen(person: Person, tmp_path: Path) -> None:
    file(tmp_path, "trip/june/day.txt", b"june")
    person.choose_folder(tmp_path / "trip")
    person.has("trip/june/day.txt", "done")
    assert names(person) == ["trip--june--day.txt"]


def test_an_upload_pauses_and_goes_on(person: Person, tmp_path: Path) -> None:
    _, content = a_film_on_its_way(person, tmp_path)
    person.press("Pause", "film.bin")
    person.has("film.bin", "paused")
    before = len(person.sent)
    person.page.wait_for_timeout(500)
    assert len(person.sent) == before
    assert there(person) == []
    person.quickly()
    person.press("Resume", "film.bin")
    person.has("film.bin", "done")
    [version] = there(person)
    assert version["sha256"] == sha256(content).hexdigest()
    assert sum(person.sizes()[before:]) < len(content)


def test_cancelling_leaves_nothing(person: Person, tmp_path: Path) -> None:
    a_film_on_its_way(person, tmp_path)
    with person.page.expect_response(lambda reply: reply.request.method == "DELETE") as deleted:
        person.press("Cancel", "film.bin")
    assert deleted.value.status == 204
    expect(person.row("film.bin")).to_have_count(0)
    expect(person.page.locator("#files-title")).to_be_focused()
    assert person.page.evaluate("localStorage.length") == 0


@everywhere
def test_a_server_that_is_killed_loses_nothing(alone: Person, tmp_path: Path) -> None:
    _, content = a_film_on_its_way(alone, tmp_path)
    alone.server.kill()
    alone.has("film.bin", "interrupted")
    alone.quickly()
    alone.server.start()
    alone.has("film.bin", "done")
    [version] = there(alone)
    assert version["size"] == len(content)


def test_it_goes_on_when_the_network_is_back(person: Person, tmp_path: Path) -> None:
    _, content = a_film_on_its_way(person, tmp_path)
    person.offline()
    person.has("film.bin", "interrupted")
    person.quickly()
    person.has("film.bin", "done")
    [version] = there(person)
    assert version["sha256"] == sha256(content).hexdigest()


def test_where_a_proxy_passes_no_large_request_it_goes_on_with_smaller_ones(
    installation: tuple[Stack, Served], chromium: Chromium, tmp_path: Path
) -> None:
    stack, server = installation[0], copy(installation[1])
    content = data(3 * MIB)
    with between(server.address) as proxy:
        server.address = proxy.url
        with at_the_page(stack, server, chromium) as person:

            def sent(content: bytes, name: str, state: str) -> list[int]:
                proxy.seen.clear()
                person.choose(file(tmp_path, name, content))
                person.has(name, state)
                return [int(headers["content-length"]) for request, headers in proxy.seen if request.startswith("PATCH /uploads/")]

            proxy.largest, chunk = MIB, 768 << 10
            assert sent(content, "film.bin", "done") == [len(content), *[chunk] * 4]
            [version] = there(person)
            assert version["sha256"] == sha256(content).hexdigest()
            assert sent(data(2 * MIB), "other.bin", "done") == [chunk, chunk, 2 * MIB - 2 * chunk]

            proxy.largest = 1000
            assert sent(data(MIB), "third.bin", "failed") == [chunk]
            expect(person.row("third.bin")).to_contain_text("in front of the server")


def test_after_a_reload_the_same_file_goes_on_where_it_stopped(person: Person, tmp_path: Path) -> None:
    film, content = a_film_on_its_way(person, tmp_path)
    person.reload()
    person.has("film.bin", "unfinished")
    expect(person.row("film.bin")).to_contain_text("choose the same file again to go on")
    person.quickly()
    person.choose(film)
    person.has("film.bin", "done")
    assert 0 < sum(person.sizes()) < len(content)
    [version] = there(person)
    assert version["sha256"] == sha256(content).hexdigest()
    assert person.page.evaluate("localStorage.length") == 0


def test_an_unfinished_upload_can_be_discarded(person: Person, tmp_path: Path) -> None:
    a_film_on_its_way(person, tmp_path)
    person.reload()
    person.press("Discard", "film.bin")
    expect(person.row("film.bin")).to_have_count(0)
    person.reload()
    expect(person.page.locator("#summary")).to_have_text("No files yet.")


def test_it_asks_before_a_name_becomes_a_new_version(person: Person, tmp_path: Path) -> None:
    first = file(tmp_path, "report.txt", b"first")
    person.choose(first)
    person.has("report.txt", "done")
    person.press("Remove from the list", "report.txt")
    dialog = person.page.get_by_role("dialog", name="A new version?")

    person.choose(file(tmp_path, "report.txt", b"second"))
    expect(dialog).to_contain_text("report.txt is there already, as text/txt/report.")
    dialog.get_by_role("button", name="Skip").click()
    person.has("report.txt", "skipped")
    assert len(there(person, "all")) == 1
    person.press("Remove from the list", "report.txt")

    person.choose(first)
    dialog.get_by_role("button", name="New version").click()
    person.has("report.txt", "done")
    assert len(there(person, "all")) == 2


def test_one_answer_can_be_for_all(person: Person, tmp_path: Path) -> None:
    def files(content: bytes) -> list[Path]:
        return [file(tmp_path, f"{number}.txt", content) for number in range(5)]

    person.choose(*files(b"first"))
    expect(person.page.locator("#summary")).to_contain_text("5 of 5 files done")
    person.page.get_by_role("button", name="Remove finished ones").click()
    person.choose(*files(b"second"))
    dialog = person.page.get_by_role("dialog", name="A new version?")
    dialog.get_by_label("The same for all others").check()
    dialog.get_by_role("button", name="New version").click()
    expect(person.page.locator("#summary")).to_contain_text("5 of 5 files done")
    assert len(there(person, "all")) == 10


def test_it_also_asks_when_only_the_bytes_tell_where_a_file_lives(person: Person, tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + data(100)
    person.choose(file(tmp_path, "picture.txt", picture))  # image/png/picture, whatever its name says
    person.has("picture.txt", "done")
    person.press("Remove from the list", "picture.txt")
    person.choose(file(tmp_path, "picture.txt", picture + b"more"))
    person.page.get_by_role("dialog").get_by_role("button", name="New version").click()
    person.has("picture.txt", "done")
    assert [version["asset_path"] for version in there(person, "all")] == ["image/png/picture"] * 2


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_verdict_of_the_malware_scanner_is_told(stack: Stack, chromium: Chromium, clamd: Clamd, tmp_path: Path) -> None:
    stack.values.update(scan="clamd", clamd=clamd.tcp)
    with served(stack) as server, at_the_page(stack, server, chromium) as person:
        person.choose(file(tmp_path, "good.txt", b"good"), file(tmp_path, "bad.txt", MALWARE))
        person.has("good.txt", "done")
        expect(person.row("good.txt")).to_contain_text("Malware: none found")
        person.has("bad.txt", "failed")
        expect(person.row("bad.txt")).to_contain_text(f"Failed (infected): bad.txt holds malware: {SIGNATURE}")
        expect(person.page.get_by_role("status")).to_contain_text("bad.txt: Failed (infected)")
        assert names(person) == ["good.txt"]


def test_a_sign_in_that_has_ended_is_asked_for_and_the_upload_goes_on(
    person: Person, installation: tuple[Stack, Served], tmp_path: Path
) -> None:
    _, content = a_film_on_its_way(person, tmp_path)
    person.press("Pause", "film.bin")
    mine = t.users.c.id == person.user.account.user_id
    with installation[0].database.engine.begin() as connection:
        connection.execute(update(t.users).where(mine).values(token_epoch=t.users.c.token_epoch + 1))
    person.quickly()
    before = len(person.sent)
    person.press("Resume", "film.bin")
    dialog = person.page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_contain_text(person.user.account.username)
    dialog.get_by_label("Password").fill("not that")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    person.has("film.bin", "done")
    assert 0 < sum(person.sizes()[before:]) < len(content)
    person.press("Download", "film.bin")


def test_a_wrong_password_is_told_and_nothing_else_is_shown(person: Person) -> None:
    page = person.page
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#username")).to_be_focused()
    page.locator("#username").fill(person.user.account.username)
    page.locator("#password").fill("not that")
    page.locator("#sign-in button").click()
    expect(page.locator("#sign-in [role=alert]")).not_to_be_empty()
    expect(page.get_by_role("heading", name="Choose files")).to_be_hidden()


def test_what_is_refused_says_why(person: Person, installation: tuple[Stack, Served], tmp_path: Path) -> None:
    def allow(most: int | None) -> None:
        mine = t.workspaces.c.id == person.user.workspace_id
        with installation[0].database.engine.begin() as connection:
            connection.execute(update(t.workspaces).where(mine).values(max_file_bytes=most))

    allow(10)
    person.choose(file(tmp_path, "large.txt", b"more than ten"), file(tmp_path, "con.txt", b"x"))
    person.has("large.txt", "failed")
    expect(person.row("large.txt")).to_contain_text("Failed: The file is larger than 10 bytes")
    person.has("con.txt", "failed")
    expect(person.row("con.txt")).to_contain_text("reserved")
    allow(None)
    person.press("Try again", "large.txt")
    person.has("large.txt", "done")
