"""The bytes of a stored file as a reply: conditions, ranges, and headers under which no content can act on our origin.

``plan`` decides by the request's headers alone (RFC 9110, sections 13 and 14); ``reply`` does it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from holdfast.errors import PreconditionFailed, RangeUnsatisfiable
from holdfast.web.hop import Threads
from holdfast.web.streaming import Body, ContentResponse

if TYPE_CHECKING:
    from holdfast.storage.objects.port import Objects


@dataclass(frozen=True, slots=True)
class Content:
    """One stored file. ``size`` in bytes, ``sha256`` in hex (None while it is not known), ``modified`` aware; ``inline``: shown
    instead of saved, where safe."""

    key: str
    size: int
    sha256: str | None
    content_type: str
    filename: str
    modified: datetime
    inline: bool = False

    @property
    def etag(self) -> str:
        """The sha256; until it is known, the tag that only this object has."""
        return self._of_key if self.sha256 is None else f'"{self.sha256}"'

    @property
    def etags(self) -> tuple[str, ...]:
        """All that name it: the bytes under a key never change, so what was said before they were hashed stays true."""
        return tuple(dict.fromkeys((self.etag, self._of_key)))

    @property
    def _of_key(self) -> str:
        return f'"object-{hashlib.sha256(self.key.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Plan:
    """What to answer: ``status`` 200, 206 or 304, and the bytes from ``start`` on, ``length`` of them."""

    status: int
    start: int = 0
    length: int = 0


def plan(content: Content, method: str, headers: Mapping[str, str]) -> Plan:
    """In the order of RFC 9110, section 13.2.2. Raises PreconditionFailed and RangeUnsatisfiable."""
    if (match := headers.get("if-match")) is not None:
        if not matches(match, content.etags, weakly=False):
            raise PreconditionFailed("The content is not the one that If-Match names.")
    elif (since := _date(headers.get("if-unmodified-since"))) and _seconds(content.modified) > since:
        raise PreconditionFailed("The content was modified since.")
    if (none := headers.get("if-none-match")) is not None:
        if matches(none, content.etags, weakly=True):
            return Plan(304)
    elif (since := _date(headers.get("if-modified-since"))) and _seconds(content.modified) <= since:
        return Plan(304)
    span = None
    if method == "GET" and "range" in headers:  # for other methods a range is to be ignored (14.2)
        # Of If-Range's two forms only a tag of ours is surely a strong validator (13.1.5); under any other the whole is sent.
        condition = headers.get("if-range")
        if condition is None or condition.strip() in content.etags:
            span = parse_range(headers["range"], content.size)
    if span is None:
        return Plan(200, 0, content.size)
    return Plan(206, *span)


_RANGES = re.compile(r"\s*bytes\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and length of the one range that ``header`` asks for; None where the whole is to be sent.

    The whole is the answer to another unit, to what is no valid range (14.2), and to several ranges: a server may ignore them, and
    ``multipart/byteranges`` would let a short request ask for more bytes than there are. Raises RangeUnsatisfiable when no byte of
    any of the ranges is there.
    """
    found = _RANGES.fullmatch(header) if len(header) <= 1000 else None
    if found is None:
        return None
    spans: list[tuple[int, int] | None] = []
    for text in (part.strip(" \t") for part in found[1].split(",")):
        if not text:
            continue  # empty list elements are allowed (5.6.1)
        span = _RANGE.fullmatch(text)
        if span is None or text == "-" or (span[1] and span[2] and int(span[2]) < int(span[1])):
            return None
        spans.append(_within(span[1], span[2], size))
    satisfiable = [span for span in spans if span is not None]
    if spans and not satisfiable:
        raise RangeUnsatisfiable("No byte of the content lies in the range.", size=size)
    if len(spans) != 1 or not satisfiable[0][1]:
        return None  # the last bytes of nothing are all of it, and Content-Range cannot say so
    return satisfiable[0]


def _within(first: str, last: str, size: int) -> tuple[int, int] | None:
    if not first:
        length = min(int(last), size)
        return (size - length, length) if int(last) else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return (start, end - start + 1) if start < size else None


_TAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')


def matches(condition: str, etags: Collection[str], *, weakly: bool) -> bool:
    """Whether ``*`` or a list of entity tags names one of ``etags``, strong ones, by weak or strong comparison (8.8.3.2). What
    follows a tag that cannot be read names nothing."""
    if condition.strip() == "*":
        return True
    position = 0
    while found := _TAG.match(condition, position):
        if found[2] in etags and (weakly or not found[1]):
            return True
        position = found.end()
    return False


def _date(text: str | None) -> datetime | None:
    """An HTTP date; None when there is none or it cannot be read, for then the condition is ignored (13.1.3)."""
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):  # the latter of a number that no date holds
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _seconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:\s*;\s*charset=[A-Za-z0-9._-]{1,40})?")
_NOT_PLAIN = re.compile(r'[^ -~]|["\\%]')
_INLINE = re.compile(r"image/(?:png|jpeg|gif|webp|avif|bmp|tiff|heic|heif)|application/pdf|(?:audio|video)/[a-z0-9.+-]+|text/plain")


def safe_type(content_type: str) -> str:
    """The type when it is well-formed, ``application/octet-stream`` else: it goes into a header."""
    return content_type if _TYPE.fullmatch(content_type) else "application/octet-stream"


def disposition(filename: str, content_type: str, *, inline: bool = False) -> str:
    """``Content-Disposition`` (RFC 6266) with an ASCII name for old clients and the true one beside it.

    Always an attachment but for types in which no script can run, and those only if ``inline`` is asked for.
    """
    kind = "inline" if inline and _INLINE.fullmatch(content_type.partition(";")[0].strip().lower()) else "attachment"
    fallback = _NOT_PLAIN.sub("_", filename)
    if fallback == filename:
        return f'{kind}; filename="{filename}"'
    extended = quote(filename.encode("utf-8", "replace"), safe="")
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{extended}"


async def reply(request: Request, content: Content, objects: Objects, threads: Threads) -> Response:
    """The response to a GET or HEAD. Raises what ``plan`` raises, and what the store raises before its first chunk."""
    found = plan(content, request.method, request.headers)
    headers = {
        "ETag": content.etag,
        "Last-Modified": format_datetime(_seconds(content.modified), usegmt=True),
        # Access can end at any second, and a name may stand for a newer version: ask again each time, which costs a 304.
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if found.status == 304:
        return Response(status_code=304, headers=headers)
    headers |= {
        "Content-Type": safe_type(content.content_type),
        "Content-Length": str(found.length),
        "Content-Disposition": disposition(content.filename, content.content_type, inline=content.inline),
    }
    if found.status == 206:
        headers["Content-Range"] = f"bytes {found.start}-{found.start + found.length - 1}/{content.size}"
    if request.method == "HEAD" or found.length == 0:
        return Response(status_code=found.status, headers=headers)
    body = await Body.open(objects, content.key, found.start, found.length, threads)
    return ContentResponse(body, found.status, headers)
