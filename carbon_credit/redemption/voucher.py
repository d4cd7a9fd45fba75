"""Voucher codes: short enough to type at a till, too many to guess, and never stored.

A code is 60 bits in Crockford's base 32 and his check character (the number modulo 37), thirteen
characters, shown as `7K3M-9QXD-2TVW4`. It is derived from the redemption's id with the voucher
key, so that it can be shown again; the database holds only its keyed digest. Whoever has the
database without the key has no voucher.

Source of the alphabet, its look-alikes and the check: https://www.crockford.com/base32.html
"""

import uuid

from carbon_credit.kernel.digest import keyed_digest
from carbon_credit.redemption.errors import VoucherInvalid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {symbol: value for value, symbol in enumerate(_ALPHABET)}
_TYPED = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_DIGITS = 12
_QR_PREFIX = "CV1:"


def code_of(key: bytes, *, redemption_id: uuid.UUID) -> str:
    """The code of one redemption: thirteen characters, the same each time it is asked for."""
    attempt = 0
    while True:
        number = keyed_digest(key, "voucher code", redemption_id.hex, str(attempt)).int >> (128 - 5 * _DIGITS)
        # Five of the 37 check symbols (*~$=U) are on few phone keyboards and not all in a QR
        # code's alphabet: such a number is not used, the next one is.
        if number % 37 < 32:
            return _digits(number) + _ALPHABET[number % 37]
        attempt += 1


def digest_of(key: bytes, *, code: str) -> uuid.UUID:
    """What is stored of a code, and by which it is found: 128 keyed bits.

    A look-up by this digest takes no longer for a code that is nearly right.
    """
    return keyed_digest(key, "voucher digest", code)


def read(text: str) -> str:
    """The code in what a cashier typed or scanned: case, spaces, hyphens and look-alikes forgiven.

    Raises VoucherInvalid where it has the wrong length or letters, or the check character is wrong:
    any one character mistaken, or any two exchanged. Such a text was never a voucher.
    """
    typed = text.strip().upper().removeprefix(_QR_PREFIX).translate(_TYPED)
    if len(typed) != _DIGITS + 1 or any(symbol not in _VALUES for symbol in typed):
        raise VoucherInvalid
    number = 0
    for symbol in typed[:_DIGITS]:
        number = number * 32 + _VALUES[symbol]
    if number % 37 != _VALUES[typed[_DIGITS]]:
        raise VoucherInvalid
    return typed


def grouped(code: str) -> str:
    """The code as people read it: `7K3M-9QXD-2TVW4`."""
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def qr_text(code: str) -> str:
    """What a voucher's QR code says. The prefix names the form, so that a later one can add to it;
    all its characters are of the QR alphanumeric mode, which keeps the picture coarse."""
    return _QR_PREFIX + code


def _digits(number: int) -> str:
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_DIGITS)))
