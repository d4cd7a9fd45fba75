"""PDF pages with Chinese: headings, paragraphs, facts and long tables, the font embedded.

Text is plain: markup characters are shown, never interpreted. The same blocks give the same bytes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeAlias
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, LongTable, Paragraph, SimpleDocTemplate, Spacer

from carbon_credit.documents.chart import Column, drawing

FONT = "NotoSansSC"
FONT_FILE = Path(__file__).parent / "fonts" / "NotoSansSC-GB2312.ttf"
_MISSING = "〓"  # the printer's mark for a sort that is not in the case
_GREEN = colors.HexColor("#1F6B3A")
_PALE = colors.HexColor("#EAF3EC")
_LINE = colors.HexColor("#C9D6CC")
_RED = colors.HexColor("#C0392B")
_GREY = colors.HexColor("#777777")
_MARGIN = 18 * mm
_WIDTH = A4[0] - 2 * _MARGIN - 12  # the frame pads 6 points on either side


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 1  # 0 is the title of the document


@dataclass(frozen=True)
class Text:
    text: str
    quiet: bool = False  # small and grey, for notes


@dataclass(frozen=True)
class Facts:
    """Label and value, two columns."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Headings repeat on each page. `widths` are shares of the page; `right` are columns of numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[int]
    right: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Picture:
    """A PNG, its side in millimetres."""

    png: bytes
    side_mm: int = 30


@dataclass(frozen=True)
class Chart:
    """Columns side by side, over the width of the page."""

    columns: Sequence[Column]
    height_mm: int = 48


Block: TypeAlias = Heading | Text | Facts | Table | Picture | Chart


def write_pdf(
    target: Path | IO[bytes],
    *,
    title: str,
    author: str,
    blocks: Sequence[Block],
    footer: str = "",
    watermark: str = "",
) -> None:
    """Write A4 pages to `target`, with `footer` and "page x of y", and `watermark` across each page."""
    font = _font()
    styles = _styles()
    document = SimpleDocTemplate(
        str(target) if isinstance(target, Path) else target,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=22 * mm,
        title=title,
        author=author,
        invariant=1,  # no clock and no random id in the file
        initialFontName=font,
    )
    story: list[Flowable] = []
    for block in blocks:
        story.extend(_flow(block, styles))

    class NumberedPages(Canvas):  # type: ignore[misc]  # the library has no types
        """Holds pages back until their number is known: "page 2 of 5" needs the 5."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._pages:
                self.__dict__.update(page)
                _decorate(self, footer=footer, watermark=watermark, count=len(self._pages))
                super().showPage()
            super().save()

    document.build(story, canvasmaker=NumberedPages)


def missing_characters(text: str) -> str:
    """The characters of `text`, each once, that the embedded font lacks."""
    known = _known_characters()
    return "".join(dict.fromkeys(c for c in text if ord(c) not in known and c not in "\n\t"))


def readable(text: str) -> str:
    """The text with the printer's mark in the place of each character that the embedded font lacks."""
    known = _known_characters()
    return "".join(c if ord(c) in known or c == "\n" else _MISSING for c in text)


@lru_cache(maxsize=1)
def _font() -> str:
    pdfmetrics.registerFont(TTFont(FONT, str(FONT_FILE)))
    # One weight is embedded, so bold and italic are the same face: two megabytes are enough.
    pdfmetrics.registerFontFamily(FONT, normal=FONT, bold=FONT, italic=FONT, boldItalic=FONT)
    return FONT


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(_font()).face.charToGlyph)


@lru_cache(maxsize=1)
def _styles() -> dict[str, ParagraphStyle]:
    body = ParagraphStyle("body", fontName=_font(), fontSize=10, leading=15, wordWrap="CJK", spaceAfter=4)
    return {
        "body": body,
        "h0": ParagraphStyle("h0", body, fontSize=19, leading=26, textColor=_GREEN, spaceAfter=6),
        "h1": ParagraphStyle(
            "h1", body, fontSize=13, leading=19, textColor=_GREEN, spaceBefore=10, keepWithNext=1
        ),
        "h2": ParagraphStyle("h2", body, fontSize=11, leading=16, spaceBefore=6, keepWithNext=1),
        "quiet": ParagraphStyle("quiet", body, fontSize=8, leading=12, textColor=_GREY),
        "cell": ParagraphStyle("cell", body, fontSize=8, leading=12, spaceAfter=0),
        "number": ParagraphStyle("number", body, fontSize=8, leading=12, spaceAfter=0, alignment=TA_RIGHT),
    }


def _flow(block: Block, styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    match block:
        case Heading():
            return [Paragraph(_plain(block.text), styles[f"h{block.level}"])]
        case Text():
            return [Paragraph(_plain(block.text), styles["quiet" if block.quiet else "body"])]
        case Facts():
            facts = [[_cell(text, styles) for text in row] for row in block.rows]
            return [_grid(facts, (3, 7), heading=False), Spacer(0, 3 * mm)]
        case Table():
            rows = [block.headings, *block.rows]
            cells = [
                [_cell(text, styles, right=i in block.right) for i, text in enumerate(row)] for row in rows
            ]
            return [_grid(cells, block.widths, heading=True), Spacer(0, 3 * mm)]
        case Picture():
            return [_image(block)]
        case Chart():
            height = int(block.height_mm * mm)
            return [drawing(block.columns, width=int(_WIDTH), height=height, font=_font()), Spacer(0, 3 * mm)]


def _cell(text: str, styles: dict[str, ParagraphStyle], *, right: bool = False) -> Paragraph:
    return Paragraph(_plain(text), styles["number" if right else "cell"])


def _plain(text: str) -> str:
    return escape(readable(text)).replace("\n", "<br/>")


def _grid(cells: list[list[Paragraph]], widths: Sequence[int], *, heading: bool) -> LongTable:
    look: list[tuple[Any, ...]] = [
        ("FONTNAME", (0, 0), (-1, -1), FONT),  # or an empty reference to Helvetica goes into the file
        ("GRID", (0, 0), (-1, -1), 0.4, _LINE),  # float ok: points on paper
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("BACKGROUND", (0, 0), (-1, 0) if heading else (0, -1), _PALE),
    ]
    total = sum(widths)
    shares = [_WIDTH * share / total for share in widths]
    return LongTable(cells, colWidths=shares, repeatRows=1 if heading else 0, style=look)


def _image(picture: Picture) -> Image:
    side = picture.side_mm * mm
    return Image(io.BytesIO(picture.png), width=side, height=side, hAlign="LEFT")


def _decorate(canvas: Canvas, *, footer: str, watermark: str, count: int) -> None:
    canvas.saveState()
    if watermark:
        canvas.setFillColor(_RED, alpha=0.13)  # float ok: transparency
        canvas.translate(A4[0] / 2, A4[1] / 2)
        canvas.rotate(48)
        canvas.setFont(FONT, 58)
        canvas.drawCentredString(0, 0, watermark)
        canvas.restoreState()
        canvas.saveState()
    canvas.setFont(FONT, 7)
    canvas.setFillColor(_GREY)
    canvas.drawString(_MARGIN, 12 * mm, footer)
    number = canvas.getPageNumber()
    canvas.drawRightString(A4[0] - _MARGIN, 12 * mm, f"第 {number} 页，共 {count} 页 · {number} / {count}")
    canvas.restoreState()
