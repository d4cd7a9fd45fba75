"""The variable parts of addresses. What does not fit its pattern is not found."""

from datetime import date

from flask import Flask
from werkzeug.routing import BaseConverter


class ExternalId(BaseConverter):
    """An id that a partner chose. A slash in it arrives as one, however it was encoded on the way."""

    regex = r"[^\x00-\x1f\x7f]{1,128}"
    part_isolating = False


class Scene(BaseConverter):
    """A scene of consent."""

    regex = "[a-z0-9-]{1,32}"


class ProgrammeCode(BaseConverter):
    """The code of a programme."""

    regex = "[a-z][a-z0-9-]{1,15}"


class VoucherCode(BaseConverter):
    """A voucher's code as typed, or the text of its QR code: letters, digits, hyphens, spaces, a colon."""

    regex = "[A-Za-z0-9 :-]{4,200}"


class Serial(BaseConverter):
    """A serial number."""

    regex = "[A-Za-z0-9-]{4,80}"


class Slug(BaseConverter):
    """A methodology's id or version."""

    regex = r"[a-z0-9][a-z0-9.+_-]{0,63}"


class Month(BaseConverter):
    """A month, YYYY-MM."""

    regex = "(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])"

    def to_python(self, value: str) -> date:
        """Its first day."""
        return date.fromisoformat(f"{value}-01")


class Offset(BaseConverter):
    """A place in a file, in bytes from its beginning."""

    regex = "[0-9]{1,12}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


class Year(BaseConverter):
    """A calendar year."""

    regex = "[0-9]{4}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


CONVERTERS: dict[str, type[BaseConverter]] = {
    "external": ExternalId,
    "scene": Scene,
    "programme": ProgrammeCode,
    "voucher": VoucherCode,
    "serial": Serial,
    "slug": Slug,
    "month": Month,
    "offset": Offset,
    "year": Year,
}


def register_converters(app: Flask) -> None:
    """Make the patterns known to the routes."""
    app.url_map.converters.update(CONVERTERS)
