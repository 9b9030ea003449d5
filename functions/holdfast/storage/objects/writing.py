"""Writing an object whose bytes are at hand."""

from __future__ import annotations

from collections.abc import Iterable

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
