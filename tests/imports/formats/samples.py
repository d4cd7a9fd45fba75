"""One table, written in every format and packing."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime

import openpyxl
import pyarrow
import pyarrow.parquet
import zstandard

NAMES = ("id", "name", "at", "km")
ROWS = [
    ("1", "南山", "2026-11-21 08:03:11", "1.5"),
    ("2", "a, b", "2026-11-21 08:04:00", "20"),
    ("3", "", "2026-11-21 09:00:00", "0.1"),
]
Make = Callable[[tuple[str, ...], list[tuple[str, ...]]], bytes]


def csv_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    lines = [names, *rows]
    return "".join(",".join(f'"{v}"' if "," in v else v for v in line) + "\n" for line in lines).encode()


def tsv_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(line) + "\r\n" for line in [names, *rows]).encode("utf-8-sig")


def objects(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[dict[str, object]]:
    # Ids are numbers, kilometres too, and what is empty is null: as systems write them.
    return [
        {
            n: int(v) if n == "id" else float(v) if n == "km" else v or None
            for n, v in zip(names, row, strict=True)
        }
        for row in rows
    ]


def ndjson_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in objects(names, rows))


def list_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    return json.dumps(objects(names, rows), indent=2).encode()


def xlsx_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(names)
    for one in objects(names, rows):
        sheet.append([datetime.fromisoformat(str(v)) if n == "at" else v for n, v in one.items()])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet_bytes(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    table = pyarrow.Table.from_pylist(
        [{n: datetime.fromisoformat(str(v)) if n == "at" else v for n, v in one.items()}
         for one in objects(names, rows)]
    )  # fmt: skip
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


MAKERS: dict[str, Make] = {
    "csv": csv_bytes,
    "tsv": tsv_bytes,
    "ndjson": ndjson_bytes,
    "json": list_bytes,
    "xlsx": xlsx_bytes,
    "parquet": parquet_bytes,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
