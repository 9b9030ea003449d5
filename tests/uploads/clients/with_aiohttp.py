"""Uploads a file in chunks, as 001 has them, with nothing but aiohttp, and goes on where it was:
``python with_aiohttp.py '{"server": …, "token": …, …}'``. What is missing it learns from the reply to ``complete``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

AT_ONCE = 3
wanted = json.loads(sys.argv[1])
path, state = Path(wanted["path"]), Path(wanted["state"])
size = path.stat().st_size


async def asked(http: aiohttp.ClientSession, step: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    """The status and the body of a reply that says something, however often it has to be asked for."""
    while True:
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value, filename="blob" if isinstance(value, bytes) else None)
        try:
            async with http.post(f"{wanted['server']}/api/v1/file/upload/{step}", data=form if fields else None) as reply:
                if reply.status in (200, 409):
                    return reply.status, await reply.json()
                if reply.status < 500 and reply.status != 423:
                    raise SystemExit(await reply.text())
        except (aiohttp.ClientError, TimeoutError):
            pass
        await asyncio.sleep(0.1)


def read(index: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(index * length)
        return file.read(length)


def remembered() -> dict[str, Any] | None:
    """What the reply to ``init`` was, if an earlier run has had one."""
    return json.loads(state.read_text()) if state.exists() else None


def remember(upload: dict[str, Any]) -> None:
    new = state.with_suffix(".new")
    new.write_text(json.dumps(upload))
    new.rename(state)


async def main() -> None:
    headers = {"Authorization": f"Bearer {wanted['token']}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as http:
        upload = remembered()
        if upload is None:
            upload = (await asked(http, "init/"))[1]["data"]
            remember(upload)
        upload_id, length = upload["upload_id"], upload["chunk_size"]
        count = -(-size // length)
        whole = {"upload_id": upload_id, "total_chunks": str(count), "total_size": str(size), "filename": wanted["filename"]}
        slots = asyncio.Semaphore(AT_ONCE)

        async def send(index: int) -> None:
            async with slots:
                file = await asyncio.to_thread(read, index, length)
                await asked(http, "chunk/", upload_id=upload_id, chunk_index=str(index), file=file)

        while True:
            status, reply = await asked(http, "complete/", **whole)
            if status == 200:
                return
            await asyncio.gather(*(send(index) for index in reply["missing"]))


asyncio.run(main())
