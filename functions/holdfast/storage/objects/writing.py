"""Writing an object, or a part of one, whose bytes are at hand."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.storage.objects.assembly import Part, PartWriter
from holdfast.storage.objects.port import Stored, Writer


def write(writer: Writer, chunks: Iterable[bytes | memoryview]) -> Stored:
    """Feeds ``writer`` with all of ``chunks`` and finishes it. Blocks. Raises what the writer and the chunks raise; the writer is
    aborted then."""
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                writer.flush()
                rest = rest[writer.feed(rest) :]
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def write_part(writer: PartWriter, chunks: Iterable[bytes | memoryview]) -> Part:
    """As ``write``, for a part that has room for all of them."""
    try:
        for chunk in chunks:
            writer.feed(chunk)
        return writer.finish()
    except BaseException:
        writer.abort()
        raise
