"""The card of a year, 1080 x 1440: a picture that people share. What it claims is the citizen's own alone,
kept or retired by themselves."""

from carbon_credit.documents import picture
from carbon_credit.documents.picture import marked, rectangle, text
from carbon_credit.reach.wording import fen_text, grade_word, mass, mass_text, word
from carbon_credit.reach.yearly import Likeness, SceneSum, YearReport

WIDTH, HEIGHT = 1080, 1440
DEEP, GREEN, LEAF, PALE = "#0b3d2e", "#1f7a4d", "#36a269", "#dcefe3"
INK, QUIET, AMBER = "#12382a", "#6b8578", "#e0a83c"
LEFT, RIGHT = 96, 984
_PANEL_TOP, _PANEL_BOTTOM = 484, 1222
_MOST_SCENES = 4


def card_svg(report: YearReport, language: str) -> str:
    """The card as SVG, in "zh" or "en"."""
    title = f"{report.name.text(language)} {word('title', language, year=report.year)}"
    parts = [
        rectangle(0, 0, WIDTH, HEIGHT, fill="url(#sky)"),
        *_hills(),
        *_heading(report, language),
        rectangle(48, _PANEL_TOP, WIDTH - 96, _PANEL_BOTTOM - _PANEL_TOP, fill="#ffffff", radius=36),
        *_months(report, language),
        *_scenes(report, language),
        *_tiles(report, language),
        *_likenesses(report.likenesses, language),
        *_footer(report, language),
        *(_watermark() if report.rehearsal else ()),
    ]
    return picture.picture(WIDTH, HEIGHT, title=title, definitions=_DEFINITIONS, parts=parts)


_DEFINITIONS = (
    '<linearGradient id="sky" x1="0" y1="0" x2="0.35" y2="1">'
    f'<stop offset="0" stop-color="{DEEP}"/><stop offset="1" stop-color="{GREEN}"/></linearGradient>'
    '<linearGradient id="bar" x1="0" y1="0" x2="0" y2="1">'
    f'<stop offset="0" stop-color="{LEAF}"/><stop offset="1" stop-color="{GREEN}"/></linearGradient>'
    '<pattern id="open" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="10" height="10" fill="{PALE}"/><rect width="4" height="10" fill="{LEAF}"/></pattern>'
)


def _hills() -> list[str]:
    """Two hills and a few leaves behind the number."""
    leaf = "M0 0 C 40 -70 130 -70 170 0 C 130 70 40 70 0 0 Z"
    return [
        '<path d="M0 470 C 220 380 420 500 640 430 S 980 380 1080 430 V 1440 H 0 Z" fill="#ffffff" '
        'fill-opacity="0.06"/>',
        '<path d="M0 530 C 260 450 520 560 760 480 S 1010 470 1080 500 V 1440 H 0 Z" fill="#ffffff" '
        'fill-opacity="0.07"/>',
        f'<g fill="#ffffff" fill-opacity="0.07"><path transform="translate(800 250) rotate(-32) scale(1.5)" '
        f'd="{leaf}"/><path transform="translate(840 330) rotate(22)" d="{leaf}"/></g>',
    ]


def _heading(report: YearReport, language: str) -> list[str]:
    number, unit = mass(report.whose.claimed_mg, language)
    size = 176 if len(number) < 7 else 136
    parts = [
        text(LEFT, 116, report.name.text(language), size=34, opacity="0.85"),
        text(LEFT, 188, word("title", language, year=report.year), size=56, bold=True),
        text(LEFT, 252, word("mine", language), size=32, opacity="0.85"),
        f'<text x="{LEFT}" y="410" font-size="{size}" fill="#ffffff" stroke="#ffffff" stroke-width="4">'
        f'{number}<tspan font-size="48" dx="20" stroke-width="1">{marked(unit + " CO2e")}</tspan></text>',
    ]
    if report.provisional_mg:
        told = f"{word('provisional', language)} {mass_text(report.provisional_mg, language)} · "
        parts.append(text(LEFT, 456, told + word("year-open", language), size=26, fill="#ffe2a6"))
    return parts


def _months(report: YearReport, language: str) -> list[str]:
    top, bottom = _PANEL_TOP + 90, _PANEL_TOP + 274
    most = max((one.co2e_mg for one in report.months), default=0)
    parts = [text(LEFT, _PANEL_TOP + 58, _of(report, "by-month", language), size=28, fill=INK, bold=True)]
    if report.provisional_mg:
        parts += [
            rectangle(650, _PANEL_TOP + 36, 24, 24, fill="url(#bar)", radius=5),
            text(682, _PANEL_TOP + 57, word("confirmed-bar", language), size=24, fill=QUIET),
            rectangle(826, _PANEL_TOP + 36, 24, 24, fill="url(#open)", radius=5),
            text(858, _PANEL_TOP + 57, word("provisional-bar", language), size=24, fill=QUIET),
        ]
    step = (RIGHT - LEFT) // 12
    for one in report.months:
        x = LEFT + (one.month - 1) * step + 11
        whole = max(one.co2e_mg, 0) * (bottom - top) // most if most > 0 else 0
        sure = max(one.co2e_mg - one.provisional_mg, 0) * (bottom - top) // most if most > 0 else 0
        parts.append(rectangle(x, bottom - 4, step - 22, 4, fill=PALE, radius=2))
        if whole:
            parts.append(rectangle(x, bottom - whole, step - 22, whole, fill="url(#open)", radius=8))
        if sure:
            parts.append(rectangle(x, bottom - sure, step - 22, sure, fill="url(#bar)", radius=8))
        label = str(one.month)
        parts.append(text(x + (step - 22) // 2, bottom + 34, label, size=22, fill=QUIET, anchor="middle"))
    return parts


def _scenes(report: YearReport, language: str) -> list[str]:
    top = _PANEL_TOP + 360
    shown = list(report.scenes[:_MOST_SCENES])
    most = max((one.co2e_mg for one in shown), default=0)
    parts = [text(LEFT, top, _of(report, "by-scene", language), size=28, fill=INK, bold=True)]
    if not shown:
        parts.append(text(LEFT, top + 60, word("nothing", language), size=28, fill=QUIET))
    for number, one in enumerate(shown):
        parts += _scene(one, most, top + 22 + number * 48, language)
    return parts


def _scene(one: SceneSum, most: int, y: int, language: str) -> list[str]:
    room = 330
    width = max(one.co2e_mg, 0) * room // most if most > 0 else 0
    times = word("times", language, count=f"{one.events:,}")
    return [
        text(LEFT, y + 26, one.label.text(language), size=26, fill=INK),
        rectangle(340, y + 6, room, 24, fill=PALE, radius=12),
        *([rectangle(340, y + 6, max(width, 24), 24, fill="url(#bar)", radius=12)] if width else []),
        text(700, y + 26, mass_text(one.co2e_mg, language), size=26, fill=INK, bold=True),
        text(RIGHT, y + 26, times, size=24, fill=QUIET, anchor="end"),
    ]


def _tiles(report: YearReport, language: str) -> list[str]:
    top, width = _PANEL_TOP + 594, 280
    told = (
        (f"{report.events:,}", word("events", language)),
        (f"{report.points.earned:,}", word("points-earned", language)),
        (f"{report.vouchers:,}", _voucher_words(report, language)),
    )
    parts = []
    for number, (value, label) in enumerate(told):
        x = LEFT + number * (width + 24)
        parts += [
            rectangle(x, top, width, 116, fill="#f1f8f3", radius=22),
            text(x + width // 2, top + 58, value, size=44, fill=GREEN, anchor="middle", bold=True),
            text(x + width // 2, top + 96, label, size=22, fill=QUIET, anchor="middle"),
        ]
    return parts


def _voucher_words(report: YearReport, language: str) -> str:
    words = word("vouchers", language)
    return f"{words} · {fen_text(report.value_fen)}" if report.value_fen else words


def _likenesses(likenesses: tuple[Likeness, ...], language: str) -> list[str]:
    """On the green, with the source of each figure in small print."""
    parts = []
    for number, one in enumerate(likenesses[:2]):
        y = _PANEL_BOTTOM + 44 + number * 66
        small = f"{word('source', language)}: {one.source.document} · {one.equivalent.data_year} · "
        small += grade_word(one.equivalent.grade, language)
        parts += [
            text(LEFT, y, one.told(language), size=28),
            text(LEFT, y + 26, small, size=18, opacity="0.75"),
        ]
    return parts


def _footer(report: YearReport, language: str) -> list[str]:
    notes = []
    if report.whose.passed_on_mg:
        notes.append(f"{word('passed-on', language)} {mass_text(report.whose.passed_on_mg, language)}")
    if report.whose.retired_mg:
        notes.append(f"{word('retired-of-it', language)} {mass_text(report.whose.retired_mg, language)}")
    lines = [" · ".join(notes)] if notes else []
    if report.rehearsal:
        lines.append(word("rehearsal-note", language))
    elif report.sandbox:
        lines.append(word("sandbox-note", language))
    top = 1420 - 28 * (len(lines) - 1)
    return [text(LEFT, top + 28 * at, line, size=20, fill="#ffe2a6") for at, line in enumerate(lines)]


def _of(report: YearReport, name: str, language: str) -> str:
    """A heading over what was counted, which says so where a part of it is no longer the citizen's."""
    heading = word(name, language)
    return heading + word("passed-on-too", language) if report.whose.passed_on_mg else heading


def _watermark() -> list[str]:
    """Across everything, in both languages: a rehearsal is taken for nothing else."""
    lines = [
        f'<text x="{x}" y="{y}" font-size="96" fill="#c0392b" fill-opacity="0.13" text-anchor="middle" '
        f'transform="rotate(-28 {x} {y})">演练 REHEARSAL</text>'
        for x, y in ((540, 360), (540, 800), (540, 1240))
    ]
    chip = [
        rectangle(820, 74, 200, 60, fill=AMBER, radius=30),
        text(920, 114, "演练 REHEARSAL", size=22, fill=DEEP, anchor="middle", bold=True),
    ]
    return [*lines, *chip]
