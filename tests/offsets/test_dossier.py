"""The dossier of a batch of real rides: the same bytes, verified offline, whatever is done to it found."""

import gzip
import io
import json
import random
import zipfile
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader
from sqlalchemy import text

from carbon_credit.kernel.keys import private_key, public_pem
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.offsets import errors
from carbon_credit.offsets.dossier.rendering import DossierDiffers
from carbon_credit.verifier.check import check_dossier


@pytest.fixture
def filled(embedded: Any) -> Any:
    """A yard with 22,000 km of metro rides: one tonne, and a cut ride."""
    embedded.rides(*[99_000 + n for n in range(220)])
    embedded.close()
    return embedded


def key_of(yard: Any) -> bytes:
    return public_pem(private_key(yard.database.settings.keys.dossier_private_pem).public_key())


def members(dossier: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(dossier)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_both_editions_verify_offline_with_the_operators_key(filled: Any) -> None:
    batch = filled.registered()
    for edition in ("verifier", "exchange"):
        report = check_dossier(filled.export(batch, edition), public_key=key_of(filled))
        assert report.ok, report.text("en")
        assert (report.edition, report.tonnes, report.batch_mg) == (edition, 1, 10**9)
        assert report.merkle_root == batch.merkle_root
        assert report.serials == ("X-GD-SZ-metro-2026-000000001", "X-GD-SZ-metro-2026-000000001")
        assert report.leaves == batch.leaf_count
        assert report.signer == "checked"


def test_the_same_batch_gives_the_same_bytes(filled: Any) -> None:
    batch = filled.frozen()
    once = filled.export(batch)
    assert filled.export(batch) == once
    assert filled.export(batch, "exchange") == filled.export(batch, "exchange")
    filled.rides(50_000)  # what happens elsewhere does not show
    assert filled.export(batch) == once
    filled.registered_after(batch)
    later = filled.export(batch)
    assert later != once, "serials and statement stand in it now"
    assert check_dossier(later).merkle_root == check_dossier(once).merkle_root


def test_one_byte_changed_anywhere_is_named(filled: Any) -> None:
    data = filled.export(filled.frozen())
    chosen = random.Random(11)
    headers = [data.index(b"PK\x03\x04", at) for at in range(0, 2)] + [data.rindex(b"PK\x01\x02")]
    places = chosen.sample(range(len(data)), 60) + [at + shift for at in headers for shift in (4, 10, 14, 20)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << chosen.randrange(8)
        difference = check_dossier(bytes(changed)).difference
        assert difference is not None, f"byte {place}"
        assert difference.file
        assert difference.expected != difference.found


def test_the_exchange_edition_has_no_leaves(filled: Any) -> None:
    batch = filled.frozen()
    verifier, exchange = members(filled.export(batch)), members(filled.export(batch, "exchange"))
    assert sorted(exchange) == [
        "declarations.json",
        "manifest.json",
        "manifest.sig",
        "report.pdf",
        "summary.csv",
        "summary.xlsx",
    ]
    assert "reductions.csv.gz" in verifier
    assert "methodology/sz-public-transit/v1/methodology.yaml" in verifier
    for name in ("declarations.json", "report.pdf", "summary.csv", "summary.xlsx"):
        assert exchange[name] == verifier[name]


def test_leaves_hold_no_id_of_the_service_and_other_pseudonyms_in_another_batch(filled: Any) -> None:
    batch = filled.frozen()
    rows = gzip.decompress(members(filled.export(batch))["reductions.csv.gz"]).decode()
    for citizen in filled.world.citizens:
        assert str(citizen) not in rows
        assert citizen.hex not in rows
    for reduction, _from, _to in filled.ranges(batch):
        assert reduction.hex not in rows
    pseudonyms = {line.split(",")[2] for line in rows.splitlines()[1:]}
    assert len(pseudonyms) == filled.people
    filled.step("reject_batch", batch, reason="again")
    again = gzip.decompress(members(filled.export(filled.frozen()))["reductions.csv.gz"]).decode()
    assert pseudonyms.isdisjoint({line.split(",")[2] for line in again.splitlines()[1:]})


def test_workbook_report_and_summary_say_the_same(filled: Any) -> None:
    batch = filled.registered()
    files = members(filled.export(batch))
    manifest = json.loads(files["manifest.json"])
    book = openpyxl.load_workbook(io.BytesIO(files["summary.xlsx"]))
    by_day = list(book.worksheets[1].iter_rows(min_row=2, values_only=True))
    assert sum(row[5] for row in by_day) == manifest["totals"]["batch_mg"] == 10**9
    assert sum(row[3] for row in by_day) == manifest["totals"]["gross_mg"]
    total = files["summary.csv"].decode("utf-8-sig").splitlines()[-1].split(",")
    sums = [manifest["totals"][name] for name in ("gross_mg", "credited_mg", "batch_mg")]
    assert total == ["合计 total", "", *map(str, [batch.leaf_count, *sums])]
    report = PdfReader(io.BytesIO(files["report.pdf"]))
    pages = "".join(page.extract_text() for page in report.pages)
    for said in (
        "核算报告",
        "深圳公共交通",
        "测试业主有限公司",
        "演练 REHEARSAL",
        "X-GD-SZ-metro-2026-000000001",
    ):
        assert said in pages
    assert "〓" not in pages, "every character is in the embedded font"
    assert batch.merkle_root is not None
    assert batch.merkle_root[:20] in pages.replace("\n", "")


def test_declarations_count_mandates_and_list_what_was_left_out(filled: Any) -> None:
    batch = filled.frozen()
    declared = json.loads(members(filled.export(batch))["declarations.json"])
    assert sum(one["reductions"] for one in declared["mandates"]) == batch.leaf_count
    assert [one["reason"] for one in declared["exclusions"]] == ["remainder"]
    assert {one["code"] for one in declared["statements"]} >= {"no-double-claim", "rehearsal"}


def test_an_open_or_rejected_batch_has_no_dossier(filled: Any) -> None:
    batch = filled.open()
    with pytest.raises(errors.NotFrozen):
        filled.export(batch)
    filled.step("reject_batch", batch, reason="never mind")
    with pytest.raises(errors.NotFrozen):
        filled.export(batch)


def test_without_its_salt_only_the_exchange_edition_can_be_made(filled: Any) -> None:
    batch = filled.frozen()
    exchange = filled.export(batch, "exchange")
    with unit_of_work(filled.database) as session:
        session.execute(text("UPDATE batch SET salt = NULL"))
    with pytest.raises(errors.SaltDeleted):
        filled.export(batch)
    assert filled.export(batch, "exchange") == exchange


def test_rows_changed_behind_the_back_of_the_service_give_no_dossier(filled: Any) -> None:
    batch = filled.frozen()
    with unit_of_work(filled.database) as session:
        session.execute(text("DROP TRIGGER reduction_no_update"))
        session.execute(text("UPDATE reduction SET inputs = :new"), {"new": '{"distance_m":5}'})
    with pytest.raises(DossierDiffers):
        filled.export(batch)


def test_a_reduction_that_the_formula_does_not_give_is_found_by_the_verifier(embedded: Any) -> None:
    embedded.reductions(10**9)  # inputs say one metre
    embedded.close()
    difference = check_dossier(embedded.export(embedded.frozen())).difference
    assert difference is not None
    assert (difference.leaf, difference.field) == (1, "gross_mg")
    assert (difference.expected, difference.found) == ("46", "1000000000")
