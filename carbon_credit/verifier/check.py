"""`check_dossier`: the file alone, read as hostile, everything recomputed, the first difference named."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeAlias

from carbon_credit.methodology.definition import Grade, Tier, grade_of
from carbon_credit.methodology.engine import CompiledMethodology, Refusal
from carbon_credit.verifier import manifest as claims
from carbon_credit.verifier import packages, summary
from carbon_credit.verifier.container import WHOLE, Container
from carbon_credit.verifier.leaf import COLUMNS, BadField, Leaf, csv_line, leaf_hash, parse_leaf, parse_line
from carbon_credit.verifier.manifest import Manifest, Totals
from carbon_credit.verifier.merkle import RootBuilder
from carbon_credit.verifier.report import (
    SIGNER_CHECKED,
    SIGNER_NOT_CHECKED,
    Difference,
    Differs,
    Report,
    differs,
)

LEAVES_FILE = "reductions.csv.gz"
COMMON_FILES = frozenset({"summary.xlsx", "summary.csv", "report.pdf", "declarations.json"})
_MAX_LINE = 8192
_PROGRESS_EVERY = 1000

Source: TypeAlias = bytes | str | Path
Progress: TypeAlias = Callable[[int, int], None]


@dataclass
class _Findings:
    """What is known so far, so that a report of a difference says whose dossier it is."""

    manifest: Manifest | None = None
    signer: str = SIGNER_NOT_CHECKED
    leaves: int = 0
    checked: list[str] = field(default_factory=list)

    def report(self, difference: Difference | None) -> Report:
        found = self.manifest
        if found is None:
            return Report(difference, signer=self.signer)
        serials = (found.serials.first, found.serials.last) if found.serials else None
        return Report(
            difference,
            signer=self.signer,
            edition=found.edition,
            programme=found.programme,
            rehearsal=found.rehearsal,
            batch=found.batch,
            merkle_root=found.merkle_root,
            leaves=self.leaves,
            batch_mg=found.totals.batch_mg,
            tonnes=found.tonnes,
            serials=serials,
            checked=tuple(self.checked),
        )


def check_dossier(
    source: Source, *, public_key: bytes | None = None, progress: Progress | None = None
) -> Report:
    """Verify a dossier given as a path or as bytes, with no other source of truth but `public_key`.

    `public_key`: Ed25519, PEM or 32 raw bytes; without it the signer is not checked and the report says
    so. `progress(done, all)` is called now and then. Bad content is never an exception but the report's
    `difference`; OSError where the file can't be read, ValueError where the key is none.
    """
    findings = _Findings()
    try:
        with _opened(source) as stream:
            _check(stream, public_key, findings, progress)
    except Differs as found:
        return findings.report(found.difference)
    return findings.report(None)


def _opened(source: Source) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _check(
    stream: IO[bytes], public_key: bytes | None, findings: _Findings, progress: Progress | None
) -> None:
    key = claims.read_public_key(public_key) if public_key is not None else None
    container = Container(stream)
    findings.checked.append("container")
    data = container.read(claims.FILE, limit=claims.MAX_BYTES)
    signature = container.read(claims.SIGNATURE_FILE, limit=64)
    for name in (claims.FILE, claims.SIGNATURE_FILE):
        container.digest(name)
    manifest = claims.read_manifest(data)
    if key is not None:
        claims.check_signature(manifest, data, signature, key)
        findings.signer = SIGNER_CHECKED
        findings.checked.append("signature")
    findings.manifest = manifest
    claims.check_claims(manifest)
    _check_names(container, manifest)
    findings.checked.append("manifest")
    altered_leaves = _check_digests(container, manifest)
    if manifest.edition == "verifier":
        try:
            rows = _check_leaves(container, manifest, findings, progress)
        except Differs as inside:
            # Where a leaf contradicts itself it says more than the digest of its file does.
            if altered_leaves is not None and inside.difference.leaf is None:
                raise altered_leaves from inside
            raise
        if altered_leaves is not None:
            raise altered_leaves
        findings.checked += ["files", "reductions", "totals", "merkle-root"]
        summary.compare(container.read(summary.FILE, limit=summary.MAX_BYTES), rows)
    else:
        findings.checked.append("files")
        _check_without_leaves(container, manifest)
        findings.leaves = manifest.leaf_count
    findings.checked.append("summary")


def _check_names(container: Container, manifest: Manifest) -> None:
    expected = [*sorted(manifest.files), claims.FILE, claims.SIGNATURE_FILE]
    found = list(container.members)
    for index in range(max(len(expected), len(found))):
        there = found[index] if index < len(found) else "no file"
        wanted = expected[index] if index < len(expected) else "no file"
        if there != wanted:
            raise differs(WHOLE, f"member {index + 1}", expected=wanted, found=there)
    needed = set(COMMON_FILES)
    if manifest.edition == "verifier":
        needed |= {LEAVES_FILE}
    allowed = {name for name in found if manifest.edition == "verifier" and name.startswith(packages.FOLDER)}
    for name in sorted(needed ^ (set(manifest.files) - allowed)):
        state = ("present", "missing") if name in needed else ("no such file in this edition", "present")
        raise differs(name, "file", expected=state[0], found=state[1])


def _check_digests(container: Container, manifest: Manifest) -> Differs | None:
    """Raises Differs for the first file that isn't as listed; gives it back if it is the leaves."""
    altered_leaves = None
    for name, entry in manifest.files.items():
        member = container.members[name]
        problem = None
        if member.size != entry.bytes:
            problem = differs(name, "bytes", expected=entry.bytes, found=member.size)
        else:
            try:
                found = container.digest(name)
            except Differs as bad_crc:
                problem = bad_crc
            else:
                if found != entry.sha256:
                    problem = differs(name, "sha256", expected=entry.sha256, found=found)
        if problem is not None and name != LEAVES_FILE:
            raise problem
        altered_leaves = problem or altered_leaves
    return altered_leaves


def _check_leaves(
    container: Container, manifest: Manifest, findings: _Findings, progress: Progress | None
) -> list[summary.SummaryRow]:
    method = packages.read_method(container, manifest)
    tree, tally = RootBuilder(), summary.Tally()
    for number, line in enumerate(_lines(container, manifest.leaf_count), start=1):
        leaf = _checked_leaf(line, number, manifest, method, tree)
        tally.add(leaf)
        findings.leaves = number
        if len(tally) > summary.MAX_ROWS:
            raise differs(
                LEAVES_FILE, "days and activities", expected=f"at most {summary.MAX_ROWS}", found="more"
            )
        if progress is not None and (number % _PROGRESS_EVERY == 0 or number == manifest.leaf_count):
            progress(number, manifest.leaf_count)
    rows = tally.rows()
    count, totals = summary.totals_of(rows)
    _compare_totals(manifest, count, totals)
    if tree.root().hex() != manifest.merkle_root:
        raise differs(claims.FILE, "merkle_root", expected=tree.root(), found=manifest.merkle_root)
    return rows


def _checked_leaf(
    line: bytes, number: int, manifest: Manifest, method: CompiledMethodology, tree: RootBuilder
) -> Leaf:
    try:
        texts = parse_line(line)
        leaf = parse_leaf(texts)
    except BadField as bad:
        raise differs(LEAVES_FILE, bad.name, expected=bad.rule, found=bad.text, leaf=number) from bad
    if csv_line(texts) != line:
        raise differs(LEAVES_FILE, "line", expected=csv_line(texts), found=line, leaf=number)
    for name, expected, found in _facts(leaf, number, manifest, method):
        if expected != found:
            raise differs(LEAVES_FILE, name, expected=expected, found=found, leaf=number)
    tree.add(leaf_hash(texts))
    return leaf


def _facts(
    leaf: Leaf, number: int, manifest: Manifest, method: CompiledMethodology
) -> Iterator[tuple[str, object, object]]:
    """Column, what it must be, what it is: in the order in which a reader would ask."""
    period = manifest.monitoring_period
    yield "leaf_no", number, leaf.leaf_no
    yield "methodology", manifest.methodology.id, leaf.methodology
    yield "version", manifest.methodology.version, leaf.version
    yield "version_digest", manifest.methodology.digest, leaf.version_digest
    if not period.from_ <= leaf.business_date < period.to:
        yield "business_date", f"from {period.from_}, before {period.to}", leaf.business_date
    yield "business_date", manifest.vintage, leaf.business_date.year
    # Only a rehearsal may have declared a version in force before its first day.
    result = method.evaluate(leaf.inputs, on=leaf.business_date, earlier=manifest.rehearsal)
    if isinstance(result, Refusal):
        yield (
            f"inputs.{result.field}" if result.field else "inputs",
            "computable",
            f"{result.code}: {result.detail}",
        )
        return
    yield "gross_mg", result.reduction_mg, leaf.gross_mg
    if result.pending:
        yield "inputs", "decided", "a condition that is known only when the year is over"
    if leaf.tier not in set(Tier):
        yield "tier", "a tier", leaf.tier
    yield "grade", str(grade_of(result.grade, Tier(leaf.tier))), leaf.grade
    if not manifest.rehearsal:
        yield "grade", str(Grade.OFFICIAL), leaf.grade
    after_caps = leaf.credited_mg - leaf.adjusted_mg
    if not 0 <= after_caps <= leaf.gross_mg or not 0 <= leaf.credited_mg <= leaf.gross_mg:
        yield "credited_mg", f"from 0 to the {leaf.gross_mg} of the formula", leaf.credited_mg
    if not leaf.cap_code:
        yield "credited_mg", f"{leaf.gross_mg + leaf.adjusted_mg}", str(leaf.credited_mg)
    if not 0 <= leaf.from_mg < leaf.to_mg <= leaf.credited_mg:
        yield "to_mg", f"a part of {leaf.credited_mg} mg", f"{leaf.from_mg} .. {leaf.to_mg}"


def _lines(container: Container, count: int) -> Iterator[bytes]:
    """`count` lines after the headings, and nothing more. Raises Differs."""
    headings = csv_line(COLUMNS)
    try:
        with gzip.GzipFile(mode="rb", fileobj=container.open(LEAVES_FILE)) as file:
            found = file.readline(_MAX_LINE)
            if found != headings:
                raise differs(LEAVES_FILE, "headings", expected=headings.decode(), found=found)
            for number in range(1, count + 1):
                line = file.readline(_MAX_LINE)
                if not line.endswith(b"\n"):
                    state = "the end" if not line else "an unended or too long line"
                    raise differs(LEAVES_FILE, "line", expected=f"{count} leaves", found=state, leaf=number)
                yield line
            if file.readline(_MAX_LINE):
                raise differs(LEAVES_FILE, "line", expected=f"{count} leaves", found="more", leaf=count + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise differs(LEAVES_FILE, "gzip", expected="readable", found=error) from error


def _compare_totals(manifest: Manifest, count: int, totals: Totals) -> None:
    if manifest.leaf_count != count:
        raise differs(claims.FILE, "leaf_count", expected=count, found=manifest.leaf_count)
    for name in totals.__struct_fields__:
        computed, claimed = getattr(totals, name), getattr(manifest.totals, name)
        if claimed != computed:
            raise differs(claims.FILE, f"totals.{name}", expected=computed, found=claimed)


def _check_without_leaves(container: Container, manifest: Manifest) -> None:
    """The exchange edition: the summary must be in its one form and give the totals of the manifest."""
    data = container.read(summary.FILE, limit=summary.MAX_BYTES)
    rows = summary.read_summary(data)
    summary.compare(data, rows)
    count, totals = summary.totals_of(rows)
    _compare_totals(manifest, count, totals)
