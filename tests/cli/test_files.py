"""Files in, listed, out again, and through their states."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Served
from tests.cli.program import Program


@pytest.fixture
def photo(ada: Program) -> Path:
    return write(ada.cwd / "photo.jpg", b"\xff\xd8\xff\xe0" + b"one" * 1000)


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def test_what_is_uploaded_is_listed_and_comes_back(ada: Program, photo: Path) -> None:
    [asset] = ada.json("upload", photo, "--label", "kind=test", "--archive-ttl", "30", "--destroy-ttl", "60")
    assert asset["asset_path"] == "image/jpg/photo"
    assert asset["labels"] == {"kind": "test"}
    assert asset["sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()
    [listed] = ada.json("ls")
    assert listed["version_id"] == asset["version_id"]
    got = ada.json("get", asset["asset_path"], "-O", folder(ada, "back"))
    assert Path(ada.cwd, got["file"]).read_bytes() == photo.read_bytes()
    assert got["sha256"] == asset["sha256"]
    assert [entry.name for entry in (ada.cwd / "back").iterdir()] == ["photo.jpg"]


def test_a_file_that_the_server_has_not_hashed_yet_comes_with_its_size_verified(ada: Program, photo: Path, served: Served) -> None:
    [asset] = ada.json("upload", photo)
    with closing(sqlite3.connect(served.data / "holdfast.db", timeout=60)) as database, database:
        database.execute("UPDATE files SET sha256 = NULL WHERE commit_id = ?", [asset["version_id"]])
    back = folder(ada, "back")
    for _ in range(2):  # the second time, too, as nobody knows that what is there is the same
        ended = ada("get", asset["asset_path"], "-O", back, "-o", "json")
        assert "has not hashed photo.jpg yet" in ended.stderr
        assert json.loads(ended.stdout)["sha256"] is None
    assert [entry.name for entry in (ada.cwd / "back").iterdir()] == ["photo.jpg"]
    assert (ada.cwd / "back" / "photo.jpg").read_bytes() == photo.read_bytes()


def test_a_file_to_standard_output_is_the_file_and_nothing_else(ada: Program) -> None:
    text = write(ada.cwd / "note.txt", "Grüße\n".encode())
    [asset] = ada.json("upload", text)
    assert ada("get", asset["asset_path"], "-O", "-").stdout == "Grüße\n"


def test_associated_files_come_along_and_later(ada: Program, photo: Path) -> None:
    exif, caption = write(ada.cwd / "photo.exif", b"exif"), write(ada.cwd / "caption.txt", b"caption")
    [asset] = ada.json("upload", photo, "--associated", exif)
    added = ada.json("add", asset["asset_path"], caption)
    assert [name for name, _ in added["associated_filenames"]] == ["photo.exif", "caption.txt"]
    into = folder(ada, "back")
    for file in (exif, caption):
        ada("get", asset["asset_path"], "--file", file.name, "-O", into)
        assert (into / file.name).read_bytes() == file.read_bytes()
    assert "not" in ada("get", asset["asset_path"], "--file", "nothing.txt", "-O", into, code=4).stderr


def test_several_files_are_several_assets_and_the_answer_is_a_list(ada: Program, photo: Path) -> None:
    other = write(ada.cwd / "b.txt", b"b")
    assert [one["asset_path"] for one in ada.json("upload", photo, other)] == ["image/jpg/photo", "text/txt/b"]
    ada("upload", photo, other, "--associated", other, code=2)
    ada("upload", photo, "missing.jpg", code=2)


def test_when_one_of_several_is_refused_the_others_are_stored(ada: Program, photo: Path) -> None:
    ada("upload", photo)
    other = write(ada.cwd / "b.txt", b"b")
    ended = ada("upload", photo, other, "--if-none-match", "-o", "json", code=5)
    assert [one["asset_path"] for one in json.loads(ended.stdout)] == ["text/txt/b"]
    assert "photo.jpg" in ended.stderr
    assert "1 of 2 files were not uploaded" in ended.stderr


def test_versions_are_listed_newest_first_and_each_can_be_read(ada: Program, photo: Path) -> None:
    first_bytes = photo.read_bytes()
    [first] = ada.json("upload", photo)
    photo.write_bytes(first_bytes + b"two")
    [second] = ada.json("upload", photo)
    [same] = ada.json("upload", photo)
    assert same["unchanged"]
    assert same["version_id"] == second["version_id"]
    versions = ada.json("versions", "image/jpg/photo")
    assert [one["version_id"] for one in versions] == [second["version_id"], first["version_id"]]
    assert len(ada.json("ls")) == 1
    assert len(ada.json("ls", "--versions")) == 2
    into = folder(ada, "back")
    ada("get", "image/jpg/photo", "--version", first["version_id"], "-O", into)
    assert (into / "photo.jpg").read_bytes() == first_bytes
    ada("get", "image/jpg/photo", "-O", into)
    assert (into / "photo.jpg").read_bytes() == photo.read_bytes()
    ada("versions", "image/jpg/nothing", code=4)


def test_listings_are_filtered(ada: Program, photo: Path) -> None:
    ada("upload", photo, "--label", "kind=photo", "--archive-ttl", "1", "--destroy-ttl", "1")
    ada("upload", write(ada.cwd / "b.txt", b"b"), "--label", "kind=text")
    assert paths(ada.json("ls", "text/")) == ["text/txt/b"]
    assert paths(ada.json("ls", "--label", "kind=photo")) == ["image/jpg/photo"]
    assert paths(ada.json("ls", "--media-type", "text/*")) == ["text/txt/b"]
    assert paths(ada.json("ls", "--expiring", "2999-01-01")) == ["image/jpg/photo"]
    [shown] = ada.json("ls", "--expiring", "2999-01-01")
    assert shown["expires"]["by"] == "ttl"
    assert paths(ada.json("ls", "--limit", "1")) == ["image/jpg/photo"]
    assert ada.json("ls", "--status", "archived") == []
    ada("ls", "--status", "burnt", code=1)
    ada("archive", "image/jpg/photo")
    write(photo, b"another photo")
    ada("upload", photo, "--archive-ttl", "1", "--destroy-ttl", "1")
    gone = ada.json("ls", "--expiring", "2999-01-01")
    assert [(one["asset_path"], one["status"]) for one in gone] == [
        ("image/jpg/photo", "archived"),
        ("image/jpg/photo", "active"),
    ], "whatever ends, of every version, and archived or not"
    assert [one["status"] for one in ada.json("ls", "--expiring", "2999-01-01", "--status", "active")] == ["active"]


def test_a_listing_follows_its_cursors(ada: Program) -> None:
    names = [write(ada.cwd / f"{n:03}.txt", str(n).encode()) for n in range(105)]
    ada("upload", *names)
    assert paths(ada.json("ls")) == [f"text/txt/{n:03}" for n in range(105)]


def test_archive_restore_destroy(ada: Program, photo: Path) -> None:
    ada("upload", photo)
    ada("destroy", "image/jpg/photo", "--yes", code=4)  # nothing is archived yet
    version = ada.json("ls")[0]["version_id"]
    ada("destroy", "image/jpg/photo", "--version", version, "--yes", code=5)
    assert ada.json("archive", "image/jpg/photo")["status"] == "archived"
    assert ada.json("ls") == []
    assert "say --yes" in ada("destroy", "image/jpg/photo", code=2).stderr
    condemned = ada.json("destroy", "image/jpg/photo", "-y")
    assert (condemned["status"], condemned["phase"]) == ("destroyed", "condemned")
    ada("get", "image/jpg/photo", "--version", version, code=4)
    assert ada.json("restore", "image/jpg/photo")["status"] == "archived"
    assert ada.json("restore", "image/jpg/photo")["status"] == "active"
    ada("restore", "image/jpg/photo", code=4)


def test_ttl_and_labels_change_afterwards(ada: Program, photo: Path) -> None:
    ada("upload", photo, "--label", "a=1")
    dated = ada.json("ttl", "image/jpg/photo", "--archive", "10", "--destroy", "20")
    assert dated["archive_date"] is not None
    assert dated["destroy_date"] is not None
    undated = ada.json("ttl", "image/jpg/photo", "--archive", "none", "--destroy", "none")
    assert (undated["archive_date"], undated["destroy_date"]) == (None, None)
    ada("ttl", "image/jpg/photo", code=2)
    ada("ttl", "image/jpg/photo", "--archive", "soon", code=2)
    assert ada.json("labels", "image/jpg/photo", "b=2", "c=")["labels"] == {"b": "2", "c": ""}
    assert ada.json("labels", "image/jpg/photo")["labels"] == {}
    ada("labels", "image/jpg/photo", "no-value", code=2)


def test_the_trail_tells_what_was_done(ada: Program, photo: Path) -> None:
    ada("upload", photo)
    ada("archive", "image/jpg/photo")
    entries = ada.json("audit", "--asset", "image/jpg/photo")
    assert [entry["operation"] for entry in entries] == ["archive", "upload"]
    assert ada.json("audit", "--operation", "archive", "--limit", "5")[0]["asset_path"] == "image/jpg/photo"


def test_an_answer_is_the_same_in_every_format(ada: Program, photo: Path) -> None:
    ada("upload", photo)
    as_json, as_yaml, table = (ada("ls", "-o", how).stdout for how in ("json", "yaml", "table"))
    assert json.loads(as_json) == yaml.safe_load(as_yaml)
    assert "image/jpg/photo" in table
    ada("ls", "-o", "xml", code=2)


def test_what_is_not_there_is_4_and_what_is_refused_is_1(ada: Program, photo: Path) -> None:
    ada("get", "image/jpg/nothing", code=4)
    ada("upload", photo, "--archive-ttl", "-1", code=1)
    ada("archive", "image/jpg/nothing", code=4)


def test_the_same_key_stores_nothing_twice_and_no_other_file(ada: Program, photo: Path) -> None:
    [first] = ada.json("upload", photo, "--idempotency-key", "k")
    [again] = ada.json("upload", photo, "--idempotency-key", "k")
    assert again["version_id"] == first["version_id"]
    assert len(ada.json("ls", "--versions")) == 1


def folder(program: Program, name: str) -> Path:
    made = program.cwd / name
    made.mkdir()
    return made


def paths(assets: list[dict[str, str]]) -> list[str]:
    return [asset["asset_path"] for asset in assets]


def test_usage_is_shown_by_media_type(ada: Program) -> None:
    (ada.cwd / "a.txt").write_text("12345")
    ada("upload", "a.txt")
    [item] = ada.json("usage")
    assert (item["media_type"], item["active"]) == ("text/plain", {"versions": 1, "bytes": 5})
    assert "5 B in 1" in ada("usage").stdout
