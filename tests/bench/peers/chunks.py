"""A bare asyncio server that writes what PATCH requests bring to a file, and fsyncs it before it answers the one that completes it:
``python -m tests.bench.peers.chunks PORT FILE SIZE``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

PIECE = 256 * 1024


async def main(port: int, file: Path, size: int) -> None:
    with file.open("wb", buffering=0) as out:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                said = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                left = int(said.get(b"content-length", 0))
                at = int(said.get(b"upload-offset", 0))
                out.seek(at)
                at += left
                while left:
                    piece = await reader.read(min(left, PIECE))
                    if not piece:
                        return
                    out.write(piece)
                    left -= len(piece)
                if at == size:
                    await asyncio.to_thread(os.fsync, out.fileno())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

        async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the client is done
            finally:
                writer.close()

        async with await asyncio.start_server(whole, "127.0.0.1", port, limit=PIECE) as server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
