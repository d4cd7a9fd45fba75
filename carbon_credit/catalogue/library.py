"""The whole library of data, checked: what `methodology lint` and `methodology test` run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carbon_credit.catalogue.activities import ActivityType, load_activities
from carbon_credit.catalogue.errors import BorrowedDiffers, CaseFailed
from carbon_credit.catalogue.profile import ProgrammeProfile, load_profile
from carbon_credit.methodology.cases import run_cases
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import DataError, NameUndefined, ValueWrong
from carbon_credit.methodology.loader import Package, load_package, package_folders, read_factor_set


@dataclass(frozen=True)
class Library:
    """Everything under `methodologies/`, read and consistent with itself."""

    activities: Mapping[str, ActivityType]
    packages: Mapping[tuple[str, int], Package]
    profiles: Mapping[str, ProgrammeProfile]


def load_library(root: Path) -> Library:
    """The library under `root`. Raises the first DataError. Dimensions and cases are not run."""
    activities = load_activities(root)
    packages = {}
    for folder in package_folders(root):
        package = load_package(folder)
        check_package(package, activities)
        packages[package.key] = package
    profiles = {
        path.stem: load_profile(path, activities=activities, packages=packages) for path in _profiles(root)
    }
    return Library(activities, packages, profiles)


def library_problems(root: Path) -> list[DataError]:
    """Everything that is wrong under `root`, one fault a file: reading, dimensions, cases, borrowed
    values, factor sets that nobody names, programmes. Empty when the library is sound."""
    problems: list[DataError] = []
    packages: dict[tuple[str, int], Package] = {}
    try:
        activities = load_activities(root)
    except DataError as error:
        return [error]
    for folder in package_folders(root):
        try:
            package = load_package(folder)
            check_package(package, activities)
            # From here on the programmes that name it are not blamed for its faults.
            packages[package.key] = package
            compile_package(package, check_dimensions=True)
            problems += failed_cases(package)
        except DataError as error:
            problems.append(error)
    for package in packages.values():
        problems += _borrowed_problems(package, packages)
    for path in sorted((root / "factors").glob("*.yaml")):
        try:
            read_factor_set(path.read_bytes(), path.stem)
        except DataError as error:
            problems.append(error)
    for path in _profiles(root):
        try:
            load_profile(path, activities=activities, packages=packages)
        except DataError as error:
            problems.append(error)
    return problems


def check_package(package: Package, activities: Mapping[str, ActivityType]) -> None:
    """A methodology may read only what its activity types have, in their unit. Raises a DataError."""
    methodology, document = package.methodology, package.document
    for kind in methodology.activity_types:
        if kind not in activities:
            raise document.refuse(NameUndefined, "activity_types", key=kind, known=", ".join(activities))
    for index, spec in enumerate(methodology.inputs):
        if spec.kind == "event" or spec.by_activity is not None:
            continue
        for kind in methodology.activity_types:
            field = activities[kind].fields.get(spec.name)
            if field is None or field.kind != spec.kind or field.unit != spec.unit:
                what = f"{kind} has no {spec.kind} field {spec.name} in {spec.unit}"
                raise document.refuse(ValueWrong, "inputs", index, what=what)


def failed_cases(package: Package) -> list[DataError]:
    """The worked cases that do not come out. Raises a DataError where they cannot be read."""
    file = f"{package.methodology.id}/v{package.methodology.version}/cases.yaml"
    return [
        CaseFailed(file=file, line=0, key=case.name, expected=case.expected, found=case.found)
        for case in run_cases(package)
        if not case.passed
    ]


def _borrowed_problems(package: Package, packages: Mapping[tuple[str, int], Package]) -> list[DataError]:
    problems: list[DataError] = []
    for index, parameter in enumerate(package.methodology.parameters):
        for at, value in enumerate(parameter.values):
            if value.borrowed_from is None:
                continue
            lender, version, name = value.borrowed_from.split("/")
            held = _values_of(packages.get((lender, int(version[1:]))), name)
            if (value.value, parameter.unit) not in held:
                expected = ", ".join(f"{amount} {unit}" for amount, unit in held) or "no such value"
                path = ("parameters", index, "values", at, "borrowed_from")
                problems.append(
                    package.document.refuse(
                        BorrowedDiffers, *path, lender=value.borrowed_from, expected=expected
                    )
                )
    return problems


def _values_of(package: Package | None, name: str) -> list[tuple[str | None, str]]:
    if package is None:
        return []
    parameters = [one for one in package.methodology.parameters if one.name == name]
    return [(value.value, one.unit) for one in parameters for value in one.values]


def _profiles(root: Path) -> list[Path]:
    return sorted((root / "programmes").glob("*.yaml"))
