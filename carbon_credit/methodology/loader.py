"""Files -> packages. A package is one version: its methodology, the factor sets it names, its cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology import checks, declarations
from carbon_credit.methodology.definition import (
    DatedValue,
    FactorSet,
    Grade,
    Methodology,
    Overlay,
    OverlayValue,
    Parameter,
    Source,
)
from carbon_credit.methodology.document import Document, convert, read_document
from carbon_credit.methodology.errors import DataError, FileMissing, NameRepeated, NameUndefined, ValueWrong
from carbon_credit.methodology.formula import Formula

METHODOLOGY = "methodology.yaml"
CASES = "cases.yaml"
OVERLAY = "overlay.yaml"
# The source that readings of overlay values name: nobody has published them.
OVERLAY_SOURCE = Source(
    name="overlay", document="演练叠加值 overlay of the rehearsal", read_as="a stand-in, not published"
)


@dataclass(frozen=True)
class Package:
    """A checked version. `files`: name -> bytes (methodology.yaml, cases.yaml, factors/<name>.yaml,
    and overlay.yaml where the overlay is applied; then the version is "v1+sandbox").

    `digest` is the SHA-256 (hex) over the digests of methodology.yaml, of the overlay and of the factor
    sets by name; the cases are evidence, not method, and stay outside it.
    """

    methodology: Methodology
    factor_sets: Mapping[str, FactorSet]
    formula: Formula = field(repr=False)
    digest: str
    files: Mapping[str, bytes] = field(repr=False)
    document: Document = field(repr=False, compare=False)
    overlay: Overlay | None = None

    @property
    def version(self) -> str:
        """ "v1", or "v1+sandbox" with the overlay."""
        return f"v{self.methodology.version}" + ("+sandbox" if self.overlay else "")

    @property
    def key(self) -> tuple[str, str]:
        """(id, version)."""
        return self.methodology.id, self.version

    @property
    def name(self) -> str:
        """ "sz-public-transit v1"."""
        return f"{self.methodology.id} {self.version}"


def package_from_files(files: Mapping[str, bytes], *, where: str = "") -> Package:
    """A package from bytes, wherever they were kept. `where` goes before file names in errors.

    With overlay.yaml among the files it is the version with the overlay. Raises a DataError (file,
    line, key, fix) for the first fault. Dimensions are checked by
    `engine.compile_package(..., check_dimensions=True)`.
    """
    if METHODOLOGY not in files:
        raise FileMissing(file=where + METHODOLOGY, line=0, key=METHODOLOGY)
    document = read_document(files[METHODOLOGY], where + METHODOLOGY)
    methodology = convert(document, Methodology)
    sets = {}
    for name in sorted({use.set for use in methodology.factors}):
        file = f"factors/{name}.yaml"
        if file not in files:
            at = [use.set for use in methodology.factors].index(name)
            known = ", ".join(one[8:-5] for one in sorted(files) if one.startswith("factors/")) or "none"
            raise document.refuse(
                NameUndefined, "factors", at, "set", key=f"factors/{name}.yaml", known=known
            )
        sets[name] = read_factor_set(files[file], name)
    formula = checks.checked_formula(document, methodology, sets)
    kept = {name: files[name] for name in files if name in (METHODOLOGY, CASES) or name[8:-5] in sets}
    plain = Package(methodology, sets, formula, _digest(kept), _sorted(kept), document)
    return with_overlay(plain, files[OVERLAY], where=where) if OVERLAY in files else plain


def with_overlay(package: Package, data: bytes, *, where: str = "") -> Package:
    """The version that the overlay in `data` makes of a plain one. Raises a DataError."""
    document = read_document(data, where + OVERLAY)
    overlay = convert(document, Overlay)
    for index, value in enumerate(overlay.values):
        # One more value at a time, so that an error names the one that does the harm.
        so_far = replace(overlay, values=overlay.values[: index + 1])
        methodology = overlaid(document, package.methodology, so_far)
        try:
            formula = checks.with_values(document, methodology, package.formula)
        except DataError as error:
            key = f"values[{index}].value of {value.parameter} ({error.details['key']})"
            more = {name: text for name, text in error.details.items() if name not in ("file", "line", "key")}
            raise document.refuse(type(error), "values", index, "value", key=key, **more) from None
    kept = {**package.files, OVERLAY: data}
    return replace_fields(
        package, methodology=methodology, formula=formula, digest=_digest(kept), files=_sorted(kept),
        overlay=overlay,
    )  # fmt: skip


def _digest(files: Mapping[str, bytes]) -> str:
    return sha256_hex(
        canonical_json({name: sha256_hex(data) for name, data in files.items() if name != CASES})
    )


def _sorted(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: files[name] for name in sorted(files)}


def overlaid(document: Document, methodology: Methodology, overlay: Overlay) -> Methodology:
    """`methodology` with the null values of its parameters filled by `overlay`. Raises a DataError where
    the overlay names no parameter, or one that has no null."""
    values = {value.parameter: value for value in overlay.values}
    known = {parameter.name for parameter in methodology.parameters}
    for index, value in enumerate(overlay.values):
        path = ("values", index, "parameter")
        if value.parameter not in known:
            raise document.refuse(NameUndefined, *path, key=value.parameter, known=", ".join(sorted(known)))
        if value.parameter in [other.parameter for other in overlay.values[:index]]:
            raise document.refuse(NameRepeated, *path, key=value.parameter)
    parameters = []
    for parameter in methodology.parameters:
        stand_in = values.get(parameter.name)
        if stand_in is not None and all(value.value is not None for value in parameter.values):
            index = overlay.values.index(stand_in)
            what = f"{parameter.name} has no null value that could be stood in for"
            raise document.refuse(ValueWrong, "values", index, "parameter", what=what)
        parameters.append(_filled(parameter, stand_in) if stand_in else parameter)
    return replace(methodology, parameters=tuple(parameters), sources=(*methodology.sources, OVERLAY_SOURCE))


def _filled(parameter: Parameter, stand_in: OverlayValue) -> Parameter:
    def filled(value: DatedValue) -> DatedValue:
        if value.value is not None:
            return value
        return replace(
            value, value=stand_in.value, grade=Grade.ASSUMED, source=OVERLAY_SOURCE.name,
            borrowed_from=stand_in.borrowed_from, note=stand_in.note,
        )  # fmt: skip

    return replace(parameter, values=tuple(filled(value) for value in parameter.values))


@lru_cache(maxsize=64)  # the same set is named by many methods
def read_factor_set(data: bytes, name: str) -> FactorSet:
    """The factor set kept as `factors/<name>.yaml`. Raises a DataError."""
    document = read_document(data, f"factors/{name}.yaml")
    factor_set = convert(document, FactorSet)
    if factor_set.name != name:
        raise document.refuse(ValueWrong, "name", what=f"the name must be that of the file, {name}")
    declarations.check_factor_set(document, factor_set)
    return factor_set


def load_package(
    folder: Path, *, overlay: bool = False, factors: Mapping[str, bytes] | None = None
) -> Package:
    """The package in `methodologies/<id>/v<N>`; factor sets come from `methodologies/factors`, or are given.

    With `overlay` the version that its overlay.yaml makes, for rehearsals.
    """
    where = f"{folder.parent.name}/{folder.name}/"
    files = dict(factor_files(folder.parent.parent) if factors is None else factors)
    wanted = (METHODOLOGY, CASES, OVERLAY) if overlay else (METHODOLOGY, CASES)
    files |= {name: (folder / name).read_bytes() for name in wanted if (folder / name).is_file()}
    package = package_from_files(files, where=where)
    if (package.methodology.id, f"v{package.methodology.version}") != (folder.parent.name, folder.name):
        key, what = "id", f"id and version must be those of the folder, {folder.parent.name}/{folder.name}"
        raise package.document.refuse(ValueWrong, key, what=what)
    return package


def factor_files(root: Path) -> dict[str, bytes]:
    """The factor sets under `root`, as files of a package."""
    return {f"factors/{path.name}": path.read_bytes() for path in sorted((root / "factors").glob("*.yaml"))}


def package_folders(root: Path) -> list[Path]:
    """The version folders under `root`, in order."""
    return sorted(path.parent for path in root.glob(f"*/v*/{METHODOLOGY}"))


def packages_in(folder: Path, factors: Mapping[str, bytes] | None = None) -> list[Package]:
    """The version in a folder, and the one with its overlay where there is an overlay. `factors`: the
    factor sets, where they have been read already."""
    plain = load_package(folder, factors=factors)
    if not (folder / OVERLAY).is_file():
        return [plain]
    where = f"{folder.parent.name}/{folder.name}/"
    return [plain, with_overlay(plain, (folder / OVERLAY).read_bytes(), where=where)]


def load_library(root: Path) -> dict[tuple[str, str], Package]:
    """Every package under `root`, by (id, version); overlays are versions of their own."""
    factors = factor_files(root)
    packages = [package for folder in package_folders(root) for package in packages_in(folder, factors)]
    return {package.key: package for package in packages}
