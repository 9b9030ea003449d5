"""Which type a file is of, and how that type's extension is spelled."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

_CANONICAL = {
    "jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "tiff": "tif", "htm": "html", "mpeg": "mpg", "mpe": "mpg", "yml": "yaml",
    "text": "txt", "markdown": "md", "aiff": "aif", "midi": "mid", "qt": "mov",
}  # fmt: skip
_TOKEN = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_SEGMENT = re.compile(r"[a-z0-9+-]{1,16}")

# The standard library's table differs between systems: it also reads files of the machine. This one does not.
_types = mimetypes.MimeTypes(filenames=())
for _type, _ext in {
    "text/markdown": ".md", "image/webp": ".webp", "image/avif": ".avif", "image/heic": ".heic", "application/yaml": ".yaml",
    "text/plain": ".log", "audio/flac": ".flac", "video/x-matroska": ".mkv", "model/gltf-binary": ".glb", "audio/ogg": ".ogg",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/gzip": ".gz", "application/zstd": ".zst", "font/woff2": ".woff2",
}.items():  # fmt: skip
    _types.add_type(_type, _ext)


def content_type(name: str, head: bytes, said: str | None = None) -> str:
    """What the file is: by its first bytes (up to 4 KiB), else by its extension, else what the client said, else octet-stream.

    A text format cannot be told from its bytes, so there the extension decides. The result is always a plain ``type/subtype``.
    """
    found = _by_content(head)
    by_name = _types.guess_type("x." + extension(name))[0] if extension(name) else None
    if found is not None and by_name in _REFINES.get(found, ()):
        return by_name or found
    chosen = found or by_name or (said or "").split(";")[0].strip().lower()
    kind, _, subtype = chosen.partition("/")
    return chosen if _TOKEN.fullmatch(kind) and _TOKEN.fullmatch(subtype) and len(chosen) <= 127 else "application/octet-stream"


_ZIP = "application/zip"
_REFINES = {
    # Containers: the bytes name the container, the extension what is in it.
    _ZIP: frozenset(
        {_types.guess_type("x." + e)[0] for e in ("docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "jar", "apk", "whl")}
        | {"application/zip"}
    ),
    "video/x-matroska": frozenset({"video/webm", "audio/webm"}),
    "video/mp4": frozenset({"audio/mp4", "video/quicktime", "image/heic", "image/avif", "audio/mp4a-latm"}),
    "audio/ogg": frozenset({"video/ogg", "application/ogg"}),
}


def _by_content(head: bytes) -> str | None:
    if not head:
        return None
    import filetype  # type: ignore[import-untyped]  # here: most functions know of types, and look at no bytes

    kind = filetype.guess(head)
    return None if kind is None else str(kind.mime)


def extension(name: str) -> str:
    """Lower case, without the dot, in its canonical spelling (``jpg`` for ``.JPEG``); empty when there is none."""
    stem, dot, ext = unicodedata.normalize("NFC", name).rpartition(".")
    ext = ext.strip().lower()
    if not dot or not stem.strip(".") or not _SEGMENT.fullmatch(ext):
        return ""
    return _CANONICAL.get(ext, ext)


def type_of_extension(ext: str) -> str | None:
    """The media type that ``ext`` (without dot) stands for; None when it stands for none."""
    return _types.guess_type("x." + ext)[0]


def extension_of_type(mime: str) -> str:
    """The canonical extension of a media type; empty when it has none."""
    ext = (_types.guess_extension(mime) or "").lstrip(".")
    return _CANONICAL.get(ext, ext)
