"""Pictures: SVG written by hand, and the same as PNG with the embedded font. The same SVG, the same bytes."""

from pathlib import Path
from xml.sax.saxutils import escape

import resvg_py

from carbon_credit.documents.pdf import FONT_FILE, readable

FONT_FAMILY = "Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"


def text(
    x: int,
    y: int,
    words: str,
    *,
    size: int,
    fill: str = "#ffffff",
    anchor: str = "start",
    bold: bool = False,
    opacity: str = "1",
) -> str:
    """One line of text. Only one weight is embedded: bold is drawn with a stroke of its own colour."""
    weight = f' stroke="{fill}" stroke-width="{max(size // 28, 1)}" stroke-linejoin="round"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" fill-opacity="{opacity}" '
        f'text-anchor="{anchor}"{weight}>{marked(words)}</text>'
    )


def marked(words: str) -> str:
    """The words for SVG. CO2 gets its 2 below the line: the font has no such sign."""
    lowered = '<tspan font-size="70%" dy="0.15em">2</tspan><tspan dy="-0.105em">{}</tspan>'
    first, *rest = escape(readable(words)).split("CO2")
    return first + "".join("CO" + lowered.format(one or "\u200b") for one in rest)


def rectangle(
    x: int, y: int, width: int, height: int, *, fill: str, radius: int = 0, opacity: str = "1"
) -> str:
    """A filled rectangle."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}" '
        f'fill-opacity="{opacity}"/>'
    )


def picture(width: int, height: int, *, title: str, definitions: str, parts: list[str]) -> str:
    """The SVG document: no script, no style sheet, nothing from outside."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONT_FAMILY}" role="img">'
        f"<title>{escape(title)}</title><defs>{definitions}</defs>{''.join(parts)}</svg>"
    )


def png(svg: str) -> bytes:
    """The picture as PNG, in its own size."""
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            skip_system_fonts=True,
            font_files=[str(Path(FONT_FILE))],
            font_family="Noto Sans SC",
        )
    )
