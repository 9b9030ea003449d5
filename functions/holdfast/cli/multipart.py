"""A multipart/form-data body (RFC 7578) that is read from disk while it is sent, and whose length is known before."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from holdfast.cli.failures import Failure

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A file that goes as form field ``name``, under its own file name."""

    name: str
    path: Path
    size: int

    @classmethod
    def of(cls, name: str, path: Path) -> Part:
        """Raises OSError when there is no such file."""
        if path.is_dir():
            raise Failure(f"{path} is a folder, not a file.")
        return cls(name, path, path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Body:
    """Can be sent any number of times: each iteration reads the files anew."""

    fields: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": f"multipart/form-data; boundary={self.boundary}", "Content-Length": str(self.length)}

    @property
    def length(self) -> int:
        """Of the whole body, in bytes."""
        fields = sum(len(self._field(*field)) for field in self.fields)
        files = sum(len(self._head(part)) + part.size + 2 for part in self.parts)
        return fields + files + len(self._end())

    def stream(self, sent: Callable[[int], None]) -> Iterator[bytes]:
        """The bytes, at most ``CHUNK`` at a time. ``sent`` hears of each chunk of a file. Raises Failure when a file changed."""
        for one in self.fields:
            yield self._field(*one)
        for part in self.parts:
            yield self._head(part)
            left = part.size
            with part.path.open("rb") as file:
                while left and (chunk := file.read(min(CHUNK, left))):
                    yield chunk
                    left -= len(chunk)
                    sent(len(chunk))
            if left:
                raise Failure(f"{part.path} became shorter while it was sent.")
            yield b"\r\n"
        yield self._end()

    def _field(self, name: str, value: str) -> bytes:
        return f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()

    def _head(self, part: Part) -> bytes:
        kind = mimetypes.guess_type(part.path.name)[0] or "application/octet-stream"
        return (
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{part.name}"; {_named(part.path.name)}\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        ).encode()

    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def _named(name: str) -> str:
    """The parameter that carries a file's name: between quotes as browsers write it (HTML Standard, "multipart form data"), and by
    RFC 8187 where that would be read as another name."""
    if "\\" in name or any(code in name for code in ("%0D", "%0A", "%22")):
        return f"filename*=UTF-8''{quote(name, safe='')}"
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return f'filename="{escaped}"'
