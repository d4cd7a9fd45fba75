"""QR codes as PNG or SVG, the same bytes for the same text."""

import io

import segno


def png(text: str, *, scale: int = 8) -> bytes:
    """A PNG picture of `text` (UTF-8), `scale` pixels a module, with the quiet zone scanners need."""
    target = io.BytesIO()
    _code(text).save(target, kind="png", scale=scale, border=4)
    return target.getvalue()


def svg(text: str, *, scale: int = 8) -> bytes:
    """An SVG picture of `text` (UTF-8): one path, no script, no style sheet."""
    target = io.BytesIO()
    _code(text).save(target, kind="svg", scale=scale, border=4, xmldecl=False, nl=False)
    return target.getvalue()


def _code(text: str) -> segno.QRCode:
    # Level M survives a scratched phone screen or a folded certificate; a Micro QR is not read by
    # most phones, so it is never chosen.
    return segno.make(text, error="m", micro=False)
