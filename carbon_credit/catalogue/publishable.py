"""What keeps a package a draft, and which packages of the folder may enter published.lock."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from pathlib import Path

from carbon_credit.catalogue.errors import LockedDiffers, NotPublishable
from carbon_credit.catalogue.library import failed_cases, load_library
from carbon_credit.catalogue.lock import FILE, Key, read_lock, write_lock
from carbon_credit.catalogue.official import official_parts
from carbon_credit.methodology.assurance import BestBefore, best_before
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import DataError
from carbon_credit.methodology.loader import Package


def hindrances(package: Package, *, published: Collection[str], on: date) -> list[str]:
    """Why a version must stay a draft on `on`: an overlay, values that are null, a date of best-before that
    is past, a version to supersede that is not among `published` (of the same methodology: "v1").

    What its `missing` lists beside null values keeps nothing back: a published version may say what its
    text leaves open, and its grades say how far it can be used."""
    method = package.methodology
    if package.overlay is not None:
        return ["it is a rehearsal's overlay"]
    found = [
        f"{parameter.name} is null"
        for parameter in method.parameters
        if any(value.value is None for value in parameter.values)
    ]
    found += [_told(one) for one in best_before(package, on=on) if one.past(on)]
    before = method.supersedes
    if before is not None and (f"v{before}" not in published or before >= method.version):
        found.append(f"it supersedes v{before}, which is not a published version before it")
    return found


def warnings(package: Package, *, published: Collection[str], on: date) -> list[str]:
    """What keeps it a draft, and the dates of best-before that come within 30 days."""
    coming = [_told(one) for one in best_before(package, on=on) if not one.past(on)]
    return hindrances(package, published=published, on=on) + coming


def _told(one: BestBefore) -> str:
    what = "review is due by" if one.kind == "review" else "value ends on"
    return f"{one.name}: {what} {one.day}"


def require_publishable(package: Package, *, published: Collection[str], on: date) -> None:
    """Raises NotPublishable, CaseFailed, or the DataError of a dimension that does not fit."""
    why = hindrances(package, published=published, on=on)
    if why:
        raise NotPublishable(name=package.name, why="; ".join(why))
    compile_package(package, check_dimensions=True)
    for failed in failed_cases(package):
        raise failed


def lengthen_lock(root: Path, *, names: Iterable[str], on: date) -> tuple[list[Key], Mapping[Key, str]]:
    """Add to published.lock the versions of the folder that may be published, all or those of `names`
    ("id" or "id/v1"). A line that is there never changes.

    Gives what was added, and what stays a draft and why. Raises LockedDiffers where the folder holds other
    bytes than a line says, and the DataErrors of the library.
    """
    packages = load_library(root).packages
    lock = read_lock(root)
    wanted = set(names)
    for key, digest in lock.items():
        if key not in packages or packages[key].digest != digest:
            found = packages[key].digest[:12] if key in packages else "nothing"
            raise LockedDiffers(file=FILE, line=0, key=" ".join(key), locked=digest[:12], found=found)
    added: list[Key] = []
    drafts: dict[Key, str] = {}
    for key, package in sorted(packages.items(), key=lambda one: (one[0][0], one[1].methodology.version)):
        if key in lock or (wanted and wanted.isdisjoint({key[0], "/".join(key)})):
            continue
        why = _why_draft(package, lock, on)
        if why is None:
            lock[key] = package.digest
            added.append(key)
        else:
            drafts[key] = why
    write_lock(root, lock)
    return added, drafts


def _why_draft(package: Package, lock: Mapping[Key, str], on: date) -> str | None:
    claimed = official_parts(package)
    if claimed:
        return f"{', '.join(claimed)} claims official, which only confirmations give"
    published = {version for name, version in lock if name == package.methodology.id}
    try:
        require_publishable(package, published=published, on=on)
    except (NotPublishable, DataError) as error:
        return str(error.details.get("why", error.message("en")))
    return None
