"""How long the parts of a multipart upload are."""

from __future__ import annotations

PART = 6 << 20
"""Length of the first parts in bytes; up to this length an object is one PUT."""
MIN_PART = 5 << 20
"""What S3 wants of every part of an assembly but the last, in bytes; the folder wants it too, so that nothing works on it alone."""
MAX_PARTS = 10_000
"""S3's limit, and SeaweedFS's."""


def part_size(number: int) -> int:
    """The length in bytes of part ``number`` (from 1), unless it is the last.

    A part has to be in memory before it is sent, for its hash is in the signed headers that go first. So all parts are short
    while that is enough: 6 MiB for the first thousand, up to 5.8 GiB. Then they grow with the square of the number of thousands,
    so that 10,000 parts hold S3's largest object, 5 TiB: 25 MiB for objects up to 30 GiB, 82 up to 110 GiB, 481 up to 1 TiB,
    1.5 GiB at the end.
    """
    thousands = (number - 1) // 1000
    return PART + thousands * thousands * (19 << 20)
