"""A citizen's year: as JSON, as pages to keep, as a picture to share."""

from typing import Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Flag, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.documents import picture
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.reach.card import card_svg
from carbon_credit.reach.errors import YearNotFound
from carbon_credit.reach.pages import report_pdf
from carbon_credit.reach.yearly import YearReport, year_report

_READ = access(CITIZEN, scope="account:read")
_GRADES = ("official", "published", "secondary", "assumed")
_SIGNED = -(2**63)
PDF, PNG, SVG = "application/pdf", "image/png", "image/svg+xml"


class FileQuery(Strict):
    """In which language; without it, by Accept-Language."""

    language = Word("zh", "en", metadata={"example": "zh"})


class ReportMonth(Answer):
    """A month of the year. Of `co2e_mg`, `provisional_mg` belongs to months that are not closed."""

    month = Whole(required=True, minimum=1, maximum=12, metadata={"example": 10})
    events = Whole(required=True, metadata={"example": 42})
    co2e_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 20248000})
    provisional_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})


class ReportScene(Answer):
    """A scene in the year. `grade`: the worst of its results; `sandbox`: it is below published."""

    scene = fields.String(required=True, metadata={"example": "metro"})
    label_zh = fields.String(required=True, metadata={"example": "地铁出行"})
    label_en = fields.String(required=True, metadata={"example": "Metro"})
    events = Whole(required=True, metadata={"example": 42})
    co2e_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 20248000})
    grade = Word(*_GRADES, required=True, metadata={"example": "published"})
    sandbox = Flag(required=True, metadata={"example": False})


class ReportWhose(Answer):
    """Whose the year's grams are, in mg CO2e: own, passed on, retired, a partner's; all of it is counted."""

    own_mg = Whole(
        minimum=_SIGNED,
        required=True,
        metadata={"description": "Still on the citizen's account.", "example": 15248000},
    )
    passed_on_mg = Whole(
        required=True,
        metadata={"description": "By mandate in a batch: the programme's to sell.", "example": 5000000},
    )
    retired_mg = Whole(
        required=True,
        metadata={
            "description": "Retired by the citizen for a footprint of their own.",
            "example": 0,
        },
    )
    claimed_mg = Whole(
        minimum=_SIGNED,
        required=True,
        metadata={"description": "All that may be claimed: own and retired.", "example": 15248000},
    )
    partner_mg = Whole(
        minimum=_SIGNED,
        required=True,
        metadata={"description": "A data provider's, by the programme's rule.", "example": 0},
    )
    counted_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 20248000})


class ReportYearPoints(Answer):
    """Points of the year: earned less taken back, spent less refunded."""

    earned = Whole(minimum=_SIGNED, required=True, metadata={"example": 200})
    spent = Whole(minimum=_SIGNED, required=True, metadata={"example": 100})
    donated = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    expired = Whole(required=True, metadata={"example": 0})


class ReportLikeness(Answer):
    """What the grams that may be claimed are as much as, by somebody's figure. Rounded down."""

    code = fields.String(required=True, metadata={"example": "grid-electricity"})
    text_zh = fields.String(required=True, metadata={"example": "相当于少用 28.7 千瓦时电"})
    text_en = fields.String(required=True, metadata={"example": "as much as 28.7 kWh of electricity"})
    tenths = Whole(required=True, metadata={"description": "Of a unit.", "example": 287})
    unit_zh = fields.String(required=True, metadata={"example": "千瓦时"})
    unit_en = fields.String(required=True, metadata={"example": "kWh"})
    mg_per_unit = Whole(required=True, metadata={"example": 530600})
    source = fields.String(required=True, metadata={"example": "2023年电力二氧化碳排放因子公告"})
    data_year = Whole(required=True, metadata={"example": 2023})
    grade = Word(*_GRADES, required=True, metadata={"example": "secondary"})
    sandbox = Flag(required=True, metadata={"example": True})


class ReportMedal(Answer):
    """A medal that the year brought."""

    title_zh = fields.String(required=True, metadata={"example": "百次地铁"})
    title_en = fields.String(required=True, metadata={"example": "A hundred metro rides"})


class YearReportOut(Answer):
    """A citizen's year as it stands. `rehearsal`: nothing of it is official."""

    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    year = Whole(required=True, metadata={"example": 2026})
    closed = Flag(required=True, metadata={"description": "The whole year is.", "example": False})
    rehearsal = Flag(required=True, metadata={"example": True})
    sandbox = Flag(
        required=True, metadata={"description": "Of a result the grade is below published.", "example": False}
    )
    events = Whole(required=True, metadata={"example": 42})
    provisional_mg = Whole(minimum=_SIGNED, required=True, metadata={"example": 0})
    whose = fields.Nested(ReportWhose, required=True)
    months = fields.List(fields.Nested(ReportMonth), required=True)
    scenes = fields.List(fields.Nested(ReportScene), required=True)
    points = fields.Nested(ReportYearPoints, required=True)
    vouchers = Whole(required=True, metadata={"description": "Used in the year.", "example": 1})
    value_fen = Whole(required=True, metadata={"description": "What they were worth.", "example": 500})
    medals = fields.List(fields.Nested(ReportMedal), required=True)
    likenesses = fields.List(fields.Nested(ReportLikeness), required=True)


@reads(allowed=_READ, answer=YearReportOut, raises=(YearNotFound,))
def get_year_report(call: Call, year: int) -> dict[str, Any]:
    """Read one's year: reductions by month and scene, whose they are, points, vouchers, medals."""
    found = _report(call, year)
    names = ("programme", "year", "closed", "rehearsal", "sandbox", "events", "provisional_mg")
    return {
        **{name: getattr(found, name) for name in (*names, "months", "points", "vouchers", "value_fen")},
        "whose": {
            "own_mg": found.whose.kept_mg,
            **{name: getattr(found.whose, name) for name in ("passed_on_mg", "retired_mg", "partner_mg")},
            "claimed_mg": found.whose.claimed_mg,
            "counted_mg": found.whose.counted_mg,
        },
        "scenes": [
            {
                **{name: getattr(one, name) for name in ("scene", "events", "co2e_mg", "grade")},
                "label_zh": one.label.zh,
                "label_en": one.label.en,
                "sandbox": one.grade.is_sandbox,
            }
            for one in found.scenes
        ],
        "medals": [{"title_zh": one.zh, "title_en": one.en} for one in found.medals],
        "likenesses": [
            {
                **{
                    name: getattr(one.equivalent, name)
                    for name in ("code", "mg_per_unit", "data_year", "grade")
                },
                "text_zh": one.told("zh"),
                "text_en": one.told("en"),
                "unit_zh": one.equivalent.unit.zh,
                "unit_en": one.equivalent.unit.en,
                "tenths": one.tenths,
                "source": one.source.document,
                "sandbox": one.equivalent.grade.is_sandbox,
            }
            for one in found.likenesses
        ],
    }


@reads(allowed=_READ, query=FileQuery, answer=None, downloads=(PDF,), raises=(YearNotFound,))
def get_year_pages(call: Call, year: int) -> Response:
    """Download one's year as a PDF."""
    return _file(report_pdf(_report(call, year), _language(call)), PDF, f"carbon-{year}.pdf")


@reads(allowed=_READ, query=FileQuery, answer=None, downloads=(PNG,), raises=(YearNotFound,))
def get_year_card(call: Call, year: int) -> Response:
    """Download one's year as a picture to share, 1080 x 1440."""
    return _file(picture.png(card_svg(_report(call, year), _language(call))), PNG, f"carbon-{year}.png")


@reads(allowed=_READ, query=FileQuery, answer=None, downloads=(SVG,), raises=(YearNotFound,))
def get_year_drawing(call: Call, year: int) -> Response:
    """Download the same picture as SVG."""
    return _file(card_svg(_report(call, year), _language(call)).encode(), SVG, f"carbon-{year}.svg")


def _report(call: Call, year: int) -> YearReport:
    return year_report(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        year=year,
        now=call.now,
    )


def _language(call: Call) -> str:
    return str(call.query.get("language") or language())


def _file(content: bytes, media_type: str, name: str) -> Response:
    response = Response(content, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
