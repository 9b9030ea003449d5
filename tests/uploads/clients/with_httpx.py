"""Uploads a file by tus with nothing but httpx, and goes on where it was: ``python with_httpx.py '{"server": …, "token": …, …}'``.

The bytes of a request are streamed, so that it has no Content-Length."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

wanted = json.loads(sys.argv[1])
path, state = Path(wanted["path"]), Path(wanted["state"])
size = path.stat().st_size


def insisting(ask: Callable[[], httpx.Response], good: int) -> httpx.Response:
    while True:
        try:
            reply = ask()
        except httpx.TransportError:
            pass
        else:
            if reply.status_code == good:
                return reply
            if reply.status_code < 500 and reply.status_code != 423:
                raise SystemExit(reply.text)
        time.sleep(0.1)


def piece(offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        left = wanted["chunk"]
        while left and (block := file.read(min(left, 1 << 17))):
            left -= len(block)
            yield block


with httpx.Client(
    headers={"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {wanted['token']}"}, trust_env=False, timeout=60
) as http:
    if not state.exists():
        name = base64.b64encode(wanted["filename"].encode()).decode()
        about = {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        created = insisting(lambda: http.post(f"{wanted['server']}/uploads", headers=about), 201)
        new = state.with_suffix(".new")
        new.write_text(created.headers["location"])
        new.rename(state)
    url, offset = state.read_text(), None
    while offset != size:
        if offset is None:
            offset = int(insisting(lambda: http.head(url), 200).headers["upload-offset"])
            continue
        said = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        try:
            reply = http.patch(url, headers=said, content=piece(offset))
        except httpx.TransportError:
            offset = None
        else:
            offset = int(reply.headers["upload-offset"]) if reply.status_code == 204 else None
