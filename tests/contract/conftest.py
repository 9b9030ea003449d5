"""The objects port over each of its adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.object_stores import Store, folder_store, s3_store

from holdfast import failpoints
from holdfast.storage.objects import Objects


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return folder_store(tmp_path) if request.param == "folder" else s3_store(request.getfixturevalue("seaweedfs"))


@pytest.fixture
def objects(store: Store) -> Objects:
    return store.objects


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    failpoints.disarm()
