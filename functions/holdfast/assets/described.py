"""Metadata as OpenAPI describes it. Replies are made by ``metadata.describe``; a test holds one against the other."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from holdfast.scanning.port import Result

EXAMPLE: dict[str, JsonValue] = {
    "asset_path": "image/jpg/test",
    "version_id": "9ef0d7a74ce9d8ece8b103bba8096f05fb50c4e35c7d92b77ae57b78ef898e01",
    "primary_filename": "test.jpg",
    "associated_filenames": [["notes.txt", "9ef0d7a74ce9d8ece8b103bba8096f05fb50c4e35c7d92b77ae57b78ef898e01"]],
    "upload_date": "2026-11-21T14:03:00.000000+00:00",
    "archive_date": "2026-12-21T14:03:00.000000+00:00",
    "destroy_date": "2027-01-20T14:03:00.000000+00:00",
    "branch": "ada_space",
    "status": "active",
    "size": 48211,
    "content_type": "image/jpeg",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "scan_result": "clean",
    "labels": {"project": "apollo"},
    "unchanged": False,
    "phase": None,
    "purge_after": None,
    "held": False,
    "expires": {"at": "2027-01-20T14:03:00.000000+00:00", "by": "ttl"},
}

_LINK = "https://store.example/holdfast/data/5f0c/0?X-Amz-Expires=1200&X-Amz-Signature=…"
VERSION_EXAMPLE: dict[str, JsonValue] = {
    "key": "image/jpg/test/test.jpg",
    "version_id": EXAMPLE["version_id"],
    "last_modified": EXAMPLE["upload_date"],
    "url": _LINK,
    "status": "active",
}
_FILE: dict[str, JsonValue] = {
    "filename": "test.jpg",
    "content_type": "image/jpeg",
    "version_id": EXAMPLE["version_id"],
    "url": _LINK,
}


class Expiry(BaseModel):
    at: datetime
    by: str = Field(description="What ends it: `ttl`, its own TTLs; or the policy in force, by namespace/name.")


class AssetMetadata(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    asset_path: str
    version_id: str = Field(description="The commit that brought the primary file.")
    primary_filename: str
    associated_filenames: list[tuple[str, str]] = Field(description="Name, and the commit that brought it.")
    upload_date: datetime
    archive_date: datetime | None = Field(description="When it was, or by its own TTL will be, archived.")
    destroy_date: datetime | None = Field(description="When it was, or by its own TTL will be, destroyed.")
    branch: str = Field(description="The workspace.")
    status: Literal["active", "archived", "destroyed"]
    size: int = Field(description="Of the primary file, in bytes.")
    content_type: str
    sha256: str | None = Field(description="Of the primary file, in hex; null until its bytes are hashed.")
    scan_result: Result = Field(
        description="What the malware scanner said of the upload that brought it. What is neither `clean` nor `not_scanned` was "
        "let in by a platform admin all the same."
    )
    labels: dict[str, str]
    unchanged: bool = Field(description="Whether an upload brought nothing new.")
    phase: Literal["condemned", "purging", "erased"] | None = Field(description="Of a destroyed version.")
    purge_after: datetime | None = Field(description="A condemned version can be restored until then.")
    held: bool = Field(description="Whether a legal hold covers it.")
    expires: Expiry | None = Field(description="When it becomes unreadable, and by what.")


class AssetList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}})

    items: list[AssetMetadata]
    next_cursor: str | None


class FileVersion(BaseModel):
    key: str = Field(description="Where the file lies on the branch.")
    version_id: str = Field(description="The commit that brought this file.")
    last_modified: datetime
    url: str | None = Field(description="A link to the content; null where there is none, or you may not download.")
    status: Literal["active", "archived", "destroyed"] = Field(description="Of the version that the file belongs to.")


class DownloadFile(BaseModel):
    filename: str
    content_type: str
    version_id: str = Field(description="The commit that brought this file.")
    url: str = Field(description="A link that needs no token and holds for some minutes.")
    content: str | None = Field(None, description="The bytes in base64, if they were asked for.")


class Download(BaseModel):
    """There is an `associated_file_1`, `associated_file_2` … for each associated file."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": {"metadata": EXAMPLE, "primary_file": _FILE}})

    metadata: AssetMetadata
    primary_file: DownloadFile
    associated_file_1: DownloadFile | None = None
