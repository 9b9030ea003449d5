"""Forms without files, in either encoding, as a dictionary."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from holdfast.errors import Invalid, Malformed, TooLarge, UnsupportedMediaType
from holdfast.web import body
from holdfast.web.multipart import Limits, Multipart


async def fields(request: Request, limits: Limits | None = None) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` or ``multipart/form-data`` body, under the same ``limits``.

    Raises UnsupportedMediaType, Malformed, TooLarge, and Invalid for a name that came twice or a file.
    """
    limits = limits or Limits()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found: dict[str, str] = {}
        async for part in Multipart(request, limits):
            if part.filename is not None:
                raise Invalid(f"{part.name[:100]!r} must be a field, not a file.")
            found[part.name] = await part.text()
        return found
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("The body must be a form.")
    return urlencoded(await body.read(request, limits.value, idle=limits.idle), limits.fields)


def urlencoded(text: bytes, most: int) -> dict[str, str]:
    """Raises Malformed, TooLarge above ``most`` fields, Invalid for a name that came twice."""
    if text.count(b"&") >= most:
        raise TooLarge("The form has too many fields.", slug="too-many-parts")
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise Malformed("The form cannot be read.") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("A field came twice.", slug="duplicate-field")
    return found
