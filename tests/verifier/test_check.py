"""A dossier is right or its first difference is named, whatever was done to it."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carbon_credit.kernel.keys import public_pem
from carbon_credit.verifier.check import check_dossier
from carbon_credit.verifier.leaf import COLUMNS, csv_line


def test_a_right_dossier_shows_no_difference(draft: Any, public_key: bytes, tmp_path: Path) -> None:
    data = draft.build()
    report = check_dossier(data, public_key=public_key)
    assert report.ok, report.text("en")
    assert (report.tonnes, report.batch_mg, report.leaves) == (1, 10**9, len(draft.leaves))
    assert report.signer == "checked"
    path = tmp_path / "d.zip"
    path.write_bytes(data)
    assert check_dossier(path, public_key=public_key) == report
    assert report.text("zh").startswith("未发现差异。")


def test_without_a_key_the_report_says_that_the_signer_was_not_checked(draft: Any) -> None:
    report = check_dossier(draft.build())
    assert report.ok
    assert report.signer == "not-checked"
    assert "signer was not checked" in report.text("en")
    assert "未核对签名人" in report.text("zh")


def test_another_key_is_a_difference_and_no_key_at_all_is_an_error(draft: Any) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    report = check_dossier(draft.build(), public_key=public_pem(other))
    assert report.difference is not None
    assert report.difference.field == "key_id"
    with pytest.raises(ValueError, match="PEM"):
        check_dossier(draft.build(), public_key=b"no key")


def test_one_byte_changed_anywhere_is_found_with_and_without_the_key(draft: Any, public_key: bytes) -> None:
    data = draft.build()
    places = random.Random(7).sample(range(len(data)), 250)
    ends = [*range(40), *range(len(data) - 400, len(data))]  # headers, directory and end record
    for place in places + ends:
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        report = check_dossier(bytes(changed), public_key=public_key if place % 2 else None)
        assert report.difference is not None, f"byte {place}"
        assert report.difference.file
        assert report.difference.expected != report.difference.found


def test_cut_and_lengthened_files_are_found(draft: Any) -> None:
    data = draft.build()
    for cut in (0, 1, 29, 30, 500, len(data) - 22, len(data) - 1):
        assert not check_dossier(data[:cut]).ok
    assert not check_dossier(data + b"\0").ok
    assert not check_dossier(b"\0" + data).ok


@pytest.mark.parametrize(
    ("number", "changes", "field"),
    [
        (3, {"inputs": {"distance_m": 5}}, "gross_mg"),
        (3, {"inputs": {"distance_m": 100_001}}, "inputs.distance_m"),
        (3, {"inputs": {}}, "inputs.distance_m"),
        (3, {"inputs": {"distance_m": 5, "speed": 3}}, "inputs.speed"),
        (5, {"gross_mg": 1}, "gross_mg"),
        (1, {"leaf_no": 2}, "leaf_no"),
        (9, {"version_digest": "0" * 64}, "version_digest"),
        (9, {"grade": "published"}, "grade"),
        (9, {"tier": "assumed"}, "grade"),
        (9, {"tier": "guessed"}, "tier"),
        (9, {"salt": "A" * 32}, "salt"),
        (9, {"credited_mg": 9_999_999}, "credited_mg"),
        (9, {"credited_mg": 5, "to_mg": 6, "cap_code": "day-cap"}, "to_mg"),
        (9, {"from_mg": -1}, "to_mg"),
        (9, {"credited_mg": 7, "to_mg": 7}, "credited_mg"),  # less than the formula, and no cap named
    ],
)
def test_a_leaf_that_is_wrong_is_named_even_when_all_digests_fit(
    draft: Any,
    altered: Callable[..., Any],
    public_key: bytes,
    number: int,
    changes: dict[str, Any],
    field: str,
) -> None:
    report = check_dossier(altered(draft, number, **changes).build(), public_key=public_key)
    assert report.difference is not None
    assert (report.difference.file, report.difference.leaf) == ("reductions.csv.gz", number)
    assert report.difference.field == field


def test_a_changed_leaf_is_named_rather_than_the_digest_of_its_file(draft: Any) -> None:
    honest = draft.build()
    lines = [csv_line(leaf.texts()) for leaf in draft.leaves]
    lines[41] = lines[41].replace(b'""distance_m"":', b'""distance_m"":9', 1)
    leaves = gzip.compress(csv_line(COLUMNS) + b"".join(lines), mtime=0)

    def keep_digest(manifest: Any) -> Any:
        entry = msgspec.structs.replace(manifest.files["reductions.csv.gz"], sha256="0" * 64)
        return msgspec.structs.replace(manifest, files=manifest.files | {"reductions.csv.gz": entry})

    draft.files["reductions.csv.gz"] = leaves
    draft.change = keep_digest
    report = check_dossier(draft.build())
    assert report.difference is not None
    assert report.difference.leaf == 42
    assert check_dossier(honest).ok


def test_outside_rehearsal_every_grade_is_official(draft: Any, altered: Callable[..., Any]) -> None:
    draft.rehearsal = False
    assert check_dossier(draft.build()).ok
    report = check_dossier(altered(draft, 4, tier="declared", grade="secondary").build())
    assert report.difference is not None
    assert (report.difference.field, report.difference.leaf) == ("grade", 4)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("merkle_root",), "0" * 64, "merkle_root"),
        (("leaf_count",), 3, "line"),
        (("tonnes",), 2, "tonnes"),
        (("totals", "gross_mg"), 5, "totals.gross_mg"),
        (("serials", "count"), 2, "serials"),
        (("serials", "last"), "X-GD-SZ-metro-2026-000000010", "serials"),
        (("serials", "first"), "GD-SZ-metro-2026-000000008", "serials"),
        (("rehearsal",), False, "rehearsal"),
        (("programme",), "x-gd-gz", "serials.first"),
        (("vintage",), 2025, "serials.first"),
        (("methodology", "digest"), "1" * 64, "methodology.digest"),
        (("project", "code"), "bus", "serials.first"),
    ],
)
def test_a_manifest_that_claims_too_much_is_named(
    draft: Any, path: tuple[str, ...], value: object, field: str
) -> None:
    def claim(manifest: Any) -> Any:
        if len(path) == 1:
            return msgspec.structs.replace(manifest, **{path[0]: value})
        inner = msgspec.structs.replace(getattr(manifest, path[0]), **{path[1]: value})
        return msgspec.structs.replace(manifest, **{path[0]: inner})

    draft.change = claim
    report = check_dossier(draft.build())
    assert report.difference is not None
    assert report.difference.field == field


def test_a_summary_that_differs_is_named_by_its_line(draft: Any) -> None:
    honest = draft.build()
    report = check_dossier(honest)
    assert report.ok
    draft.files["summary.csv"] = _summary_of(honest).replace(b"metro.ride,8,", b"metro.ride,9,", 1)
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.file == "summary.csv"
    assert difference.field.startswith("line ")


def test_the_exchange_edition_is_checked_as_far_as_it_goes(draft: Any, public_key: bytes) -> None:
    draft.edition = "exchange"
    data = draft.build()
    report = check_dossier(data, public_key=public_key)
    assert report.ok
    assert (report.edition, report.tonnes) == ("exchange", 1)
    draft.files["summary.csv"] = _summary_of(data).replace(b"metro.ride,8,", b"metro.ride,9,", 1)
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.file == "summary.csv"
    draft.files = {"reductions.csv.gz": b"leaves do not belong here"}
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.file == "reductions.csv.gz"


def test_an_extra_or_missing_file_is_named(draft: Any) -> None:
    draft.files["notes.txt"] = b"pay no attention"
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert (difference.file, difference.found) == ("notes.txt", "present")
    draft.files = {"methodology/other/v1/methodology.yaml": b"id: other"}
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.file.startswith("methodology/other")


def test_a_bomb_and_a_hostile_package_are_differences_not_failures(draft: Any) -> None:
    draft.lines = [b"0" * 50_000_000]
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.leaf == 1
    draft.lines = None
    draft.files["methodology/test-transit/v1/methodology.yaml"] = b"a: &a [*a, *a]\n" + b"[" * 100_000
    difference = check_dossier(draft.build()).difference
    assert difference is not None
    assert difference.field == "package"


def _summary_of(dossier: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(dossier)) as ordinary:
        return ordinary.read("summary.csv")
