"""Lists of assets: filters, pages, and what they cost the database."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from tests.asgi import Http
from tests.behaviour.moments import bearer, upload
from tests.stacks import MYSQL, SQL, SQLITE, WITH_MYSQL, Stack, User

from holdfast.assets.listing import Filters, Position, page_statement
from holdfast.database import tables as t


def paths(http: Http, **params: Any) -> list[str]:
    reply = http.get("/assets", params=params)
    assert reply.status_code == 200, reply.text
    return [item["asset_path"] for item in reply.json()["items"]]


@WITH_MYSQL
def test_each_filter_narrows_the_list(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        note = upload(http, "note.txt", b"hello", archive_ttl="1", destroy_ttl="1", labels=json.dumps({"team": "A", "x/y.z": "1"}))
        upload(http, "note_2.txt", b"hello, world", labels=json.dumps({"team": "a"}))
        upload(http, "page.html", b"<!doctype html><html><body>hello</body></html>")
        upload(http, "pixel.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
        everything = ["image/gif/pixel", "text/html/page", "text/txt/note", "text/txt/note_2"]
        tomorrow = datetime.fromisoformat(note["upload_date"]) + timedelta(days=1)
        wanted: list[tuple[dict[str, Any], list[str]]] = [
            ({}, everything),
            ({"prefix": "text/"}, everything[1:]),
            ({"prefix": "text/txt/note_"}, everything[3:]),
            ({"prefix": "text/txt/note%"}, []),
            ({"prefix": "TEXT/"}, []),
            ({"prefix": "\U0010ffff"}, []),
            ({"media_type": "image/*"}, everything[:1]),
            ({"media_type": "text/html"}, everything[1:2]),
            ({"min_size": 6, "max_size": 12}, everything[3:]),
            ({"label": "team=A"}, everything[2:3]),
            ({"label": ["team=A", "x/y.z=1"]}, everything[2:3]),
            ({"label": ["team=A", "x/y.z=2"]}, []),
            ({"expiring_before": (tomorrow + timedelta(days=2)).isoformat()}, everything[2:3]),
            ({"expiring_before": tomorrow.isoformat()}, []),
            ({"uploaded_before": note["upload_date"]}, []),
            ({"uploaded_after": tomorrow.isoformat()}, []),
            ({"uploaded_before": tomorrow.isoformat()}, everything),
            ({"status": "archived"}, []),
        ]
        for params, expected in wanted:
            assert paths(http, **params) == expected, params


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 1001},
        {"status": "gone"},
        {"label": "no-equals"},
        {"label": "a b=c"},
        {"media_type": "image"},
        {"media_type": "ü/*"},
        {"min_size": -1},
        {"max_size": 2**63},
        {"uploaded_after": "2026-01-01T00:00:00"},
        {"cursor": "garbage"},
        {"cursor": "W10"},
        {"versions": "some"},
    ],
)
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_filter_that_cannot_be_is_refused(stack: Stack, wrong: dict[str, Any]) -> None:
    with stack.client(stack.user("ada")) as http:
        assert http.get("/assets", params=wrong).status_code == 422


@WITH_MYSQL
def test_pages_give_every_item_once_whatever_is_listed(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        for name in ("a", "b", "c"):
            for take in range(3):
                version = upload(http, f"{name}.txt", f"{name}{take}".encode(), ("more.txt", b"more"))
                if take == 1:
                    assert http.post(f"/filearchive/{version['asset_path']}/{version['version_id']}").status_code == 200
        wanted: list[tuple[dict[str, Any], int]] = [
            ({"status": "active"}, 3),
            ({"status": ["active", "archived"]}, 6),
            ({"versions": "all"}, 6),
        ]
        for params, expected in wanted:
            seen: list[tuple[str, str]] = []
            cursor: str | None = None
            while True:
                page = http.get("/assets", params={**params, "limit": 2, **({"cursor": cursor} if cursor else {})})
                seen += [(item["asset_path"], item["version_id"]) for item in page.json()["items"]]
                assert all(len(item["associated_filenames"]) == 1 for item in page.json()["items"])
                cursor = page.json()["next_cursor"]
                assert ("next" in page.links) == (cursor is not None)
                if cursor is None:
                    break
            assert len(seen) == len(set(seen)) == expected
            assert [path for path, _ in seen] == sorted(path for path, _ in seen)


def test_a_list_needs_its_permission(stack: Stack) -> None:
    ada = stack.user("ada")
    reader = stack.user("reader", "download,upload,archive,destroy", of=ada)
    with stack.client(ada) as http:
        assert http.get("/assets", headers=bearer(reader.token)).status_code == 403
        assert http.get("/audit", headers=bearer(reader.token)).status_code == 403


def seed(stack: Stack, owner: User, count: int) -> None:
    """So many versions as rows, as uploads would leave them."""
    now = stack.own.clock()
    with stack.database.engine.begin() as connection:
        asset_rows = [
            {
                "workspace_id": owner.workspace_id,
                "asset_path": f"text/txt/{n:07}",
                "primary_filename": f"{n:07}.txt",
                "created_at": now,
            }
            for n in range(count)
        ]
        connection.execute(insert(t.assets), asset_rows)
        ids = connection.execute(select(t.assets.c.id, t.assets.c.asset_path).order_by(t.assets.c.id)).all()
        version_rows = [
            {
                "workspace_id": owner.workspace_id,
                "asset_id": asset_id,
                "asset_path": path,
                "number": 1,
                "version_id": f"{n:064x}",
                "upload_id": f"{n:032x}",
                "primary_filename": path.rpartition("/")[2] + ".txt",
                "content_type": "text/plain",
                "size": n,
                "sha256": "0" * 64,
                "object_key": f"data/{n:032x}/0",
                "file_count": 1,
                "total_bytes": n,
                "status": "active",
                "newest": True,
                "upload_date": now,
                "active_since": now,
                "labels": {},
                "uploaded_by": "ada",
            }
            for n, (asset_id, path) in enumerate(ids)
        ]
        connection.execute(insert(t.versions), version_rows)


@pytest.mark.parametrize("stack", [SQL, MYSQL], indirect=True)
@pytest.mark.parametrize("newest_only", [True, False])
def test_a_page_deep_in_a_long_list_reads_no_more_rows_than_it_shows(stack: Stack, newest_only: bool) -> None:
    ada = stack.user("ada")
    seed(stack, ada, 5000)
    filters = Filters(newest_only=newest_only)
    for after in (None, Position("text/txt/0004000", 1)):
        statement = page_statement(ada.workspace_id, filters, "active", after, 51)
        with stack.database.read() as connection:
            connection.execute(text("ANALYZE TABLE versions"))
            dialect = connection.dialect
            sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
            connection.execute(text("FLUSH STATUS"))
            rows = connection.execute(text(sql.replace("%%", "%"))).all()
            counters = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name LIKE 'Sort%'"
            read = {name: int(value) for name, value in connection.execute(text(counters))}
        assert len(rows) == 51
        assert sum(value for name, value in read.items() if name.startswith("Handler_read")) <= 2 * 51
        assert read["Sort_rows"] == 0
