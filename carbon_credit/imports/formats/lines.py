"""The lines of a text file, decoded strictly, numbered as an editor numbers them."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from carbon_credit.imports.errors import FileEncoding, FileTruncated, FileUnreadable, LineTooLong
from carbon_credit.imports.formats.packing import Damaged, Progress, blocks

MAX_LINE = 65_536  # characters


def line_blocks(
    path: Path, *, encoding: str = "utf-8", limit: int = MAX_LINE, progress: Progress | None = None
) -> Iterator[tuple[int, list[str]]]:
    """(number of the first, lines) again and again; CR and LF taken off, a byte order mark too.

    Raises `FileUnreadable`, `FileTruncated`, `FileEncoding`, `LineTooLong`.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    number, offset, begun, rest = 1, 0, False, ""
    try:
        for block in blocks(path, progress):
            text = _decoded(decoder, block, encoding, path.name, offset, number, rest)
            offset += len(block)
            if not begun and text:
                begun, text = True, text.removeprefix("\ufeff")
            text = rest + text
            lines = text.split("\n")
            if "\r" in text:
                lines = [line.rstrip("\r") for line in lines]
            rest = lines.pop()
            _check_lengths(lines, rest, number, path.name, limit)
            if lines:
                yield number, lines
                number += len(lines)
        rest += _decoded(decoder, b"", encoding, path.name, offset, number, rest, final=True)
    except Damaged as error:
        raise FileTruncated(file=path.name, line=number - 1) from error
    except OSError as error:
        raise FileUnreadable(file=path.name, why=error.strerror or str(error)) from None
    if rest:
        yield number, [rest.rstrip("\r")]


def _decoded(
    decoder: codecs.IncrementalDecoder,
    block: bytes,
    encoding: str,
    file: str,
    offset: int,
    number: int,
    rest: str,
    *,
    final: bool = False,
) -> str:
    kept = len(decoder.getstate()[0])  # bytes of a letter that began in the block before
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        before = bytes(error.object[: error.start]).decode(encoding, errors="ignore")
        raise FileEncoding(
            file=file,
            encoding=encoding.upper(),
            byte=max(0, offset - kept) + error.start,
            line=number + before.count("\n"),
        ) from None


def _check_lengths(lines: list[str], rest: str, number: int, file: str, limit: int) -> None:
    if lines and max(map(len, lines)) > limit:
        place = next(place for place, line in enumerate(lines) if len(line) > limit)
        raise LineTooLong(file=file, line=number + place, limit=limit)
    if len(rest) > limit:
        raise LineTooLong(file=file, line=number + len(lines), limit=limit)
