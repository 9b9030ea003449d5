"""From what a client calls a file to where it lives.

A name is kept as given in the metadata. For paths it is made safe, which may make two names one: that is refused where it happens
(409), never merged. The rules: an asset lives at ``<media type>/<canonical extension>/<stem>`` (000: ``image/jpg/test`` for
``test.jpeg``), its files on the branch at ``<asset_path>/<safe name>``, and files that join a version which is not its asset's
newest at ``<asset_path>@<version_id>/<safe name>``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from holdfast.errors import Invalid, Malformed
from holdfast.media import kind

MAX_BYTES = 255
"""Of a file name in UTF-8: what common file systems take."""

_UNSAFE = re.compile(r"[^\w.\-+=]")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def file_name(given: str) -> str:
    """``given``, or Invalid when no file may be called so: empty, above 255 bytes, with separators, control characters or
    surrogates, ``.`` or ``..``, a device name of Windows (such a file cannot be saved there)."""
    if not given or not given.strip():
        raise Invalid("A file needs a name.", slug="bad-filename")
    try:
        length = len(given.encode())
    except UnicodeEncodeError:
        raise Invalid("The file name is not valid Unicode.", slug="bad-filename") from None
    if length > MAX_BYTES:
        raise Invalid(f"The file name is longer than {MAX_BYTES} bytes.", slug="bad-filename")
    if any(c in "/\\" for c in given) or given.strip() in {".", ".."}:
        raise Invalid("A file name holds no path.", slug="bad-filename")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068" for c in given):
        raise Invalid("The file name holds control characters.", slug="bad-filename")
    if given.split(".", 1)[0].strip().lower() in _DEVICES:
        raise Invalid("The file name is reserved on some systems.", slug="bad-filename")
    return given


def safe(name: str) -> str:
    """The name as it stands in paths: composed (NFC), and ``_`` for everything but letters, digits and ``. - + = _``."""
    made = _UNSAFE.sub("_", unicodedata.normalize("NFC", name))
    return "_" + made[1:] if made.startswith(".") else made


def asset_path(name: str, mime: str) -> str:
    """``<media type>/<canonical extension>/<stem>``. The extension is the name's own, unless the bytes say that it is another."""
    ext = kind.extension(name)
    stem = unicodedata.normalize("NFC", name).rpartition(".")[0] if ext else unicodedata.normalize("NFC", name)
    if not ext or (kind.type_of_extension(ext) or mime) != mime:
        ext = kind.extension_of_type(mime) or ext or "bin"
    return f"{mime.partition('/')[0]}/{ext}/{safe(stem)}"


@dataclass(frozen=True, slots=True)
class AssetPath:
    """An ``asset_path`` of a request, taken apart."""

    media_type: str
    extension: str
    stem: str

    def __str__(self) -> str:
        return f"{self.media_type}/{self.extension}/{self.stem}"


def parse_asset_path(given: str) -> AssetPath:
    """Takes ``<media type>/<extension>/<stem>`` apart. Raises Malformed for what can be no asset's path."""
    parts = given.split("/")
    if len(parts) != 3 or not all(parts) or any(unicodedata.category(c) == "Cc" for c in given) or len(given) > 400:
        raise Malformed("An asset path is <media type>/<extension>/<stem>.", slug="bad-asset-path")
    return AssetPath(*parts)


def path_on_branch(asset: str, name: str, *, version_id: str | None = None) -> str:
    """Where a file lies in commits; ``version_id`` only for a file that joins a version which is not the newest."""
    return f"{asset}@{version_id}/{safe(name)}" if version_id else f"{asset}/{safe(name)}"
