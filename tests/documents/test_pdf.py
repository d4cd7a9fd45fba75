"""Pages: repeatable bytes, Chinese that can be copied out again, every font embedded."""

import io

from pypdf import PdfReader

from carbon_credit.documents import qr
from carbon_credit.documents.pdf import (
    Block,
    Facts,
    Heading,
    Picture,
    Table,
    Text,
    missing_characters,
    write_pdf,
)

BLOCKS: list[Block] = [
    Heading("碳普惠减排量核算报告", level=0),
    Text("项目边界与监测说明 <b>不是标记</b> & 符号"),
    Facts([("项目 Project", "深圳公共交通"), ("减排量 Reduction", "3 t")]),
    Heading("按日结果"),
    Table(
        ["日期", "活动", "mg"],
        [[f"2026-11-{day:02d}", "metro.ride", "388,440"] for day in range(1, 31)] * 4,
        (3, 4, 3),
        right=frozenset({2}),
    ),
    Picture(qr.png("https://example.invalid/serials/X-GD-SZ-1")),
]


def _bytes(blocks: list[Block], watermark: str = "演练 REHEARSAL") -> bytes:
    target = io.BytesIO()
    write_pdf(target, title="核算报告", author="tests", blocks=blocks, footer="x-gd-sz", watermark=watermark)
    return target.getvalue()


def test_the_same_blocks_give_the_same_bytes() -> None:
    assert _bytes(BLOCKS) == _bytes(BLOCKS)
    assert _bytes(BLOCKS) != _bytes(BLOCKS, watermark="")


def test_chinese_markup_page_numbers_and_watermark_can_be_read_back() -> None:
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(_bytes(BLOCKS))).pages]
    assert len(pages) > 2
    assert "碳普惠减排量核算报告" in pages[0]
    assert "<b>不是标记</b> & 符号" in pages[0]
    assert all("演练 REHEARSAL" in page for page in pages)
    assert f"第 2 页，共 {len(pages)} 页" in pages[1]
    assert "日期" in pages[1], "the heading of a long table repeats"


def test_every_font_is_embedded() -> None:
    names = []
    for page in PdfReader(io.BytesIO(_bytes(BLOCKS))).pages:
        for font in page["/Resources"]["/Font"].values():
            descriptor = font.get_object()["/FontDescriptor"].get_object()
            assert "/FontFile2" in descriptor
            names.append(font.get_object()["/BaseFont"])
    assert names
    assert all("NotoSansSC" in name for name in names)


def test_a_character_outside_the_font_shows_as_the_printers_mark() -> None:
    assert missing_characters("张𠮷豐张𠮷") == "𠮷豐"
    page = PdfReader(io.BytesIO(_bytes([Text("张𠮷")]))).pages[0].extract_text()
    assert "张〓" in page
