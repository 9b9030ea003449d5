"""Which versions a policy or a hold is about: globs over asset paths and media types, and labels. Pure.

In a path's glob ``*`` and ``?`` stand for characters of one segment, ``**`` for any number of them with their slashes, so that
``image/png/**`` is all below ``image/png/``. In a media type's, ``*`` stands for anything: ``image/*``. The rest stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

_GLOB = re.compile(r"\*\*|\*|\?")
_SEGMENT = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_ANY = {"**": ".*", "*": ".*", "?": "."}


@lru_cache(maxsize=4096)
def path_matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Says of an asset path whether one of ``globs`` matches the whole of it. No globs: always."""
    return _matcher(globs, _SEGMENT, 0)


@lru_cache(maxsize=4096)
def media_type_matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Says of a content type whether one of ``globs`` matches it, whatever its case and without its parameters (``text/plain;
    charset=utf-8`` is a ``text/plain``). No globs: always."""
    matches = _matcher(globs, _ANY, re.IGNORECASE)
    return lambda content_type: matches(content_type.partition(";")[0].strip())


def labels_match(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether ``labels`` have all that are ``wanted``, with these values."""
    return all(labels.get(key) == value for key, value in wanted.items())


def _matcher(globs: Sequence[str], meaning: Mapping[str, str], flags: int) -> Callable[[str], bool]:
    if not globs:
        return lambda _text: True
    compiled = re.compile("|".join(f"(?:{_translated(glob, meaning)})" for glob in globs), flags | re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


def _translated(glob: str, meaning: Mapping[str, str]) -> str:
    pieces, end = [], 0
    for found in _GLOB.finditer(glob):
        pieces += [re.escape(glob[end : found.start()]), meaning[found[0]]]
        end = found.end()
    return "".join([*pieces, re.escape(glob[end:])])
