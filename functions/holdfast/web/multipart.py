"""Forms with files in them (``multipart/form-data``, RFC 7578), read as they arrive: no file is ever held or spooled.

    async for part in Multipart(request):
        if part.filename is None:
            value = await part.text()
        else:
            async for chunk in part:
                ...

python-multipart finds the boundaries; everything that a part *means* is decided here. Each limit is checked before what it limits
takes memory. At most what the server delivered in one go (uvicorn: some 64 KiB) is held at a time, and chunks are views of it.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.requests import Request

from holdfast.errors import Invalid, Malformed, TooLarge, UnsupportedMediaType

Chunk = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Limits:
    """Above these a form is refused with 413; ``idle`` seconds without a byte give 400."""

    files: int = 101
    fields: int = 100
    value: int = 64 * 1024
    """Bytes of a field's value."""
    header: int = 8 * 1024
    """Bytes of one header line of a part, its name and file name included."""
    headers: int = 8
    """Header lines of one part."""
    all_headers: int = 1024 * 1024
    """Bytes of the header lines of all parts."""
    body: int | None = None
    """Bytes of the whole body, where the caller knows an upper bound."""
    idle: float = 60


class _End:
    """Follows a part's last chunk."""


_END: Final = _End()


class Part:
    """One field or file, valid until the next one is asked for. ``filename`` is None for a field."""

    def __init__(self, form: Multipart, name: str, filename: str | None, content_type: str | None) -> None:
        self._form = form
        self.name = name
        self.filename = filename
        self.content_type = content_type

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Its bytes as they arrive, once. A chunk may be kept only as a copy."""
        form = self._form
        while form.current is self:
            while form.events:
                event = form.events.popleft()
                if isinstance(event, (bytes, memoryview)):
                    yield event
                else:
                    form.current = None
                    return
            await form.more()

    async def text(self) -> str:
        """The whole value. Raises TooLarge above the limit for a field, Malformed when it is not UTF-8."""
        value = bytearray()
        async for chunk in self:
            if len(value) + len(chunk) > self._form.limits.value:
                raise TooLarge(
                    f"The field {self.name[:100]!r} is longer than {self._form.limits.value} bytes.", slug="field-too-large"
                )
            value += chunk
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"The field {self.name[:100]!r} is not UTF-8.") from error


class Multipart:
    """The parts of ``request``'s body, in order. A part that is not read, or not to its end, is skipped.

    Every name may come once, except those in ``repeated``. Raises UnsupportedMediaType when the body is no such form, Malformed
    when it cannot be read or ends too early, Invalid for a name that came twice, TooLarge above a limit. Starlette's
    ClientDisconnect passes through.
    """

    def __init__(self, request: Request, limits: Limits | None = None, *, repeated: frozenset[str] = frozenset()) -> None:
        self.limits = limits or Limits()
        self.events: deque[Part | Chunk | _End] = deque()
        self.current: Part | None = None
        self._repeated = repeated
        self._stream = request.stream()
        self._files = self._fields = self._header_bytes = self._received = 0
        self._names: set[str] = set()
        self._ended = False
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        boundary = boundary_of(request.headers.get("content-type", ""))
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("The body must not be compressed.")
        length = request.headers.get("content-length", "")
        if self.limits.body is not None and length.isdecimal() and int(length[:20]) > self.limits.body:
            raise TooLarge(f"The body is longer than {self.limits.body} bytes.")
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value_comes,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": lambda: self.events.append(_END),
                "on_end": self._end,
            },
            max_header_count=self.limits.headers,
            max_header_size=self.limits.header,
        )

    def __aiter__(self) -> Multipart:
        return self

    async def __anext__(self) -> Part:
        if self.current is not None:
            async for _ in self.current:
                pass
        while not self.events:
            if not await self.more():
                raise StopAsyncIteration
        part = self.events.popleft()
        assert isinstance(part, Part)
        self.current = part
        return part

    async def more(self) -> bool:
        """Lets events come in from the next bytes of the body. False when it ended as it should."""
        try:
            async with asyncio.timeout(self.limits.idle):
                data = await anext(self._stream, b"")
        except TimeoutError as error:
            raise Malformed("The body stopped coming.", slug="incomplete-body") from error
        if not data:
            if not self._ended:
                raise Malformed("The form ends without its last boundary.", slug="incomplete-body")
            return False
        self._received += len(data)
        if self.limits.body is not None and self._received > self.limits.body:
            raise TooLarge(f"The body is longer than {self.limits.body} bytes.")
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise Malformed("The body is not a form with this boundary, or one of its parts is broken.") from error
        return True

    def _part_begins(self) -> None:
        if self._files + self._fields >= self.limits.files + self.limits.fields:
            raise TooLarge("The form has too many parts.", slug="too-many-parts")
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_value += data[start:end]

    def _count_header(self, length: int) -> None:
        self._header_bytes += length
        if self._header_bytes > self.limits.all_headers:
            raise TooLarge("The headers of the form's parts are too long.", slug="too-many-parts")

    def _header_ends(self) -> None:
        name = bytes(self._header_name).lower()
        if name in self._headers:
            raise Malformed("A part has the same header twice.")
        self._headers[name] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _headers_end(self) -> None:
        headers = self._headers
        name, filename = names_of(headers.get(b"content-disposition", b""))
        if headers.get(b"content-transfer-encoding", b"binary").strip().lower() not in {b"binary", b"8bit", b"7bit"}:
            raise Malformed("A part has a Content-Transfer-Encoding, which RFC 7578 does not allow.")
        if filename is None:
            self._fields += 1
        else:
            self._files += 1
        if self._files > self.limits.files or self._fields > self.limits.fields:
            raise TooLarge("The form has too many parts.", slug="too-many-parts")
        if name in self._names and name not in self._repeated:
            raise Invalid(f"{name[:100]!r} came twice.", slug="duplicate-field")
        self._names.add(name)
        content_type = headers.get(b"content-type")
        self.events.append(Part(self, name, filename, content_type.decode("latin-1").strip() if content_type else None))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(data if start == 0 and end == len(data) else memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True


_BOUNDARY = re.compile(r"[!-~]|[!-~][ -~]{0,68}[!-~]")
_PARAMETER = re.compile(rb"""\s*;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""", re.DOTALL)
_EXTENDED = re.compile(rb"([A-Za-z0-9-]+)'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*)")


def boundary_of(content_type: str) -> bytes:
    """The boundary that a ``Content-Type`` names. Raises UnsupportedMediaType for another type, Malformed without a boundary."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType("The body must be multipart/form-data.")
    boundary = _parameters(b";" + parameters.encode("latin-1")).get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("Content-Type names no boundary of 1 to 70 characters.")
    return boundary.encode("latin-1")


def names_of(disposition: bytes) -> tuple[str, str | None]:
    """Field name and file name of a part's ``Content-Disposition``.

    Plain values are UTF-8, in which browsers write CR, LF and the double quote as %0D, %0A and %22 (WHATWG HTML,
    "multipart/form-data encoding algorithm"). ``filename*`` (RFC 8187) is taken as well, and wins: older versions of Python's
    requests send nothing else. Raises Malformed.
    """
    kind, _, rest = disposition.partition(b";")
    if kind.strip().lower() != b"form-data":
        raise Malformed("A part has no Content-Disposition: form-data.")
    parameters = _parameters(b";" + rest)
    if b"name" not in parameters:
        raise Malformed("A part has no name.")
    try:
        name = _plain(parameters[b"name"])
        if b"filename*" in parameters:
            return name, _extended(parameters[b"filename*"])
        filename = parameters.get(b"filename")
        return name, None if filename is None else _plain(filename)
    except UnicodeDecodeError as error:
        raise Malformed("A part's name is not UTF-8.") from error


def _parameters(text: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    position, text = 0, text.rstrip(b"; \t")
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise Malformed("A header's parameters cannot be read.")
        key, quoted, token = match.groups()
        key = key.lower()
        if key in found:
            raise Malformed("A header has the same parameter twice.")
        found[key] = token if quoted is None else re.sub(rb'\\(["\\])', rb"\1", quoted)
        position = match.end()
    return found


def _plain(value: bytes) -> str:
    return value.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n").decode()


def _extended(value: bytes) -> str:
    match = _EXTENDED.fullmatch(value)
    charset = match[1].lower() if match else b""
    if match is None or charset not in {b"utf-8", b"iso-8859-1"}:
        raise Malformed("A part's filename* is not written as RFC 8187 says.")
    return unquote_to_bytes(match[2]).decode(charset.decode())
