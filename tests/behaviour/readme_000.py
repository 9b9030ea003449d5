"""What the README of reference 000 shows with curl, as HTTP: the same paths, forms and fields."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from skimage import data as photographs

PHOTOGRAPH = (Path(photographs.__file__).parent / "rocket.jpg").read_bytes()
NOTES = b'{"place": "Cape Canaveral"}'

METADATA = {
    "asset_path",
    "version_id",
    "primary_filename",
    "associated_filenames",
    "upload_date",
    "archive_date",
    "destroy_date",
    "branch",
    "status",
}
"""000's fields; ours may be more."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(http: httpx.Client, username: str, password: str) -> dict[str, Any]:
    """``curl -X POST /token -d "username=…&password=…"``"""
    reply = http.post(
        "/token",
        content=f"username={username}&password={password}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def admin(http: httpx.Client, username: str = "admin") -> dict[str, str]:
    """Registers; the header with the new admin's token."""
    created = http.post("/users", json={"username": username, "password": "admin_password"})
    assert created.status_code == 200, created.text
    assert created.json() == {"status": "success", "username": username}
    return bearer(log_in(http, username, "admin_password")["access_token"])


def upload(http: httpx.Client, who: dict[str, str], content: bytes = PHOTOGRAPH, **fields: str) -> httpx.Response:
    """``curl -F "primary_file=@test/test.jpg" -F "archive_ttl=30" …``"""
    return http.post("/fileupload", headers=who, files={"primary_file": ("test.jpg", content, "image/jpeg")}, data=fields)


def examples(http: httpx.Client, username: str = "admin", other: str = "shared_user") -> None:
    """All of them, in order."""
    assert http.post("/users", json={"username": username, "password": "admin_password"}).json() == {
        "status": "success",
        "username": username,
    }
    logged_in = log_in(http, username, "admin_password")
    assert logged_in["token_type"] == "bearer"
    assert (logged_in["username"], logged_in["branch"]) == (username, f"{username}_space")
    who = bearer(logged_in["access_token"])

    shared = {"username": other, "password": "shared_password", "permissions": ["upload", "download", "list"]}
    created = http.post("/shared-users", headers=who, json=shared)
    assert (created.status_code, created.json()) == (200, {"status": "success", "username": other})
    change = {"username": other, "permissions": ["upload", "download", "list", "archive"]}
    changed = http.put("/shared-users", headers=who, json=change)
    assert (changed.status_code, changed.json()) == (200, {"status": "success"})
    assert log_in(http, other, "shared_password")["branch"] == f"{username}_space"
    gone = http.request("DELETE", "/shared-users", headers=who, json={"username": other})
    assert (gone.status_code, gone.json()) == (200, {"status": "success"})

    uploaded = upload(http, who, archive_ttl="30", destroy_ttl="60")
    assert uploaded.status_code == 200, uploaded.text
    asset = uploaded.json()
    assert set(asset) >= METADATA
    assert asset["asset_path"] == "image/jpg/test"
    assert (asset["primary_filename"], asset["associated_filenames"]) == ("test.jpg", [])
    assert (asset["branch"], asset["status"]) == (f"{username}_space", "active")
    uploaded_at, archived_at, destroyed_at = (
        datetime.fromisoformat(asset[name]) for name in ("upload_date", "archive_date", "destroy_date")
    )
    assert (archived_at - uploaded_at, destroyed_at - archived_at) == (timedelta(days=30), timedelta(days=60))
    version_id = asset["version_id"]

    added = http.post(
        "/add-associated-files/image/jpg/test",
        headers=who,
        files={"associated_files": ("test.json", NOTES, "application/json")},
        data={"primary_version_id": version_id},
    )
    assert added.status_code == 200, added.text
    assert set(added.json()) >= METADATA
    assert added.json()["version_id"] == version_id
    [[name, associated_id]] = added.json()["associated_filenames"]
    assert name == "test.json"

    retrieved = http.get(f"/filedownload/image/jpg/test/{version_id}?return_file_content=False", headers=who)
    assert retrieved.status_code == 200, retrieved.text
    found = retrieved.json()
    assert set(found) == {"metadata", "primary_file", "associated_file_1"}
    assert found["metadata"] == added.json()
    assert {key: found["primary_file"][key] for key in ("filename", "content_type", "version_id")} == {
        "filename": "test.jpg",
        "content_type": "image/jpeg",
        "version_id": version_id,
    }
    assert found["associated_file_1"]["version_id"] == associated_id
    assert "content" not in found["primary_file"]

    [listed] = http.get("/fileversions/image/jpg/test/test.jpg", headers=who).json()
    assert set(listed) >= {"key", "version_id", "last_modified", "url"}
    assert listed["version_id"] == version_id

    archived = http.post(f"/filearchive/image/jpg/test/{version_id}", headers=who)
    assert (archived.status_code, archived.json()["status"]) == (200, "archived")
    assert set(archived.json()) >= METADATA
    destroyed = http.post(f"/delfile/image/jpg/test/{version_id}", headers=who)
    assert (destroyed.status_code, destroyed.json()["status"]) == (200, "destroyed")
    assert set(destroyed.json()) >= METADATA
    assert http.get(f"/filedownload/image/jpg/test/{version_id}", headers=who).status_code == 410
