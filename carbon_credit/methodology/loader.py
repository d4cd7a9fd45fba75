"""Files -> packages. A package is one version: its methodology, the factor sets it names, its cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology import checks
from carbon_credit.methodology.definition import FactorSet, Methodology
from carbon_credit.methodology.document import Document, convert, read_document
from carbon_credit.methodology.errors import FileMissing, ValueWrong
from carbon_credit.methodology.formula import Formula

METHODOLOGY = "methodology.yaml"
CASES = "cases.yaml"


@dataclass(frozen=True)
class Package:
    """A checked version. `files`: name -> bytes (methodology.yaml, cases.yaml, factors/<name>.yaml).

    `digest` is the SHA-256 (hex) over the digests of methodology.yaml and of the factor sets by
    name; the cases are evidence, not method, and stay outside it.
    """

    methodology: Methodology
    factor_sets: Mapping[str, FactorSet]
    formula: Formula = field(repr=False)
    digest: str
    files: Mapping[str, bytes] = field(repr=False)
    document: Document = field(repr=False, compare=False)

    @property
    def key(self) -> tuple[str, int]:
        return self.methodology.id, self.methodology.version

    @property
    def name(self) -> str:
        """ "sz-public-transit v1"."""
        return f"{self.methodology.id} v{self.methodology.version}"


def package_from_files(files: Mapping[str, bytes], *, where: str = "") -> Package:
    """A package from bytes, wherever they were kept. `where` goes before file names in errors.

    Raises a DataError (file, line, key, fix) for the first fault. Dimensions are checked by
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
            raise document.refuse(FileMissing, "factors", at, "set", key=f"factors[{at}].set = {name}")
        sets[name] = read_factor_set(files[file], name)
    formula = checks.checked_formula(document, methodology, sets)
    kept = {name: files[name] for name in sorted(files) if name in (METHODOLOGY, CASES) or name[8:-5] in sets}
    digests = {name: sha256_hex(data) for name, data in kept.items() if name != CASES}
    return Package(methodology, sets, formula, sha256_hex(canonical_json(digests)), kept, document)


def read_factor_set(data: bytes, name: str) -> FactorSet:
    """The factor set kept as `factors/<name>.yaml`. Raises a DataError."""
    document = read_document(data, f"factors/{name}.yaml")
    factor_set = convert(document, FactorSet)
    if factor_set.name != name:
        raise document.refuse(ValueWrong, "name", what=f"the name must be that of the file, {name}")
    checks.check_factor_set(document, factor_set)
    return factor_set


def load_package(folder: Path) -> Package:
    """The package in `methodologies/<id>/v<N>`; factor sets come from `methodologies/factors`."""
    root = folder.parent.parent
    where = f"{folder.parent.name}/{folder.name}/"
    files = {name: (folder / name).read_bytes() for name in (METHODOLOGY, CASES) if (folder / name).is_file()}
    for path in sorted((root / "factors").glob("*.yaml")):
        files[f"factors/{path.name}"] = path.read_bytes()
    package = package_from_files(files, where=where)
    if (package.methodology.id, f"v{package.methodology.version}") != (folder.parent.name, folder.name):
        key, what = "id", f"id and version must be those of the folder, {folder.parent.name}/{folder.name}"
        raise package.document.refuse(ValueWrong, key, what=what)
    return package


def package_folders(root: Path) -> list[Path]:
    """The version folders under `root`, in order."""
    return sorted(path.parent for path in root.glob(f"*/v*/{METHODOLOGY}"))


def load_library(root: Path) -> dict[tuple[str, int], Package]:
    """Every package under `root`, by (id, version)."""
    packages = [load_package(folder) for folder in package_folders(root)]
    return {package.key: package for package in packages}
