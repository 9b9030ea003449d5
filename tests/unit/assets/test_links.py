"""Until when a link holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from holdfast.assets.links import Links, Target
from holdfast.storage.objects import Objects
from holdfast.storage.objects.sigv4 import Credentials, presign_get

NOW = datetime(2026, 1, 1, 12, 0, 0, 700_000, UTC)
FILE = Target("data/0/0", "a.txt", "text/plain", "c1")
KEYS = Credentials("access", "secret", "us-east-1")


@dataclass(frozen=True)
class Version:
    destroy_date: datetime | None
    asset_path: str = "text/txt/a"
    version_id: str = "v1"
    status: str = "active"
    held: int = 0


class Store:
    """Its links are S3's."""

    def link(self, key: str, *, expires: datetime, content_type: str, disposition: str) -> str:
        return presign_get(
            KEYS,
            origin="https://s3.test",
            path=f"/{key}",
            expires=expires,
            content_type=content_type,
            disposition=disposition,
            now=NOW,
        )


def end(url: str) -> datetime:
    query = dict(parse_qsl(urlsplit(url).query))
    if "expires" in query:
        return datetime.fromtimestamp(int(query["expires"]), UTC)
    begun = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    return begun + timedelta(seconds=int(query["X-Amz-Expires"]))


@pytest.mark.parametrize("left", [0.0, 0.2, 0.4, 0.999, 1.0, 1.3, 2.0, 59.9])
def test_no_link_of_a_store_outlives_the_destroy_date_by_a_fraction_of_a_second(left: float) -> None:
    ends = NOW + timedelta(seconds=left)
    url = Links(b"secret", 15).make(cast(Objects, Store()), "ada_space", Version(ends), FILE, "https://holdfast.test", NOW)
    assert end(url) <= ends
    assert url.startswith("https://s3.test/" if left >= 1 else "https://holdfast.test/content/")


def test_without_a_destroy_date_a_link_holds_for_the_minutes_of_the_setting() -> None:
    url = Links(b"secret", 15).make(cast(Objects, Store()), "ada_space", Version(None), FILE, "https://holdfast.test", NOW)
    assert end(url) == NOW.replace(microsecond=0) + timedelta(minutes=15)
