"""Digests: stable, 64 bits, and readable as hexadecimal digits."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.batch.digests import as_hex, digest, from_hex


def test_digest_is_stable():
    assert digest("501") == -4892837001476582068
    assert digest("") != digest(" ")


def test_digest_fits_into_64_bits():
    assert all(-(2**63) <= digest(str(number)) < 2**63 for number in range(1000))


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        (0, "0" * 16),
        (1, "0" * 15 + "1"),
        (-1, "f" * 16),
        (2**63 - 1, "7" + "f" * 15),
        (-(2**63), "8" + "0" * 15),
    ],
)
def test_digits(number, digits):
    assert as_hex(number) == digits
    assert from_hex(digits) == number
