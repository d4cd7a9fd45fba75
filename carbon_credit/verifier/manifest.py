"""The manifest: what a dossier claims of itself, and its signature."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Meta, Struct

from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.quantity import MG_PER_TONNE
from carbon_credit.verifier.report import differs
from carbon_credit.verifier.serial import parse_serial, series_of

FORMAT = "carbon-credit-dossier/1"
FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
MAX_BYTES = 1 << 20
MAX_LEAVES = 20_000_000

Amount = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, Meta(max_length=200)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing that the verifier doesn't know may stand in a manifest: it would go unchecked."""


class FileEntry(_Strict, frozen=True):
    sha256: Hex32
    bytes: Amount


class Method(_Strict, frozen=True):
    """`id` and `version` as they stand in the leaves; `digest` is the package's."""

    id: Short
    version: Short
    digest: Hex32


class MonitoringPeriod(_Strict, frozen=True):
    """Half-open: `to` is the first day after."""

    from_: date = msgspec.field(name="from")
    to: date


class Totals(_Strict, frozen=True):
    """Milligrams: computed by the formula, credited, and the part that is in this batch."""

    gross_mg: Amount
    credited_mg: Amount
    batch_mg: Amount


class Serials(_Strict, frozen=True):
    """A contiguous range, both ends in it. One serial is one tonne."""

    first: Short
    last: Short
    count: Amount


class Project(_Strict, frozen=True):
    code: Short
    name: Short
    owner: Short
    applicant: Short


class Manifest(_Strict, frozen=True):
    format: Literal["carbon-credit-dossier/1"]
    edition: Literal["verifier", "exchange"]
    programme: Short
    rehearsal: bool
    project: Project
    batch: Short
    methodology: Method
    monitoring_period: MonitoringPeriod
    vintage: Annotated[int, Meta(ge=2000, le=2200)]
    leaf_count: Annotated[int, Meta(ge=1, le=MAX_LEAVES)]
    merkle_root: Hex32
    totals: Totals
    tonnes: Amount
    serials: Serials | None
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    files: Annotated[dict[str, FileEntry], Meta(max_length=200)]


def manifest_bytes(manifest: Manifest) -> bytes:
    """The one form in which a manifest is written: JSON, sorted keys, indented, a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """The manifest in `data`. Raises Differs where it is not one, or says something in another form."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise differs(FILE, "content", expected=f"a manifest of {FORMAT}", found=error) from error
    canonical = manifest_bytes(manifest)
    if canonical != data:
        at = next((i for i, pair in enumerate(zip(canonical, data, strict=False)) if pair[0] != pair[1]), -1)
        raise differs(
            FILE, "form", expected="sorted keys, one space of indent", found=f"another at byte {at}"
        )
    return manifest


def check_claims(manifest: Manifest) -> None:
    """What the manifest says must not contradict itself. Raises Differs."""
    period = manifest.monitoring_period
    if period.from_ >= period.to:
        raise differs(FILE, "monitoring_period", expected=f"to after {period.from_}", found=period.to)
    if manifest.rehearsal != manifest.programme.startswith("x-"):
        rehearsal = manifest.programme.startswith("x-")
        raise differs(FILE, "rehearsal", expected=rehearsal, found=manifest.rehearsal)
    if manifest.totals.batch_mg != manifest.tonnes * MG_PER_TONNE:
        expected = manifest.totals.batch_mg // MG_PER_TONNE
        raise differs(
            FILE, "tonnes", expected=f"{expected} for {manifest.totals.batch_mg} mg", found=manifest.tonnes
        )
    if manifest.serials is not None:
        _check_serials(manifest, manifest.serials)


def _check_serials(manifest: Manifest, serials: Serials) -> None:
    first, last = parse_serial(serials.first), parse_serial(serials.last)
    if first is None or last is None or (first.series, first.vintage) != (last.series, last.vintage):
        raise differs(FILE, "serials", expected="one range", found=f"{serials.first} .. {serials.last}")
    length = last.number - first.number + 1
    if not manifest.tonnes == serials.count == length:
        found = f"{length} numbers, count {serials.count}"
        raise differs(FILE, "serials", expected=f"{manifest.tonnes} serials, one a tonne", found=found)
    series = series_of(manifest.programme, manifest.project.code)
    if (first.series, first.vintage) != (series, manifest.vintage):
        raise differs(FILE, "serials.first", expected=f"{series}-{manifest.vintage}-…", found=serials.first)


def key_id(public_key: Ed25519PublicKey) -> str:
    """32 hex digits that name a public key: the start of its sha256."""
    return sha256_hex(public_key.public_bytes_raw())[:32]


def read_public_key(data: bytes) -> Ed25519PublicKey:
    """A public key from PEM or its 32 raw bytes. ValueError for anything else."""
    if len(data) == 32:
        return Ed25519PublicKey.from_public_bytes(data)
    try:
        key = load_pem_public_key(data)
    except UnsupportedAlgorithm as error:
        raise ValueError("the key is of a kind that is not known") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the key is not an Ed25519 public key")
    return key


def check_signature(manifest: Manifest, data: bytes, signature: bytes, public_key: Ed25519PublicKey) -> None:
    """Raises Differs unless `signature` is that of `public_key` over `data`."""
    if manifest.key_id != key_id(public_key):
        raise differs(FILE, "key_id", expected=key_id(public_key), found=manifest.key_id)
    try:
        public_key.verify(signature, data)
    except InvalidSignature as error:
        raise differs(
            SIGNATURE_FILE, "signature", expected="valid for the given key", found="invalid"
        ) from error


def file_entries(digests: Mapping[str, tuple[str, int]]) -> dict[str, FileEntry]:
    """Entries from (sha256, bytes) by name."""
    return {name: FileEntry(sha256=digest, bytes=size) for name, (digest, size) in sorted(digests.items())}
