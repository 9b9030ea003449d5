"""What a download gives: metadata, links, bytes."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select
from tests.behaviour.moments import bearer, fetch, moving, path, upload
from tests.stacks import SQL, SQLITE, WITH_MYSQL, Stack

from holdfast.assets.described import AssetMetadata, Download
from holdfast.audit.trail import ACCESS
from holdfast.database import tables as t

BIG = os.urandom(3_000_001)  # not a multiple of three, and more than two chunks


@WITH_MYSQL
def test_a_download_has_metadata_and_a_link_to_each_file_that_gives_its_bytes(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "photo.bin", BIG, ("notes.txt", b"note"), ("größe №1.txt", b"umlaut"))
        reply = http.get(f"/filedownload/{path(version)}")
        assert reply.status_code == 200
        found = reply.json()
        TypeAdapter(Download).validate_python(found)
        assert found["metadata"] == version
        assert version["associated_filenames"] == [["notes.txt", version["version_id"]], ["größe №1.txt", version["version_id"]]]
        files = {"primary_file": BIG, "associated_file_1": b"note", "associated_file_2": b"umlaut"}
        assert set(found) == {"metadata", *files}
        for name, content in files.items():
            assert "content" not in found[name]
            got = fetch(http, found[name]["url"])
            assert (got.status_code, got.content) == (200, content)
            assert got.headers["content-type"] == found[name]["content_type"]
            assert got.headers["content-disposition"].startswith("attachment")
        assert "UTF-8''gr%C3%B6%C3%9Fe" in got.headers["content-disposition"]


def test_a_download_has_the_bytes_themselves_if_they_are_asked_for(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "photo.bin", BIG, ("empty.txt", b""), ("one.txt", b"1"))
        reply = http.get(f"/filedownload/{path(version)}", params={"return_file_content": "true"})
        assert reply.headers["content-length"] == str(len(reply.content))
        found = reply.json()
    contents = {name: base64.b64decode(part["content"], validate=True) for name, part in found.items() if name != "metadata"}
    assert contents == {"primary_file": BIG, "associated_file_1": b"", "associated_file_2": b"1"}


def test_the_bytes_have_a_tag_ranges_and_a_head(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "data.bin", b"0123456789", ("more.txt", b"more"))
        route = f"/content/{version['asset_path']}"
        whole = http.get(route)
        assert whole.content == b"0123456789"
        assert whole.headers["etag"] == f'"{hashlib.sha256(b"0123456789").hexdigest()}"'
        assert whole.headers["x-content-type-options"] == "nosniff"
        head = http.request("HEAD", route)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
        part = http.get(route, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
        assert http.get(route, headers={"Range": "bytes=10-"}).status_code == 416
        assert http.get(route, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
        assert http.get(route, params={"file": "more.txt"}).content == b"more"
        assert http.get(route, params={"file": "none.txt"}).status_code == 404


def test_an_archived_version_is_read_by_its_id_and_not_by_default(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        first, second = upload(http, content=b"first"), upload(http, content=b"second")
        assert http.post(f"/filearchive/{path(second)}").status_code == 200
        assert http.get(f"/content/{first['asset_path']}").content == b"first"
        assert http.get(f"/content/{first['asset_path']}", params={"version_id": second["version_id"]}).content == b"second"
        assert http.get(f"/filedownload/{path(second)}").json()["metadata"]["status"] == "archived"


def test_reading_needs_the_permission_to_download(stack: Stack) -> None:
    ada = stack.user("ada")
    lister = stack.user("lister", "list,upload,archive,destroy", of=ada)
    with stack.client(ada) as http:
        version = upload(http)
        for route in (f"/filedownload/{path(version)}", f"/content/{version['asset_path']}"):
            assert http.get(route, headers=bearer(lister.token)).status_code == 403
            assert http.get(route, headers={"Authorization": ""}).status_code == 401
        [listed] = http.get(f"/fileversions/{version['asset_path']}/test.txt", headers=bearer(lister.token)).json()
    assert listed["url"] is None


@pytest.mark.parametrize(
    "address",
    ["text/txt/none/" + "0" * 64, "text/txt/test/none", "text/txt/test/ü", "text/txt/test/" + "0" * 500, "text/txt/te%27st/0"],
)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_is_not_there_is_not_there(stack: Stack, address: str) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http)
        assert http.get(f"/filedownload/{address}").status_code == 404
        assert http.post(f"/filearchive/{address}").status_code == 404


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_link_of_ours_holds_for_its_file_and_its_time_only(stack: Stack) -> None:
    with moving(stack, stack.user("ada"), link_minutes=5) as (http, clock):
        version = upload(http, "a.txt", b"a", ("b.txt", b"b"))
        url = http.get(f"/filedownload/{path(version)}").json()["primary_file"]["url"]
        query = dict(parse_qsl(urlsplit(url).query))
        assert set(query) == {"workspace", "version_id", "file", "expires", "signature"}
        changes = [{"file": "b.txt"}, {"expires": str(int(query["expires"]) + 60)}, {"workspace": "eve_space"}, {"signature": "ü"}]
        for change in changes:
            changed = f"{url.partition('?')[0]}?{urlencode({**query, **change})}"
            assert fetch(http, changed).status_code == 403, change
        assert fetch(http, url.replace("text/txt/a?", "text/txt/b?")).status_code == 403
        clock.move(minutes=4)
        assert fetch(http, url).content == b"a"
        clock.move(minutes=2)
        assert fetch(http, url).status_code == 403


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_link_of_ours_ends_with_the_version(stack: Stack) -> None:
    with moving(stack, stack.user("ada")) as (http, _):
        version = upload(http)
        url = http.get(f"/filedownload/{path(version)}").json()["primary_file"]["url"]
        for step in ("filearchive", "delfile"):
            assert fetch(http, url).status_code == 200
            http.post(f"/{step}/{path(version)}")
        assert fetch(http, url).status_code == 410


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_no_link_outlives_the_own_destroy_date(stack: Stack) -> None:
    with moving(stack, stack.user("ada"), link_minutes=600) as (http, clock):
        version = upload(http, archive_ttl="0", destroy_ttl="1")
        clock.move(hours=23)
        url = http.get(f"/filedownload/{path(version)}").json()["primary_file"]["url"]
    query = dict(parse_qsl(urlsplit(url).query))
    if "X-Amz-Expires" in query:
        begins = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        ends = begins + timedelta(seconds=int(query["X-Amz-Expires"]))
    else:
        ends = datetime.fromtimestamp(int(query["expires"]), UTC)
    destroyed = datetime.fromisoformat(version["destroy_date"])
    assert destroyed - timedelta(seconds=2) <= ends <= destroyed


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_bytes_that_the_store_lost_have_an_error_of_their_own_that_names_no_key(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
        with stack.database.read() as connection:
            [key] = connection.scalars(select(t.files.c.object_key))
        stack.own.objects.delete(key)
        content, embedded = f"/content/{version['asset_path']}", f"/filedownload/{path(version)}?return_file_content=true"
        for route in (content, embedded):
            lost = http.get(route)
            assert (lost.status_code, lost.json()["type"].rpartition("/")[2]) == (500, "bytes-missing"), route
            assert "holdfast verify" in lost.json()["detail"]
            assert key not in lost.text
        assert http.get(f"/filedownload/{path(version)}").json()["metadata"]["version_id"] == version["version_id"]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_links_are_not_logged(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), stack.client(stack.user("ada")) as http:
        version = upload(http)
        url = http.get(f"/filedownload/{path(version)}").json()["primary_file"]["url"]
        assert fetch(http, url).status_code == 200
        signature = dict(parse_qsl(urlsplit(url).query))["signature"]
    ours = [record for record in caplog.records if record.name.startswith("holdfast")]
    assert ours
    assert not [record for record in ours if signature in record.getMessage() + str(record.__dict__)]


NARROWED = {
    "statuses": ["archived"],
    "newest_only": False,
    "prefix": "text/",
    "labels": [["go", "yes"]],
    "uploaded_after": "2026-11-01T00:00:00.000000+00:00",
}


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_downloads_and_lists_are_on_the_trail_where_the_setting_says_so(stack: Stack) -> None:
    ada = stack.user("ada")
    for audited, expected in ((False, []), (True, ["list", "list", "content", "download"])):
        with moving(stack, ada, audit_reads=audited) as (http, _):
            version = upload(http)
            http.get(f"/filedownload/{path(version)}")
            http.get(f"/content/{version['asset_path']}")
            assert http.get("/assets", params={"label": "no-label"}).status_code == 422
            asked = {"prefix": "text/", "label": "go=yes", "status": "archived", "uploaded_after": "2026-11-01T00:00:00Z"}
            for params in ({}, {**asked, "versions": "all"}):
                assert http.get("/assets", params=params).status_code == 200
            rows = [row for row in http.get("/audit").json()["items"] if row["operation"] in ACCESS]
        assert [row["operation"] for row in rows] == expected
        told = [row["details"]["filters"] for row in rows if row["operation"] == "list"]
        assert told == ([NARROWED, {"statuses": ["active"], "newest_only": True}] if audited else [])


def test_fault_000_08_the_newest_version_is_the_last_one_committed_even_within_one_moment(stack: Stack) -> None:
    ada = stack.user("ada")
    moment = stack.own.clock()
    services = stack.services(lambda: moment)
    with stack.client(ada, services) as http:
        versions = [upload(http, content=f"take {n}".encode()) for n in range(3)]
        assert len({version["upload_date"] for version in versions}) == 1
        assert http.get(f"/content/{versions[0]['asset_path']}").content == b"take 2"
        found = http.get(f"/fileversions/{versions[0]['asset_path']}/test.txt").json()
    assert [item["version_id"] for item in found] == [version["version_id"] for version in reversed(versions)]


def test_fault_000_11_links_are_made_without_reading_a_byte(stack: Stack) -> None:
    """The objects are taken away first: who makes a link needs none of them."""
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "big.bin", b"content", ("more.txt", b"more"))
        for key in list(stack.own.objects.keys()):
            stack.own.objects.delete(key)
        found = http.get(f"/filedownload/{path(version)}")
        assert found.status_code == 200
        assert all(part["url"] for name, part in found.json().items() if name != "metadata")
        [listed] = http.get(f"/fileversions/{version['asset_path']}/big.bin").json()
        assert listed["url"]


@WITH_MYSQL
def test_fault_000_18_archived_and_destroyed_versions_stay_in_a_files_history(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        first, second = upload(http, content=b"first"), upload(http, content=b"second")
        third = upload(http, "test.txt", b"third", ("notes.txt", b"note"))
        for version in (first, second):
            assert http.post(f"/filearchive/{path(version)}").status_code == 200
        assert http.post(f"/delfile/{path(first)}").status_code == 200
        found = http.get(f"/fileversions/{first['asset_path']}/test.txt").json()
        assert [(item["version_id"], item["status"]) for item in found] == [
            (third["version_id"], "active"),
            (second["version_id"], "archived"),
            (first["version_id"], "destroyed"),
        ]
        assert {item["key"] for item in found} == {"text/txt/test/test.txt"}
        assert [fetch(http, item["url"]).content for item in found[:2]] == [b"third", b"second"]
        assert found[2]["url"] is None
        assert [item["last_modified"] for item in found] == [v["upload_date"] for v in (third, second, first)]
        [notes] = http.get(f"/fileversions/{first['asset_path']}/notes.txt").json()
        assert notes["key"] == "text/txt/test/notes.txt"
        assert http.get(f"/fileversions/{first['asset_path']}/none.txt").status_code == 404


def test_fault_000_33_dates_are_the_same_text_with_an_offset_wherever_they_are_read(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, archive_ttl="1", destroy_ttl="1")
        TypeAdapter(AssetMetadata).validate_python(version)
        assert version["upload_date"].endswith("+00:00")
        assert http.get(f"/filedownload/{path(version)}").json()["metadata"] == version
        assert http.get("/assets").json()["items"] == [version]


@WITH_MYSQL
def test_a_files_history_comes_in_pages_that_say_where_the_next_one_is(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        versions = [upload(http, content=f"take {n}".encode()) for n in range(5)]
        url: str | None = f"/fileversions/{versions[0]['asset_path']}/test.txt?limit=2"
        pages = []
        while url:
            reply = http.get(url)
            pages.append([item["version_id"] for item in reply.json()])
            url = reply.links["next"]["url"] if "next" in reply.links else None
    ids = [version["version_id"] for version in reversed(versions)]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
