"""Mapping files: those that come with the program, by name; others by path, or by their bytes."""

from collections.abc import Mapping as Table
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.imports.adapters.mapping import Mapping
from carbon_credit.imports.adapters.soundness import activity_problems, problems
from carbon_credit.imports.errors import AdapterUnknown, FileUnreadable
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.methodology.document import convert, read_document
from carbon_credit.methodology.errors import DataError

FOLDER = Path(__file__).parent
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """A sound mapping; `digest` is the SHA-256 (hex) of its bytes."""

    mapping: Mapping
    digest: str
    text: str


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The adapters that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_mapping(name_or_path: str) -> LoadedMapping:
    """A mapping that is sound. Raises `AdapterUnknown`, or the first DataError."""
    return read_mapping(*_bytes(name_or_path))


def read_mapping(data: bytes, file: str) -> LoadedMapping:
    """A mapping that is sound, from its bytes. Raises the first DataError."""
    document = read_document(data, file)
    mapping = convert(document, Mapping)
    for problem in problems(document, mapping):
        raise problem
    return LoadedMapping(mapping, sha256_hex(data), data.decode("utf-8-sig"))


def mapping_problems(
    name_or_path: str, activities: Table[str, ActivityType]
) -> tuple[Mapping | None, list[DataError]]:
    """Everything that is wrong with a mapping, its events held against the activity types as well."""
    return problems_of(*_bytes(name_or_path), activities)


def problems_of(
    data: bytes, file: str, activities: Table[str, ActivityType]
) -> tuple[Mapping | None, list[DataError]]:
    """The same, from its bytes."""
    try:
        document = read_document(data, file)
        mapping = convert(document, Mapping)
    except DataError as error:
        return None, [error]
    found = [*problems(document, mapping), *activity_problems(document, mapping, activities)]
    return mapping, sorted(found, key=lambda error: int(str(error.details["line"])))


def _bytes(name_or_path: str) -> tuple[bytes, str]:
    if name_or_path in names():
        path = FOLDER / f"{name_or_path}.yaml"
    else:
        path = Path(name_or_path)
        if path.suffix not in SUFFIXES:
            raise AdapterUnknown(adapter=name_or_path, known=", ".join(names()))
    try:
        return path.read_bytes(), path.name
    except OSError as error:
        raise FileUnreadable(file=path.name, why=error.strerror or str(error)) from None
