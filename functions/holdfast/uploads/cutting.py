"""How long the parts of a session are. Pure.

A store takes no part below 5 MiB that is not the last, and no more than 10,000. A part is in memory until it is sent, because its
hash is signed and goes first; so parts are as short as can be, and grow when there are many (``storage.objects.parts``).
"""

from __future__ import annotations

from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART, part_size

SHORT_PARTS = 2000
"""Up to this number parts are as short as the store takes them: for 9.7 GiB in one request. The others still hold S3's largest
object."""


def least(number: int) -> int:
    """Bytes that part ``number`` (from 1) has at least, unless it is the last."""
    return MIN_PART if number <= SHORT_PARTS else part_size(number)


def cut(number: int, left: int | None) -> int:
    """Bytes of part ``number`` when ``left`` bytes are still to come with this request (None: not known), so that as few as can be
    remain at its end which are not enough for a part. What is at least twice the shortest is cut without a rest."""
    shortest = least(number)
    longest = shortest * 8 // 5
    if left is None or left >= 2 * longest:
        return shortest
    if left <= longest:
        return left
    rest = left - shortest
    return rest if shortest <= rest < longest else longest


def group(chunk_size: int) -> int:
    """How many chunks of that size make a part."""
    return -(-MIN_PART // chunk_size)


def most_chunks(chunk_size: int) -> int:
    """How many chunks of that size an upload can have."""
    return MAX_PARTS * group(chunk_size)
