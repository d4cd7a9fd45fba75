"""Charts on pages: columns of two parts, drawn with lines and rectangles, from whole numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib import colors

_SURE = colors.HexColor("#1F7A4D")
_OPEN = colors.HexColor("#BFE3CC")
_LINE = colors.HexColor("#C9D6CC")
_INK = colors.HexColor("#333333")


@dataclass(frozen=True)
class Column:
    """One column: a label below, a text above (or none), of `amount` the part `open_part` is drawn paler."""

    label: str
    amount: int
    open_part: int = 0
    told: str = ""


def drawing(columns: Sequence[Column], *, width: int, height: int, font: str) -> Drawing:
    """The columns side by side; those below zero are drawn as nothing."""
    made = Drawing(width, height)
    most = max((one.amount for one in columns), default=0)
    step, foot, room = width // max(len(columns), 1), 16, height - 34
    for number, one in enumerate(columns):
        x = number * step + step // 8
        breadth = step * 3 // 4
        whole = max(one.amount, 0) * room // most if most > 0 else 0
        sure = max(one.amount - one.open_part, 0) * room // most if most > 0 else 0
        for tall, colour in ((whole, _OPEN), (sure, _SURE)):
            if tall:
                made.add(Rect(x, foot, breadth, tall, fillColor=colour, strokeColor=None))
        middle = x + breadth // 2
        made.add(String(middle, 4, one.label, fontName=font, fontSize=8, fillColor=_INK, textAnchor="middle"))
        if one.told:
            above = foot + whole + 4
            made.add(
                String(
                    middle, above, one.told, fontName=font, fontSize=7, fillColor=_INK, textAnchor="middle"
                )
            )
    made.add(Line(0, foot, step * len(columns), foot, strokeColor=_LINE))
    return made
