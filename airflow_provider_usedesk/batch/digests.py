"""Digests of row keys: numbers in the row store, 16 hexadecimal digits where a person reads them."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


# A row needs the digest of its key in several places, one after the other.
@lru_cache(maxsize=8)
def digest(text: str) -> int:
    """
    Return the digest of a text.

    :return: a signed 64-bit number; the chance that two of a million texts have the same is below 1 in 10^7
    """
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), signed=True)


def as_hex(number: int) -> str:
    """Return a digest as 16 hexadecimal digits."""
    return f"{number % 2**64:016x}"


def from_hex(digits: str) -> int:
    """Return the digest that these hexadecimal digits stand for."""
    return int.from_bytes(bytes.fromhex(digits), signed=True)
