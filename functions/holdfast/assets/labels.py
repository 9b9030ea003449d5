"""Labels: a few words of the owner's on a version, by which lists and policies choose."""

from __future__ import annotations

import json
import re
import unicodedata

from holdfast.errors import Invalid

MOST = 32
MAX_VALUE = 256
"""Characters."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, half surrogate pairs, line and paragraph separators


def check_key(key: str) -> str:
    """``key``, if it can be a label's. Raises Invalid."""
    if not _KEY.fullmatch(key):
        raise Invalid("A label's key is 1 to 63 of A-Z a-z 0-9 . _ / - and begins with a letter or digit.", field="labels")
    return key


def check(labels: object) -> dict[str, str]:
    """``labels`` as a dictionary sorted by key, if that is what it is: at most 32, texts of up to 256 characters without control
    characters. Raises Invalid."""
    if not isinstance(labels, dict):
        raise Invalid("Labels are a JSON object of texts.", field="labels")
    if len(labels) > MOST:
        raise Invalid(f"A version has at most {MOST} labels.", field="labels")
    for key, value in labels.items():
        check_key(key)
        if not isinstance(value, str) or len(value) > MAX_VALUE or any(unicodedata.category(c) in _FORBIDDEN for c in value):
            raise Invalid(
                f"A label's value is a text of at most {MAX_VALUE} characters without control characters: {key}.", field="labels"
            )
    return dict(sorted(labels.items()))


def parse(text: str) -> dict[str, str]:
    """Labels from a form's field, which holds a JSON object. Raises Invalid."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("Labels are a JSON object of texts.", field="labels") from None
    return check(found)
