"""The whole library of data, checked: what `methodology lint` and `methodology test` run."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from carbon_credit.catalogue.activities import ActivityType, load_activities
from carbon_credit.catalogue.errors import (
    BindingRefused,
    BorrowedDiffers,
    CaseFailed,
    LockedDiffers,
    OfficialInFolder,
)
from carbon_credit.catalogue.lock import FILE as LOCK
from carbon_credit.catalogue.lock import Key, Lock, read_lock
from carbon_credit.catalogue.parts import parts_of
from carbon_credit.catalogue.personas import FILE as PERSONAS
from carbon_credit.catalogue.personas import load_personas
from carbon_credit.catalogue.profile import ProgrammeProfile, load_profile
from carbon_credit.catalogue.unread import unread_files
from carbon_credit.methodology.cases import run_cases
from carbon_credit.methodology.definition import DatedValue, Grade, InputSpec, OverlayValue
from carbon_credit.methodology.document import Document, read_document
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import DataError, NameUndefined, ValueWrong
from carbon_credit.methodology.loader import (
    OVERLAY,
    Package,
    factor_files,
    package_folders,
    packages_in,
    read_factor_set,
)
from carbon_credit.methodology.lookback import check_history

At: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Library:
    """Everything under `methodologies/`, read and consistent with itself."""

    activities: Mapping[str, ActivityType]
    packages: Mapping[tuple[str, str], Package]
    profiles: Mapping[str, ProgrammeProfile]


_READ: dict[str, Library] = {}


def load_library(root: Path, *, published: Mapping[Key, Package] = {}) -> Library:
    """The library under `root`. Raises the first DataError. Dimensions and cases are not run.

    Programmes may also bind what is in `published`: versions that are in the database and not in the
    folder. The same bytes are read once in a process.
    """
    digest = _digest_of(root) + "".join(sorted(package.digest for package in published.values()))
    if digest not in _READ:
        _READ.clear()
        _READ[digest] = _read_library(root, published)
    return _READ[digest]


def _digest_of(root: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.yaml")):
        for part in (str(path.relative_to(root)).encode(), path.read_bytes()):
            whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def _read_library(root: Path, published: Mapping[Key, Package]) -> Library:
    activities = load_activities(root)
    packages: dict[Key, Package] = {}
    factors = factor_files(root)
    for folder in package_folders(root):
        for package in packages_in(folder, factors):
            check_package(package, activities)
            packages[package.key] = package
    profiles = {
        path.stem: load_profile(path, activities=activities, packages={**published, **packages})
        for path in _profiles(root)
    }
    return Library(activities, packages, profiles)


def library_problems(root: Path) -> list[DataError]:
    """Everything that is wrong under `root`, one fault a file: reading, dimensions, cases, borrowed
    values, factor sets and files that nobody names, personas, programmes, what published.lock says.
    Who names a version is not blamed for that version's faults. Empty when the library is sound."""
    problems: list[DataError] = []
    packages: dict[tuple[str, str], Package] = {}
    faulty: set[str] = set()
    try:
        activities = load_activities(root)
    except DataError as error:
        return [error]
    try:
        if (root / PERSONAS).is_file():
            load_personas(root, activities)
    except DataError as error:
        problems.append(error)
    problems += unread_files(root)
    factors = factor_files(root)
    for folder in package_folders(root):
        try:
            for package in packages_in(folder, factors):
                check_package(package, activities)
                packages[package.key] = package
                compile_package(package, check_dimensions=True)
                problems += failed_cases(package)
        except DataError as error:
            problems.append(error)
            faulty.add(folder.parent.name)
    for package in packages.values():
        problems += _borrowed_problems(package, packages, faulty)
    for path in sorted((root / "factors").glob("*.yaml")):
        try:
            read_factor_set(path.read_bytes(), path.stem)
        except DataError as error:
            problems.append(error)
    profiles = []
    for path in _profiles(root):
        try:
            profiles.append(load_profile(path, activities=activities, packages=packages))
        except DataError as error:
            if not (isinstance(error, NameUndefined) and _methodology_of(error) in faulty):
                problems.append(error)
    try:
        lock = read_lock(root)
    except DataError as error:
        return [*problems, error]
    return [*problems, *_lock_problems(lock, packages), *_binding_problems(lock, profiles)]


def _methodology_of(error: NameUndefined) -> str:
    """The id, where a version is what is not defined: "sz-metro v1"."""
    return str(error.details["key"]).partition(" ")[0]


def _lock_problems(lock: Lock, packages: Mapping[Key, Package]) -> Iterator[DataError]:
    """Published packages are there, byte for byte, and none of the folder is `official`: that grade is
    given in the catalogue, by two operators who have the document."""
    for key, digest in lock.items():
        package = packages.get(key)
        if package is None or package.digest != digest:
            found = package.digest[:12] if package else "nothing"
            yield LockedDiffers(file=LOCK, line=0, key=" ".join(key), locked=digest[:12], found=found)
    for package in packages.values():
        for part in parts_of(package).values():
            if part.grade is Grade.OFFICIAL and part.file_sha256 is None:
                yield package.document.refuse(OfficialInFolder, key=part.name)


def _binding_problems(lock: Lock, profiles: Iterable[ProgrammeProfile]) -> Iterator[DataError]:
    for profile in profiles:
        for at, binding in enumerate(profile.bindings):
            key = (binding.methodology, binding.version_name)
            if not profile.rehearsal and key not in lock:
                what = f"{' '.join(key)} is a draft, not in {LOCK}; only a rehearsal may bind it"
                file = f"programmes/{profile.code}.yaml"
                yield BindingRefused(file=file, line=0, key=f"bindings[{at}]", what=what)


def check_package(package: Package, activities: Mapping[str, ActivityType]) -> None:
    """A methodology may read only what its activity types have, in their unit, and refuses nothing because
    of days that may still be reported. Raises a DataError."""
    methodology, document = package.methodology, package.document
    for kind in methodology.activity_types:
        if kind not in activities:
            raise document.refuse(NameUndefined, "activity_types", key=kind, known=", ".join(activities))
    for index, spec in enumerate(methodology.inputs):
        for kind in methodology.activity_types:
            what = _unread(spec, activities[kind])
            if what is not None:
                raise document.refuse(ValueWrong, "inputs", index, what=what)
    check_history(document, package.formula)


def _unread(spec: InputSpec, activity: ActivityType) -> str | None:
    """Why the input cannot be had from events of this type; None where it can, or comes from elsewhere."""
    if spec.kind == "history":
        field = activity.fields.get(spec.of or "")
        if field is None or field.kind != "integer":
            return f"{activity.code} has no integer field {spec.of} to look back at"
        if spec.take == "sum" and field.unit != spec.unit:
            return f"{activity.code} has {spec.of} in {field.unit}; its sum has the same unit"
    elif spec.kind in ("integer", "enum") and spec.by_activity is None:
        field = activity.fields.get(spec.name)
        if field is None or field.kind != spec.kind or field.unit != spec.unit:
            unit = f" in {spec.unit}" if spec.unit else ""
            return f"{activity.code} has no {spec.kind} field {spec.name}{unit}"
    return None


def failed_cases(package: Package) -> list[DataError]:
    """The worked cases that do not come out. Raises a DataError where they cannot be read."""
    file = f"{package.methodology.id}/v{package.methodology.version}/cases.yaml"
    return [
        CaseFailed(file=file, line=0, key=case.name, expected=case.expected, found=case.found)
        for case in run_cases(package)
        if not case.passed
    ]


def _borrowed_problems(
    package: Package, packages: Mapping[tuple[str, str], Package], faulty: Collection[str]
) -> list[DataError]:
    problems: list[DataError] = []
    document, said = _borrowed(package)
    for path, value, unit in said:
        lender = value.borrowed_from or ""
        lender_id, version, name = lender.split("/")
        held = _values_of(packages.get((lender_id, version)), name)
        if (value.value, unit) not in held and lender_id not in faulty:
            expected = ", ".join(f"{amount} {unit}" for amount, unit in held) or "no such value"
            problems.append(document.refuse(BorrowedDiffers, *path, lender=lender, expected=expected))
    return problems


def _borrowed(package: Package) -> tuple[Document, list[tuple[At, DatedValue | OverlayValue, str]]]:
    """(where it is written, [(path, value, its unit)]) of what the version borrows; with an overlay what the
    overlay borrows, for the rest is the plain version's."""
    method = package.methodology
    if package.overlay is not None:
        document = read_document(package.files[OVERLAY], f"{method.id}/v{method.version}/{OVERLAY}")
        units = {parameter.name: parameter.unit for parameter in method.parameters}
        stand_ins = enumerate(package.overlay.values)
        return document, [
            (("values", at, "borrowed_from"), value, units[value.parameter])
            for at, value in stand_ins
            if value.borrowed_from is not None
        ]
    return package.document, [
        (("parameters", index, "values", at, "borrowed_from"), value, parameter.unit)
        for index, parameter in enumerate(method.parameters)
        for at, value in enumerate(parameter.values)
        if value.borrowed_from is not None
    ]


def _values_of(package: Package | None, name: str) -> list[tuple[str | None, str]]:
    if package is None:
        return []
    parameters = [one for one in package.methodology.parameters if one.name == name]
    return [(value.value, one.unit) for one in parameters for value in one.values]


def _profiles(root: Path) -> list[Path]:
    return sorted((root / "programmes").glob("*.yaml"))
