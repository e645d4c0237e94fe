"""The Korean business registration number 사업자등록번호: ten digits, XXX-XX-XXXXX; the last checks the others."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
LOWEST_OFFICE = 101
DIGITS = 10


def digits_of(written: str) -> str:
    """The number without hyphens and spaces."""
    return re.sub(r"[\s-]", "", written)


def check_digit(nine: str) -> int:
    """The tenth digit that belongs to nine: the weighted sum and the tens of the last product, taken from the next ten.

    Where the sum ends in 0 the digit is 0: the last `% 10` is what other implementations forget.
    """
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, nine, strict=True)) + int(nine[8]) * 5 // 10
    return (10 - total % 10) % 10


def problem(written: str) -> str:
    """What is wrong with a number as written, in words; "" where nothing is."""
    number = digits_of(written)
    if not re.fullmatch(r"\d{10}", number, re.ASCII):
        return _("A business registration number has ten digits, for example 124-81-00998.")
    # No tax office below 101, no kind of business 00, no serial number 0000: such numbers pass the check digit.
    impossible = int(number[:3]) < LOWEST_OFFICE or number[3:5] == "00" or number[5:9] == "0000"
    if impossible or check_digit(number[:9]) != int(number[9]):
        return _("This is not a business registration number: please compare it with the certificate.")
    return ""


def shown(number: str) -> str:
    """`124-81-00998`."""
    return f"{number[:3]}-{number[3:5]}-{number[5:]}" if len(number) == DIGITS else number
