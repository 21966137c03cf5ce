"""Phone numbers: what people write, and the digits with country code that a messenger needs."""

from __future__ import annotations

import numbers
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.api.values import as_text, code_point

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# The shortest and the longest number with country code that a messenger can have.
MIN_DIGITS, MAX_DIGITS = 10, 15

# An extension at the end: "доб. 2", "(доб. 2)", "ext. 2", "#2".
EXTENSION = re.compile(r"(?si)(.*?)[\s,;(]*(доб\w*|внутр\w*|вн|ext\w*|x|#)[.:]*\s*[0-9]{1,7}\s*\)?")
# A column of numbers with an empty cell has floats, whose dot would be taken for formatting.
DECIMAL = re.compile(r"([0-9]{10,15})[.,]0+")
SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?e[+-]?[0-9]+", re.IGNORECASE)
# Eight, the Russian trunk prefix, and ten digits; or the ten digits of a Russian mobile number alone.
NATIONAL = re.compile(r"8[0-9]{10}|9[0-9]{9}")


def region_code(value: Any) -> str:
    """Return the code of a country, two letters; whether there is one is known when a number is read."""
    code = str(value).strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError("must be the code of a country, two letters such as RU")
    return code


def checked_region(value: Any) -> str:
    """
    Return the code of a country whose phone numbers can be read.

    :param value: code of a country, two letters
    :raises ValueError: when there is no such country, or when the library phonenumbers is missing
    """
    region = region_code(value)
    try:
        from phonenumbers import SUPPORTED_REGIONS
    except ImportError:
        raise ValueError(
            "needs the library phonenumbers: pip install 'airflow-provider-usedesk[phone]'"
        ) from None
    if region not in SUPPORTED_REGIONS:
        raise ValueError("must be the code of a country with phone numbers, such as RU, KZ or GB")
    return region


def phone(value: Any, region: str | None = None) -> str:
    """
    Return a phone number as digits with country code.

    Spaces, brackets, dashes and dots are removed. Without a region, no digit is added or changed.

    :param value: what a person has written, or a number
    :param region: the country of numbers without country code, two letters; default: None, there are none
    :raises ValueError: saying what is wrong, without a digit of the number
    """
    written = _written(value)
    extended = None if _is_digits(written) else EXTENSION.fullmatch(written)
    if extended and region is None:
        raise ValueError("has an extension, which no messenger knows; with phone_region it is removed")
    number = _digits(extended[1] if extended else written)
    return _international(number, region) if region else _as_written(number)


def looks_national(value: Any) -> bool:
    """Return whether a phone number, read without a region, looks like a Russian one without country code."""
    try:
        number = _digits(_written(value))
    except ValueError:
        return False
    return NATIONAL.fullmatch(number) is not None


def _written(value: Any) -> str:
    """Return a number as text without spaces and invisible characters at its ends."""
    if isinstance(value, str) and _is_digits(value):
        return value
    if isinstance(value, (numbers.Real, Decimal)) and value < 0:
        raise ValueError("must be a phone number, not a negative one")
    string = "".join(one for one in as_text(value) if unicodedata.category(one) != "Cf").strip()
    if SCIENTIFIC.fullmatch(string):
        raise ValueError(
            "is in scientific notation: the file has lost digits, and must have this column as text"
        )
    if string.startswith(("'", "’")):
        raise ValueError("begins with an apostrophe, which marks a text in a spreadsheet")
    decimal = DECIMAL.fullmatch(string)
    return decimal[1] if decimal else string


def _digits(written: str) -> str:
    """Return the digits of a number, after a plus if it has one."""
    if _is_digits(written):
        return written
    kept = "".join(one for one in written if not _is_formatting(one))
    others = set(kept.removeprefix("+")) - set("0123456789")
    if any(one.isalpha() for one in others):
        raise ValueError("must be a phone number: it contains letters")
    if others & set(",;/|+"):
        raise ValueError("must be one phone number")
    if any(one.isnumeric() for one in others):
        raise ValueError("must be a phone number: it contains digits of another script")
    if others:
        listed = ", ".join(sorted(map(code_point, others))[:3])
        raise ValueError(f"must be a phone number: it contains {listed}")
    if not kept.removeprefix("+"):
        raise ValueError("must be a phone number: digits with the country code, such as 79123456789")
    return kept


def _is_digits(string: str) -> bool:
    """Return whether a text needs no more reading, as most numbers of a large batch."""
    return string.isascii() and string.isdigit()


def _is_formatting(character: str) -> bool:
    return character.isspace() or character in "()[].\u2212" or unicodedata.category(character) == "Pd"


def _as_written(number: str) -> str:
    digits = number.removeprefix("+")
    if digits.startswith("0"):
        fault = "it begins with 0"
    elif len(digits) < MIN_DIGITS:
        fault = f"it has fewer than {MIN_DIGITS} digits"
    elif len(digits) > MAX_DIGITS:
        fault = f"it has more than {MAX_DIGITS} digits, as two numbers have"
    else:
        return digits
    raise ValueError(
        f"cannot be a phone number with country code: {fault}. Write it as 79123456789, or set phone_region "
        "to the country of such numbers"
    )


def _international(number: str, region: str) -> str:
    from phonenumbers import PhoneNumberFormat, format_number, is_possible_number, is_valid_number

    readings = list(_readings(number, region))
    found = [one for one in readings if is_valid_number(one)]
    if not found and number.startswith("+"):
        # A country may have new numbers, which the library does not know.
        found = [one for one in readings if is_possible_number(one)]
    if not found:
        raise ValueError(f"is not a phone number, neither one of {region} nor one with country code")
    return format_number(found[0], PhoneNumberFormat.E164).removeprefix("+")


def _readings(number: str, region: str) -> Iterator[PhoneNumber]:
    """Yield what a number can mean, the likeliest first."""
    from phonenumbers import NumberParseException, parse

    digits = number.removeprefix("+")
    texts = [digits, f"+{digits}", f"+{digits.removeprefix('00')}"]
    if number.startswith("+"):
        try:
            yield parse(number)
        except NumberParseException:
            # There is no such country code, as in +8 912, which begins like a number within Russia.
            texts = [digits]
        else:
            return
    for text in texts:
        with suppress(NumberParseException):
            yield parse(text, region)
