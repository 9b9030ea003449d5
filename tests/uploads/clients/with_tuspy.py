"""Uploads a file with tuspy, and goes on where it was: ``python with_tuspy.py '{"server": …, "token": …, "path": …, …}'``."""

from __future__ import annotations

import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

wanted = json.loads(sys.argv[1])
client = TusClient(f"{wanted['server']}/uploads", headers={"Authorization": f"Bearer {wanted['token']}"})
client.uploader(
    file_path=wanted["path"],
    chunk_size=wanted["chunk"],
    metadata={"filename": wanted["filename"]},
    retries=200,
    retry_delay=0.2,
    store_url=True,
    url_storage=FileStorage(wanted["state"]),  # type: ignore[no-untyped-call]
).upload()
