"""One row of ``versions`` by FastAPI, with nothing around it: ``python -m tests.bench.peers.rows PORT``, the database in
``BENCH_DATABASE`` and the workspace's id in ``BENCH_WORKSPACE``.

An asynchronous handler, one thread hop, a pool of PyMySQL's own connections, one SELECT by a unique key. No authorisation.
"""

from __future__ import annotations

import os
import queue
import sys
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pymysql
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from starlette.responses import JSONResponse

COLUMNS = (
    "asset_path", "version_id", "primary_filename", "upload_date", "archive_date", "destroy_date", "status", "size", "content_type",
    "sha256", "labels", "phase", "purge_after", "held",
)  # fmt: skip
SELECT = f"SELECT {', '.join(COLUMNS)} FROM versions WHERE workspace_id = %s AND asset_path = %s AND version_id = %s"
WORKSPACE = int(os.environ.get("BENCH_WORKSPACE", "0"))

app = FastAPI()
pool: queue.LifoQueue[Any] = queue.LifoQueue()


def connect() -> Any:
    url = urlsplit(os.environ["BENCH_DATABASE"])
    return pymysql.connect(
        host=url.hostname or "",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.path[1:],
        autocommit=True,
        ssl_disabled=True,
    )


def select(asset_path: str, version_id: str) -> dict[str, Any]:
    connection = pool.get()
    try:
        with connection.cursor() as cursor:
            cursor.execute(SELECT, (WORKSPACE, asset_path, version_id))
            row = cursor.fetchone()
    finally:
        pool.put(connection)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in zip(COLUMNS, row, strict=True)}


@app.get("/filedownload/{asset_path:path}/{version_id}")
async def get(asset_path: str, version_id: str) -> JSONResponse:
    return JSONResponse(await to_thread.run_sync(select, asset_path, version_id))


if __name__ == "__main__":
    for _ in range(16):
        pool.put(connect())
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
