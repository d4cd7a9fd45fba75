"""The text of a file, decoded strictly, and its lines, numbered as an editor numbers them."""

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from carbon_credit.imports.errors import FileEncoding, FileTruncated, FileUnreadable, LineTooLong
from carbon_credit.imports.formats.packing import Damaged, Progress, blocks

MAX_LINE = 65_536  # characters


def text_blocks(path: Path, *, encoding: str = "utf-8", progress: Progress | None = None) -> Iterator[str]:
    """The text, in pieces; a byte order mark is taken off.

    Raises `FileUnreadable`, `FileTruncated`, `FileEncoding`, each with the line.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    offset, line, begun = 0, 1, False
    try:
        for block in blocks(path, progress):
            text = _decoded(decoder, block, encoding, path.name, offset, line)
            offset += len(block)
            if not begun and text:
                begun, text = True, text.removeprefix("\ufeff")
            line += text.count("\n")
            yield text
        yield _decoded(decoder, b"", encoding, path.name, offset, line, final=True)
    except Damaged as error:
        raise FileTruncated(file=path.name, line=line - 1) from error
    except OSError as error:
        raise FileUnreadable(file=path.name, why=error.strerror or str(error)) from None


def line_blocks(texts: Iterable[str], *, file: str, limit: int = MAX_LINE) -> Iterator[tuple[int, list[str]]]:
    """(number of the first, lines) again and again; CR and LF taken off. Raises `LineTooLong`."""
    number, rest = 1, ""
    for piece in texts:
        text = rest + piece
        lines = text.split("\n")
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        rest = lines.pop()
        _check_lengths(lines, rest, number, file, limit)
        if lines:
            yield number, lines
            number += len(lines)
    if rest:
        yield number, [rest.rstrip("\r")]


def _decoded(
    decoder: codecs.IncrementalDecoder,
    block: bytes,
    encoding: str,
    file: str,
    offset: int,
    line: int,
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
            line=line + before.count("\n"),
        ) from None


def _check_lengths(lines: list[str], rest: str, number: int, file: str, limit: int) -> None:
    if lines and max(map(len, lines)) > limit:
        place = next(place for place, line in enumerate(lines) if len(line) > limit)
        raise LineTooLong(file=file, line=number + place, limit=limit)
    if len(rest) > limit:
        raise LineTooLong(file=file, line=number + len(lines), limit=limit)
