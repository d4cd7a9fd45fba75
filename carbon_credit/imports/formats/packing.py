"""The bytes of a file as they were before it was packed, block by block, with what may go wrong.

gzip and Zstandard are known by their first bytes. However small a packed file is, no more is unpacked at
a time than a block, and no more in all than `INFLATED_FREE` and `INFLATED_TIMES` its size.
"""

import gzip
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

from carbon_credit.imports.errors import FileInflated, LibraryMissing

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK_BYTES = 262_144
INFLATED_FREE = 1 << 30
INFLATED_TIMES = 200
# Of Zstandard, a little at a time: 1,024 packed bytes are 32 MB at the very most.
ZSTD_STEP = 1_024
ZSTD_WINDOW = 1 << 27  # what `zstd --long` makes by default

Progress: TypeAlias = Callable[[int, int], None]


class Damaged(ValueError):
    """The packing breaks off, or its checks fail."""


def blocks(path: Path, progress: Progress | None = None) -> Iterator[bytes]:
    """The unpacked bytes, in blocks. Raises `Damaged`, `FileInflated`, `LibraryMissing` and OSError."""
    size = path.stat().st_size
    limit = INFLATED_FREE + INFLATED_TIMES * size
    done = 0
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        packed = magic.startswith(GZIP_MAGIC) or magic == ZSTD_MAGIC
        stream = _zstd(raw, path.name) if magic == ZSTD_MAGIC else _stream(raw, magic)
        for block in stream:
            done += len(block)
            if packed and done > limit:
                raise FileInflated(file=path.name, limit=limit)
            yield block
            if progress and raw.tell() < size:
                progress(raw.tell(), size)
    if progress:
        progress(size, size)


def first_block(path: Path) -> bytes:
    """The first unpacked bytes, at most a block."""
    reading = blocks(path)
    try:
        return next(reading, b"")
    finally:
        reading.close()  # type: ignore[attr-defined]


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A plain file, for readers that jump about in it: the file itself, or a private copy for the while."""
    with path.open("rb") as raw:
        magic = raw.read(4)
    if not magic.startswith(GZIP_MAGIC) and magic != ZSTD_MAGIC:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="carbon-credit-") as folder:
        copy = Path(folder) / "rows"
        with copy.open("wb") as out:
            for block in blocks(path):
                out.write(block)
        yield copy


def _stream(raw: IO[bytes], magic: bytes) -> Iterator[bytes]:
    stream: Any = gzip.GzipFile(fileobj=raw) if magic.startswith(GZIP_MAGIC) else raw
    try:
        while block := stream.read(BLOCK_BYTES):
            yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(str(error)) from error


def _zstd(raw: IO[bytes], file: str) -> Iterator[bytes]:
    try:
        import zstandard  # lazy: an extra
    except ImportError:
        raise LibraryMissing(file=file, what="Zstandard", library="zstandard") from None
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    frame = reader.decompressobj()
    begun = False
    pieces: list[bytes] = []
    held = 0
    try:
        while packed := raw.read(ZSTD_STEP):
            while packed:
                if frame.eof:
                    frame, begun = reader.decompressobj(), False
                piece = frame.decompress(packed)
                begun = True
                packed = frame.unused_data if frame.eof else b""
                pieces.append(piece)
                held += len(piece)
            if held >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, held = [], 0
    except zstandard.ZstdError as error:
        raise Damaged(str(error)) from error
    if pieces:
        yield b"".join(pieces)
    if begun and not frame.eof:
        raise Damaged("the last frame is not whole")
