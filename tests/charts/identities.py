"""The S3 identities that the chart makes, with keys for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.servers.helm import render

HELPERS = Path(__file__).parents[2] / "charts/holdfast/templates/seaweedfs/_identities.tpl"
ALL = ("read", "write", "sweep", "worker", "purge", "lakefs", "bucket")


def keys(name: str) -> tuple[str, str]:
    """Access key and secret key of an identity."""
    return f"{name}-access", f"{name}-secret"


def identities(folder: Path, bucket: str, prefix: str = "", names: Iterable[str] = ALL) -> dict[str, Any]:
    """What the chart gives to `weed s3 -config`. `folder`: a new one to render in."""
    given = {name: dict(zip(("accessKey", "secretKey"), keys(name), strict=True)) for name in names}
    values = yaml.safe_dump({"bucket": bucket, "prefix": prefix, "keys": given})
    rendered = render(folder, HELPERS, 'include "holdfast.seaweedfs.identities" .Values', values)
    found: dict[str, Any] = json.loads(yaml.safe_load(rendered)["rendered"])
    return found
