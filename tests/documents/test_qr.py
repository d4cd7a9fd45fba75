"""QR codes: repeatable, and well formed."""

from xml.etree import ElementTree

from carbon_credit.documents import qr

ADDRESS = "https://example.invalid/v1/public/serials/X-GD-SZ-metro-2026-000000001?名=值"


def test_png_and_svg_repeat_and_depend_on_the_text() -> None:
    assert qr.png(ADDRESS) == qr.png(ADDRESS)
    assert qr.svg(ADDRESS) == qr.svg(ADDRESS)
    assert qr.png(ADDRESS) != qr.png(ADDRESS + "1")
    assert qr.png(ADDRESS).startswith(b"\x89PNG")


def test_the_svg_is_a_picture_without_script() -> None:
    root = ElementTree.fromstring(qr.svg(ADDRESS))
    assert root.tag.endswith("svg")
    assert {child.tag.rsplit("}")[-1] for child in root.iter()} <= {"svg", "path"}
