"""The dossier: a pure function of a frozen batch. The same rows give the same bytes, each time.

Nothing here reads the clock or the database. Leaves come as a stream and go to disk as they come, so
memory does not grow with the batch. The format is the verifier's (carbon_credit.verifier).
"""

import gzip
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

from carbon_credit.kernel.errors import Broken
from carbon_credit.methodology.definition import Methodology
from carbon_credit.offsets.dossier.declarations import MandateTerms, declarations_json
from carbon_credit.offsets.dossier.report import Reported, write_report, write_summary
from carbon_credit.offsets.dossier.signing import Signer
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.verifier import manifest as claims
from carbon_credit.verifier.check import LEAVES_FILE
from carbon_credit.verifier.container import Content, write_container
from carbon_credit.verifier.leaf import COLUMNS, Leaf, csv_line, leaf_hash
from carbon_credit.verifier.merkle import RootBuilder
from carbon_credit.verifier.packages import folder_of, network_file
from carbon_credit.verifier.serial import parse_serial
from carbon_credit.verifier.summary import SummaryRow, Tally, summary_csv, totals_of

Edition: TypeAlias = Literal["verifier", "exchange"]
_CHUNK = 1 << 20


class DossierDiffers(Broken):
    """The stored rows no longer give what was frozen."""

    code = "dossier-differs"
    en = "The stored reductions of batch {batch} no longer give its {what}. Run: carbon-credit ledger audit"
    zh = "批次 {batch} 的存储数据与冻结时的 {what} 不一致。请运行：carbon-credit ledger audit"


@dataclass(frozen=True)
class Frozen:
    """Everything that a dossier says, besides the leaves.

    `package_files`: the methodology as published; `networks`: digest -> csv. `rooted`: the leaves carry
    their salts, so that the root can be computed again (not so once the batch's salt was deleted).
    """

    project: ProjectRecord
    batch: BatchRecord
    methodology: Methodology
    package_files: Mapping[str, bytes]
    networks: Mapping[str, bytes]
    serials: tuple[str, str] | None
    rooted: bool = True


def render(
    target: IO[bytes],
    *,
    frozen: Frozen,
    leaves: Iterable[tuple[Leaf, MandateTerms]],
    edition: Edition,
    signer: Signer,
) -> claims.Manifest:
    """Write the dossier to `target`; the manifest that was signed. Raises DossierDiffers."""
    with tempfile.TemporaryDirectory(prefix="dossier-") as scratch:
        folder = Path(scratch)
        path = folder / "reductions"
        rows, mandates = _write_leaves(path, frozen, leaves)
        files = _files(folder, frozen, rows, mandates, claims.key_id(signer.public_key))
        if edition == "verifier":
            files[LEAVES_FILE] = path
            files |= _methodology_files(frozen)
        digests = {name: _digest(content) for name, content in files.items()}
        manifest = _manifest(frozen, rows, digests, edition, claims.key_id(signer.public_key))
        data = claims.manifest_bytes(manifest)
        ends = [(claims.FILE, data), (claims.SIGNATURE_FILE, signer.sign(data))]
        write_container(target, [*sorted(files.items()), *ends])
    return manifest


def _write_leaves(
    path: Path, frozen: Frozen, leaves: Iterable[tuple[Leaf, MandateTerms]]
) -> tuple[list[SummaryRow], Counter[MandateTerms]]:
    tree, tally = RootBuilder(), Tally()
    mandates: Counter[MandateTerms] = Counter()
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(csv_line(COLUMNS))
        for leaf, terms in leaves:
            texts = leaf.texts()
            packed.write(csv_line(texts))
            tree.add(leaf_hash(texts))
            tally.add(leaf)
            mandates[terms] += 1
    batch = frozen.batch
    if frozen.rooted and tree.root().hex() != batch.merkle_root:
        raise DossierDiffers(batch=batch.id, what="Merkle root")
    rows = tally.rows()
    count, totals = totals_of(rows)
    found = (count, totals.gross_mg, totals.credited_mg, totals.batch_mg)
    if found != (batch.leaf_count, batch.gross_mg, batch.credited_mg, batch.batch_mg):
        raise DossierDiffers(batch=batch.id, what="totals")
    return rows, mandates


def _files(
    folder: Path, frozen: Frozen, rows: list[SummaryRow], mandates: Counter[MandateTerms], key_id: str
) -> dict[str, Content]:
    """The files of both editions."""
    reported = Reported(frozen.project, frozen.batch, frozen.methodology, rows, frozen.serials, key_id)
    workbook, report = folder / "summary.xlsx", folder / "report.pdf"
    write_summary(workbook, reported)
    write_report(report, reported)
    declared = declarations_json(
        project=frozen.project, batch=frozen.batch, mandates=mandates, reductions=sum(mandates.values())
    )
    return {
        "summary.xlsx": workbook,
        "summary.csv": summary_csv(rows),
        "report.pdf": report,
        "declarations.json": declared,
    }


def _methodology_files(frozen: Frozen) -> dict[str, Content]:
    folder = folder_of(frozen.batch.methodology_id, frozen.batch.methodology_version)
    files: dict[str, Content] = {folder + name: data for name, data in frozen.package_files.items()}
    return files | {network_file(digest): body for digest, body in frozen.networks.items()}


def _manifest(
    frozen: Frozen,
    rows: list[SummaryRow],
    digests: Mapping[str, tuple[str, int]],
    edition: Edition,
    key_id: str,
) -> claims.Manifest:
    project, batch = frozen.project, frozen.batch
    count, totals = totals_of(rows)
    return claims.Manifest(
        format="carbon-credit-dossier/1",
        edition=edition,
        programme=batch.programme,
        rehearsal=batch.rehearsal,
        project=claims.Project(
            code=project.code,
            name=f"{project.name_zh} {project.name_en}"[:200],
            owner=project.owner,
            applicant=project.applicant,
        ),
        batch=str(batch.id),
        methodology=claims.Method(
            id=batch.methodology_id, version=batch.methodology_version, digest=batch.version_digest
        ),
        monitoring_period=claims.MonitoringPeriod(from_=batch.starts_on, to=batch.ends_before),
        vintage=batch.vintage,
        leaf_count=count,
        merkle_root=batch.merkle_root or "",
        totals=totals,
        tonnes=batch.tonnes or 0,
        serials=_serials(frozen.serials),
        key_id=key_id,
        files=claims.file_entries(digests),
    )


def _serials(texts: tuple[str, str] | None) -> claims.Serials | None:
    if texts is None:
        return None
    first, last = parse_serial(texts[0]), parse_serial(texts[1])
    if first is None or last is None:
        raise ValueError(f"{texts} are no serial numbers")
    return claims.Serials(first=texts[0], last=texts[1], count=last.number - first.number + 1)


def _digest(content: Content) -> tuple[str, int]:
    """SHA-256 in hex, and the length in bytes."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), len(content)
    digest = hashlib.sha256()
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest(), content.stat().st_size
