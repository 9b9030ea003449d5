"""Faults of reference 000 that concern assets and that no other test is named after; docs/seed-faults.md says where each one is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.behaviour.moments import bearer, fetch, path, upload
from tests.security.refusals import check_clean, check_refused, nothing_stored
from tests.stacks import SQL, SQLITE, Stack


def test_fault_000_05_a_destroyed_version_keeps_its_history_and_its_bytes_are_accounted_for(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "test.txt", b"first", ("notes.txt", b"note"))
        for step in ("filearchive", "delfile"):
            assert http.post(f"/{step}/{path(version)}").status_code == 200
        trail = http.get("/audit", params={"asset_path": version["asset_path"]}).json()["items"]
        assert [row["operation"] for row in reversed(trail)] == ["upload", "archive", "destroy"]
        assert {row["version_id"] for row in trail} == {version["version_id"]}
        assert http.post(f"/filerestore/{path(version)}").status_code == 200
        restored = http.get(f"/filedownload/{path(version)}").json()
        assert fetch(http, restored["primary_file"]["url"]).content == b"first"
        assert fetch(http, restored["associated_file_1"]["url"]).content == b"note"
    check_clean(stack)


@pytest.mark.parametrize("ttls", [{}, {"archive_ttl": ""}, {"destroy_ttl": ""}, {"destroy_ttl": "5"}])
def test_fault_000_09_a_ttl_that_is_left_out_is_no_date(stack: Stack, ttls: dict[str, str]) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, "test.txt", b"first", **ttls)
    assert (version["archive_date"], version["destroy_date"]) == (None, None)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_fault_000_10_sizes_are_limited_while_bytes_come_and_every_file_has_its_checksum(stack: Stack) -> None:
    small, full = stack.user("small", max_file_bytes=1000), stack.user("full", quota_bytes=1500)
    with stack.client() as http:
        for user in (small, full):
            files = [("primary_file", ("a.txt", b"x" * 1000)), ("associated_files", ("b.txt", b"y" * 1001))]
            with nothing_stored(stack):
                check_refused(stack, http.post("/fileupload", headers=bearer(user.token), files=files), 413)
            taken = http.post("/fileupload", headers=bearer(user.token), files=files[:1])
            assert taken.json()["sha256"] == hashlib.sha256(b"x" * 1000).hexdigest()
        over = {"primary_file": ("c.txt", b"z" * 501)}
        check_refused(stack, http.post("/fileupload", headers=bearer(full.token), files=over), 413)
    check_clean(stack)


def test_fault_000_14_an_upload_that_fails_half_way_leaves_nothing(stack: Stack) -> None:
    part = '--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s'
    half = part % ("primary_file", "whole.txt", "whole\r\n") + part % ("associated_files", "half.txt", "ha")
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        check_refused(stack, http.post("/fileupload", content=half.encode(), headers=headers), 400)
        assert http.get("/assets").json()["items"] == []
    check_clean(stack)


def test_fault_000_16_files_added_at_once_are_all_there(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
        names = [f"{n}.txt" for n in range(8)]

        def add(name: str) -> int:
            files = {"associated_files": (name, name.encode())}
            return http.post(f"/add-associated-files/{version['asset_path']}", files=files).status_code

        with ThreadPoolExecutor(len(names)) as pool:
            assert list(pool.map(add, names)) == [200] * len(names)
        found = http.get(f"/filedownload/{path(version)}").json()
        assert {name for name, _ in found["metadata"]["associated_filenames"]} == set(names)
        added = [part for name, part in found.items() if name.startswith("associated")]
        assert {part["filename"]: fetch(http, part["url"]).content for part in added} == {name: name.encode() for name in names}
    check_clean(stack)


def test_fault_000_16_files_added_to_an_old_version_do_not_mix_with_the_newest(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        old = upload(http, "test.txt", b"first", ("notes.txt", b"of the first"))
        new = upload(http, "test.txt", b"second", ("notes.txt", b"of the second"))
        files = {"associated_files": ("late.txt", b"late")}
        fields = {"primary_version_id": old["version_id"]}
        assert http.post(f"/add-associated-files/{old['asset_path']}", files=files, data=fields).status_code == 200

        def contents(version: dict[str, str]) -> dict[str, bytes]:
            found = http.get(f"/filedownload/{path(version)}").json()
            return {part["filename"]: fetch(http, part["url"]).content for name, part in found.items() if name != "metadata"}

        assert contents(old) == {"test.txt": b"first", "notes.txt": b"of the first", "late.txt": b"late"}
        assert contents(new) == {"test.txt": b"second", "notes.txt": b"of the second"}
    check_clean(stack)


@pytest.mark.parametrize(
    ("first", "second"),
    [("photo.jpeg", "photo.jpg"), ("a b.txt", "a_b.txt"), ("caf\u00e9.txt", "cafe\u0301.txt"), ("a?.txt", "a*.txt")],
)
def test_fault_000_17_two_names_with_one_place_are_refused_and_never_merged(stack: Stack, first: str, second: str) -> None:
    with stack.client(stack.user("ada")) as http:
        kept = upload(http, first, b"the first")
        with nothing_stored(stack):
            refused = http.post("/fileupload", files={"primary_file": (second, b"the second")})
            assert "name-collision" in check_refused(stack, refused, 409)["type"]
        assert http.get(f"/content/{kept['asset_path']}").content == b"the first"


def test_fault_000_17_an_associated_file_does_not_take_the_primarys_place(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        kept = upload(http, "note.txt", b"the primary")
        with nothing_stored(stack):
            files = {"associated_files": ("note.txt", b"an impostor")}
            check_refused(stack, http.post(f"/add-associated-files/{kept['asset_path']}", files=files), 409, 422)
        assert http.get(f"/content/{kept['asset_path']}").content == b"the primary"


def test_fault_000_23_an_installation_hashes_passwords_by_itself() -> None:
    program = "from holdfast.identity.passwords import hashed, verify; kept = hashed('ein langes Wort'); "
    asked = program + "print(verify('ein langes Wort', kept), verify('another', kept), kept[:10])"
    ended = subprocess.run([sys.executable, "-I", "-c", asked], check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ["True", "False", "$argon2id$"]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_fault_000_32_a_path_of_the_server_is_a_text_and_opens_nothing(stack: Stack, tmp_path: Path) -> None:
    mine = tmp_path / "secret.txt"
    mine.write_text("what only the server may read")
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        for said in (str(mine), f"@{mine}", mine.as_uri()):
            reply = http.post("/fileupload", files={"primary_file": (None, said.encode())})
            check_refused(stack, reply, 422)
            assert "only the server" not in reply.text
    check_clean(stack)
