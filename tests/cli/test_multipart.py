"""The body that the command line sends is the one that the server reads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request

from holdfast.cli.failures import Failure
from holdfast.cli.multipart import CHUNK, Body, Part
from holdfast.web.multipart import Multipart


def read(body: Body) -> list[tuple[str, str | None, str | None, bytes]]:
    chunks = [*body.stream(lambda _: None)]
    sent = iter([{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks] + [{"type": "http.request"}])

    async def receive() -> dict[str, object]:
        return dict(next(sent))

    headers = [(name.lower().encode(), value.encode()) for name, value in body.headers.items()]
    form = Multipart(Request({"type": "http", "method": "POST", "headers": headers}, receive))

    async def run() -> list[tuple[str, str | None, str | None, bytes]]:
        return [(part.name, part.filename, part.content_type, b"".join([bytes(c) async for c in part])) async for part in form]

    return asyncio.run(run())


NAMES = ["photo.jpg", "Grüße, 你好.txt", 'a "quoted" name.txt', "50%22.txt", "back\\slash.txt", "semi;colon=.txt", "new\nline.txt"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_arrives_under_its_own_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(b"bytes")
    [(field, filename, _, data)] = read(Body([], [Part.of("primary_file", file)]))
    assert (field, filename, data) == ("primary_file", name, b"bytes")


def test_fields_come_first_and_files_as_they_are(tmp_path: Path) -> None:
    large, empty = tmp_path / "large.png", tmp_path / "empty"
    large.write_bytes(b"\r\n--x" * CHUNK)
    empty.touch()
    body = Body(
        [("archive_ttl", "30"), ("labels", '{"é": "1"}')], [Part.of("primary_file", large), Part.of("associated_files", empty)]
    )
    assert read(body) == [
        ("archive_ttl", None, None, b"30"),
        ("labels", None, None, '{"é": "1"}'.encode()),
        ("primary_file", "large.png", "image/png", b"\r\n--x" * CHUNK),
        ("associated_files", "empty", "application/octet-stream", b""),
    ]


def test_the_length_is_known_before_and_no_chunk_is_large(tmp_path: Path) -> None:
    file = tmp_path / "ö.bin"
    file.write_bytes(bytes(3 * CHUNK + 1))
    body = Body([("a", "é")], [Part.of("primary_file", file)])
    heard: list[int] = []
    for _ in range(2):
        chunks = [*body.stream(heard.append)]
        assert sum(map(len, chunks)) == body.length == int(body.headers["Content-Length"])
        assert max(map(len, chunks)) <= CHUNK
    assert sum(heard) == 2 * (3 * CHUNK + 1)


def test_a_file_that_shrinks_meanwhile_is_not_sent_as_another(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"12345")
    body = Body([], [Part.of("primary_file", file)])
    file.write_bytes(b"1")
    with pytest.raises(Failure, match="became shorter"):
        list(body.stream(lambda _: None))


def test_a_file_that_grows_meanwhile_is_sent_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"12345")
    body = Body([], [Part.of("primary_file", file)])
    file.write_bytes(b"123456789")
    assert sum(map(len, body.stream(lambda _: None))) == body.length
