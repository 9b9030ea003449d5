"""The CRC32 of bytes that follow one another, from the CRC32 of each: what binds an object to the parts that it was made of.

zlib has the function (``crc32_combine``) and Python does not. A CRC is a remainder modulo a polynomial over GF(2): following it
with n bytes multiplies it by x^8n, which is what the second CRC is then added to. The bits are in the order of zlib's, x^0 the
highest.
"""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def combine(first: int, second: int, length: int) -> int:
    """The CRC32 of two pieces, one after the other. ``length``: bytes of the second one."""
    return _times(_shift(length), first) ^ second


def _times(a: int, b: int) -> int:
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=64)  # parts are of few lengths
def _shift(length: int) -> int:
    """x^(8 * length)."""
    power, square = _ONE, _ONE >> 8
    while length:
        if length & 1:
            power = _times(power, square)
        square = _times(square, square)
        length >>= 1
    return power
