"""A citizen's year: sums by month and scene, whose the grams are, the same bytes, words and sizes."""

import io
import struct
from datetime import UTC, date, datetime

import pytest
from pypdf import PdfReader

from carbon_credit.documents import picture
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.reach.card import card_svg
from carbon_credit.reach.errors import YearNotFound
from carbon_credit.reach.pages import report_pdf
from carbon_credit.reach.wording import mass_text
from carbon_credit.reach.yearly import YearReport, whose_by_year, year_report
from tests.flows.conftest import hold_a_voucher
from tests.offsets.conftest import Yard
from tests.reach.conftest import award, day_of, ride
from tests.world import World

KG = 1_000_000


def report(world: World, year: int = 2026, person: int = 0) -> YearReport:
    with unit_of_work(world.database, read_only=True) as session:
        return year_report(
            session,
            programme=world.programme,
            citizen_id=world.citizens[person],
            year=year,
            now=world.now,
        )


def kept_in_all(world: World, person: int = 0) -> int:
    with unit_of_work(world.database, read_only=True) as session:
        found = whose_by_year(session, programme=world.programme, citizen_id=world.citizens[person])
    return sum(one.kept_mg for one in found.values())


def test_a_year_by_month_and_scene_with_what_is_provisional(database: Database) -> None:
    world = World(database)
    world.credit(ride("M-1", day_of(1)), ride("M-2", day_of(2)), ride("M-3", day_of(5, 11)))
    bus = ride("B-1", day_of(3)) | {"type": "bus.ride"}
    world.credit(bus, ride("other", day_of(1), person=1))
    world.credit(ride("old", date(2025, 12, 31)), backfill=True)
    world.close_month(day_of(1))
    world.withdraw("M-2")
    found = report(world)
    months = {one.month: one for one in found.months if one.co2e_mg}
    assert set(months) == {10, 11}
    assert (months[10].events, months[11].events) == (2, 1)
    assert months[10].provisional_mg == 0
    assert (
        months[10].co2e_mg == 2 * 388_440 + 223_270
    )  # what is withdrawn leaves with the sweep that looks into batches
    assert months[11].provisional_mg == months[11].co2e_mg == found.provisional_mg == 388_440
    assert [(one.scene, one.events) for one in found.scenes] == [("metro", 2), ("bus", 1)]
    assert sum(one.co2e_mg for one in found.scenes) == found.whose.counted_mg == found.whose.kept_mg
    assert found.whose.kept_mg + 388_440 == kept_in_all(world) == world.grams()
    assert (found.closed, found.rehearsal, found.events) == (False, True, 3)
    transact(database, lambda session: take_back_ended(session, now=world.now, limit=100))
    october = report(world).months[9]
    assert (october.events, october.co2e_mg) == (2, 388_440 + 223_270)
    assert kept_in_all(world) == world.grams()
    assert report(world, 2025).events == 1
    assert report(world, 2024).whose.counted_mg == 0
    with pytest.raises(YearNotFound):
        report(world, 2027)


def test_points_and_vouchers_of_the_year_are_the_ledgers(database: Database) -> None:
    world = World(database)
    world.credit(*(ride(f"M-{n}", day_of(1 + n // 6), distance_m=20_000 + n) for n in range(12)))
    earned = world.points()
    held = hold_a_voucher(world, points=5)
    found = report(world)
    assert (found.points.earned, found.points.spent, found.vouchers) == (earned, 0, 0)  # held is not spent
    held.consume(world)
    found = report(world)
    assert (found.points.earned, found.points.spent) == (earned, 5)
    assert (found.vouchers, found.value_fen) == (1, 100)
    points = found.points
    assert points.earned - points.spent - points.donated - points.expired == world.points()
    for number in range(12):
        world.withdraw(f"M-{number}")
    points = report(world).points
    assert points.earned == 0
    assert points.earned - points.spent == world.points() == -5  # owed


def test_what_was_passed_on_is_not_claimed_and_what_one_retired_oneself_is(database: Database) -> None:
    yard = Yard(database)
    world = yard.world
    tonne = 1_000 * KG
    yard.reductions(tonne, 400 * KG, 300 * KG, 200 * KG, 500 * KG, 100 * KG)
    # Last year's, never batched; its month was closed with this one's.
    yard.reductions(
        50 * KG,
        vintage=2025,
        occurred_at=datetime(2025, 10, 1, tzinfo=UTC),
        business_day=date(2025, 10, 1),
        accounting_day=day_of(1),
    )
    # What is left over above whole tonnes stays: the last is the first citizen's.
    yard.reductions(10 * KG, 10 * KG, 30 * KG)
    yard.close()
    batch = yard.frozen(most_tonnes=2)
    passed = [report(world, person=person).whose.passed_on_mg for person in range(3)]
    assert sum(passed) == 2 * tonne
    first = report(world).whose
    assert (first.counted_mg, first.passed_on_mg) == (1_230 * KG, passed[0])
    assert first.kept_mg == 1_230 * KG - passed[0]
    assert kept_in_all(world) == world.grams()
    yard.retire(60 * KG)
    old, new = report(world, 2025).whose, report(world).whose
    assert (old.kept_mg, old.retired_mg, old.claimed_mg) == (0, 50 * KG, 50 * KG)
    assert (new.retired_mg, new.passed_on_mg) == (10 * KG, passed[0])
    assert new.counted_mg == 1_230 * KG
    assert kept_in_all(world) == world.grams()
    # What one retired oneself is still one's own claim; what was passed on is not. The picture and its
    # likenesses speak of the claim.
    assert new.claimed_mg == first.kept_mg == 1_230 * KG - passed[0]
    shown = report(world)
    assert mass_text(new.claimed_mg, "zh") in _words(card_svg(shown, "zh"))
    assert f"其中已为本人足迹注销 {mass_text(10 * KG, 'zh')}" in card_svg(shown, "zh")
    assert {one.equivalent.tenths(new.claimed_mg) for one in shown.likenesses} == {
        one.tenths for one in shown.likenesses
    }
    # A batch that is rejected gives back what it held.
    yard.step("start_verification", batch, "verifier-1")
    yard.step("reject_batch", yard.batch(batch.id), "verifier-1", reason="no")
    assert report(world).whose.passed_on_mg == 0
    assert kept_in_all(world) == world.grams()


def test_the_files_say_it_in_chinese_and_english_and_are_the_same_each_time(
    sqlite_database: Database,
) -> None:
    world = World(sqlite_database)
    world.credit(*(ride(f"M-{n}", day_of(1 + n)) for n in range(8)), ride("M-9", day_of(1, 11)))
    world.close_month(day_of(1))
    award(world)
    found = report(world)
    pages = report_pdf(found, "zh")
    assert pages == report_pdf(report(world), "zh")
    read = PdfReader(io.BytesIO(pages))
    said = "".join(page.extract_text() for page in read.pages)
    for words in (
        "2026 年度碳减排报告",
        "本人持有",
        "已委托项目申请",
        "地铁出行",
        "暂计",
        "连续七天",
        "演练",
    ):
        assert words in said, words
    assert mass_text(found.whose.kept_mg, "zh") in said
    assert "〓" not in said
    english = "".join(p.extract_text() for p in PdfReader(io.BytesIO(report_pdf(found, "en"))).pages)
    assert "Whose the reductions are" in english
    for language in ("zh", "en"):
        drawing = card_svg(found, language)
        assert "〓" not in drawing
        assert "script" not in drawing
        image = picture.png(drawing)
        assert image == picture.png(card_svg(report(world), language))
        assert image[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", image[16:24]) == (1080, 1440)
        assert "REHEARSAL" in drawing
    assert "属于我的减排量" in card_svg(found, "zh")


def test_an_empty_year_is_a_report_too(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    found = report(world)
    assert (found.events, found.whose.counted_mg, found.likenesses, found.scenes) == (0, 0, (), ())
    assert "这一年还没有记录" in card_svg(found, "zh")
    assert picture.png(card_svg(found, "en"))
    assert report_pdf(found, "zh")


def test_the_year_ends_where_the_programme_lives(sqlite_database: Database) -> None:
    world = World(sqlite_database)
    world.now = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)  # half past midnight of the new year in Shenzhen
    assert report(world, 2027).events == 0


@pytest.mark.parametrize(
    ("mg", "zh", "en"),
    [
        (0, "0 克", "0 g"),
        (999_999, "999 克", "999 g"),
        (KG, "1.00 千克", "1.00 kg"),
        (12_345_678, "12.34 千克", "12.34 kg"),
        (999_999_999, "999.99 千克", "999.99 kg"),
        (1_234_567_891, "1.234 吨", "1.234 t"),
        (-388_440, "-388 克", "-388 g"),
    ],
)
def test_an_amount_is_cut_and_never_rounded_up(mg: int, zh: str, en: str) -> None:
    assert (mass_text(mg, "zh"), mass_text(mg, "en")) == (zh, en)


def _words(svg: str) -> str:
    """The headline stands in two parts."""
    return svg.replace('<tspan font-size="48" dx="20" stroke-width="1">', " ")
