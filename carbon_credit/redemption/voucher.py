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
_QR_PREFIX = "CV1:"  # the QR codes before there were signed ones


def code_of(key: bytes, *, redemption_id: uuid.UUID) -> str:
    """The code of one redemption: thirteen characters, the same each time it is asked for."""
    attempt = 0
    while True:
        number = keyed_digest(key, "voucher code", redemption_id.hex, str(attempt)).int >> (128 - 5 * _DIGITS)
        # Five of the 37 check symbols (*~$=U) are on few phone keyboards and not all in a QR
        # code's alphabet: such a number is not used, the next one is.
        if number % 37 < 32:
            return code_from(number)
        attempt += 1


def code_from(number: int) -> str:
    """The code that writes `number`, with its check character. Raises VoucherInvalid where it has none."""
    if number >> (5 * _DIGITS) or number % 37 >= 32:
        raise VoucherInvalid
    return _digits(number) + _ALPHABET[number % 37]


def number_of(code: str) -> int:
    """The 60 bits of a code that was read."""
    number = 0
    for symbol in code[:_DIGITS]:
        number = number * 32 + _VALUES[symbol]
    return number


def encoded(data: bytes) -> str:
    """Octets in the same alphabet, five bits a character, from the left."""
    length = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << (5 * length - 8 * len(data))
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(length)))


def decoded(text: str, octets: int) -> bytes:
    """The `octets` that `encoded` wrote. ValueError for any other text: of each there is one writing."""
    typed = text.translate(_TYPED)
    if len(typed) != -(-octets * 8 // 5) or any(symbol not in _VALUES for symbol in typed):
        raise ValueError("not so many characters of this alphabet")
    number = 0
    for symbol in typed:
        number = number * 32 + _VALUES[symbol]
    spare = 5 * len(typed) - 8 * octets
    if number & ((1 << spare) - 1):
        raise ValueError("the bits that pad it are not zero")
    return (number >> spare).to_bytes(octets, "big")


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
    if number_of(typed) % 37 != _VALUES[typed[_DIGITS]]:
        raise VoucherInvalid
    return typed


def grouped(code: str) -> str:
    """The code as people read it: `7K3M-9QXD-2TVW4`."""
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def _digits(number: int) -> str:
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_DIGITS)))
