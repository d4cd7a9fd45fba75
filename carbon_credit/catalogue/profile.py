"""Reading a programme: `methodologies/programmes/<code>.yaml` -> a frozen profile with its digest.

`parse_profile` reads the bytes and checks what the file alone can say; `check_profile` holds it
against the activity types and methodologies that it names. Adding a city needs no code.
"""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import convert, to_builtins

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.programme import ProfileFile
from carbon_credit.catalogue.programme import ProgrammeProfile as ProgrammeProfile
from carbon_credit.catalogue.soundness import check_against, check_alone
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.structs import learned
from carbon_credit.methodology import document as documents
from carbon_credit.methodology.document import Document, read_document
from carbon_credit.methodology.errors import ValueWrong
from carbon_credit.methodology.loader import Package


def parse_profile(data: bytes, *, file: str) -> ProgrammeProfile:
    """The profile in `data`. Raises a DataError for anything wrong that the file alone can show."""
    return _parsed(read_document(data, file), data)


def load_profile(
    path: Path, *, activities: Mapping[str, ActivityType], packages: Mapping[tuple[str, str], Package]
) -> ProgrammeProfile:
    """Read, check and hold against the library. The file is named by the programme's code."""
    data = path.read_bytes()
    document = read_document(data, f"programmes/{path.name}")
    profile = _parsed(document, data)
    if profile.code != path.stem:
        raise document.refuse(ValueWrong, "code", what=f"the code must be the name of the file, {path.stem}")
    check_against(document, profile, activities, packages)
    return profile


def check_profile(
    data: bytes,
    *,
    file: str,
    activities: Mapping[str, ActivityType],
    packages: Mapping[tuple[str, str], Package],
) -> ProgrammeProfile:
    """`parse_profile`, and everything that it names must exist and may be used so.

    Raises BindingRefused where a real programme would credit by a sandbox methodology.
    """
    document = read_document(data, file)
    profile = _parsed(document, data)
    check_against(document, profile, activities, packages)
    return profile


def _parsed(document: Document, data: bytes) -> ProgrammeProfile:
    read = documents.convert(document, ProfileFile)
    check_alone(document, read)
    try:
        ZoneInfo(read.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        what = f"{read.time_zone} is no time zone; Asia/Shanghai is one"
        raise document.refuse(ValueWrong, "time_zone", what=what) from None
    return convert(to_builtins(read) | {"digest": sha256_hex(data)}, learned(ProgrammeProfile))
