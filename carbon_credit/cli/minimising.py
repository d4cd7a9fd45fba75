"""`minimise` and `link-hashes`: a partner keeps the rows of its enrolled cards, and sends only those.

Both run at the partner's side: no database, no settings of the platform.
"""

import csv
import gzip
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast
from urllib.parse import urlencode

import click
import orjson

from carbon_credit.cli.context import emit, json_option, progress, stderr
from carbon_credit.cli.remote import AGAIN, Remote
from carbon_credit.identity.links import LINK_KINDS
from carbon_credit.identity.matching import KEY_BYTES, match_digest

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_TELL_EVERY = 10_000
_DELIMITERS = ",\t;"


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--column", required=True, help="Column of the card; for NDJSON a path such as citizen.link.value"
)
@click.option("--hashes", type=_FILE, multiple=True, required=True, help="Of `link-hashes`; may be repeated")
@click.option("--key-env", multiple=True, required=True, help="Name of the variable with a match key")
@click.option(
    "--out", type=_OUT, required=True, help="Where the rows that are kept go; .gz and .zst are packed"
)
@json_option
def minimise(
    file: Path, column: str, hashes: tuple[Path, ...], key_env: tuple[str, ...], out: Path, as_json: bool
) -> None:
    """Keep the rows of FILE (csv, tsv or NDJSON; plain, .gz, .zst) whose card is enrolled.

    Needs no database: run it where the file is, and send only what it writes. Nothing is sent of the rest.
    """
    keys = [_key(name) for name in key_env]
    wanted = _read_hashes(hashes)
    part = out.with_name(out.name + ".part")
    counts = {"rows": 0, "kept": 0, "dropped": 0}
    try:
        with (
            _reading(file) as lines,
            _writing(part, out.suffix) as page,
            progress(f"Reading {file.name}") as done,
        ):
            for keep in _sifted(lines, page, column, keys, wanted):
                counts["rows"] += 1
                counts["kept" if keep else "dropped"] += 1
                if counts["rows"] % _TELL_EVERY == 0:
                    done(_TELL_EVERY)
            done(counts["rows"] % _TELL_EVERY)
        os.replace(part, out)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, csv.Error) as error:
        raise click.ClickException(f"{file.name} cannot be read to its end: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    if as_json:
        emit(counts)
        return
    stderr.print("  ".join(f"{name} {count:,}" for name, count in counts.items()))


@click.command("link-hashes")
@click.option("--to", "url", required=True, help="The platform's API")
@click.option("--client", envvar="CARBON_CREDIT_AS", required=True, metavar="CLIENT_ID:SECRET")
@click.option("--kind", required=True, type=click.Choice(LINK_KINDS))
@click.option("--scene", help="Only of citizens who consent in this scene")
@click.option("--out", type=_OUT, required=True, help="Hashes, one a line")
@click.option(
    "--key-out", type=_OUT, required=True, help="Match keys in hexadecimal, one a line; keep it secret"
)
@json_option
def link_hashes(
    url: str, client: str, kind: str, scene: str | None, out: Path, key_out: Path, as_json: bool
) -> None:
    """Fetch the hashes of enrolled links, and the keys that they are made with."""
    remote = Remote(url, client)
    keys = _get(remote, "/v1/partner/match-keys", {"kind": kind})
    if not keys["complete"]:
        stderr.print("[yellow]Some links have no hash yet: do not leave out rows, send them all.[/yellow]")
    count = 0
    with out.open("w") as page, progress("Fetching hashes") as done:
        for key in keys["keys"]:
            asked = {"kind": kind, "key_id": key["id"]} | ({"scene": scene} if scene else {})
            for items in _pages(remote, asked):
                page.writelines(f"{item}\n" for item in items)
                count += len(items)
                done(len(items))
    key_out.touch(mode=0o600)
    key_out.chmod(0o600)
    key_out.write_text("".join(f"{key['key']}\n" for key in keys["keys"]))
    remote.close()
    told = {"hashes": count, "keys": len(keys["keys"]), "complete": keys["complete"]}
    if as_json:
        emit(told)
        return
    stderr.print(f"{count:,} hashes: {out}")


def _pages(remote: Remote, asked: dict[str, str]) -> Iterator[list[str]]:
    more: dict[str, str] = {}
    while True:
        page = _get(remote, "/v1/partner/link-hashes", asked | more)
        yield page["items"]
        if page["next_cursor"] is None:
            return
        more = {"cursor": page["next_cursor"]}


def _get(remote: Remote, path: str, asked: dict[str, str]) -> dict[str, Any]:
    try:
        status, wait_s, answer = remote.ask("GET", f"{path}?{urlencode(asked)}")
    except (OSError, HTTPException) as error:
        raise click.ClickException(f"The platform does not answer: {error}") from error
    if status in AGAIN:
        raise click.ClickException(f"The platform is busy ({status}); try again in {wait_s or 60} seconds.")
    told: dict[str, Any] = orjson.loads(answer)
    if status != 200:
        raise click.ClickException(f"{status} {told.get('code')}: {told.get('detail')}")
    return told


def _sifted(
    lines: TextIO, page: TextIO, column: str, keys: list[bytes], wanted: set[bytes]
) -> Iterator[bool]:
    """Write what is kept; for each data row, whether it was."""

    def enrolled(card: str) -> bool:
        return any(match_digest(key, card).bytes in wanted for key in keys)

    first = lines.readline()
    if first.lstrip().startswith("{"):
        path = column.split(".")
        for number, line in enumerate(chain([first], lines), start=1):
            if line.strip():
                keep = enrolled(_at(line, path, number))
                page.write(line if keep else "")
                yield keep
        return
    delimiter = max(_DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    if column not in header:
        raise click.UsageError(f"There is no column {column!r}; the file has: {', '.join(header)}")
    place = header.index(column)
    writer = csv.writer(page, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    for row in csv.reader(lines, delimiter=delimiter, strict=True):
        if row:
            # A row that is cut short has no card: it is nobody's.
            keep = len(row) > place and enrolled(row[place])
            if keep:
                writer.writerow(row)
            yield keep


def _at(line: str, path: list[str], number: int) -> str:
    """The text at the path; of what is something else, nothing."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"Line {number} is no JSON.") from error
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _key(name: str) -> bytes:
    try:
        key = bytes.fromhex(os.environ.get(name, ""))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise click.UsageError(f"The variable {name} does not hold a match key: 64 hexadecimal digits.")
    return key


def _read_hashes(paths: Iterable[Path]) -> set[bytes]:
    found: set[bytes] = set()
    for path in paths:
        with _reading(path) as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if len(text) != 32:
                    raise click.UsageError(
                        f"Line {number} of {path.name} is no hash of 32 hexadecimal digits."
                    )
                try:
                    found.add(bytes.fromhex(text))
                except ValueError as error:
                    raise click.UsageError(f"Line {number} of {path.name} is no hash.") from error
    return found


@contextmanager
def _reading(path: Path) -> Iterator[TextIO]:
    """The file as text, unpacked where its first bytes say that it is packed."""
    with ExitStack() as stack:
        raw: BinaryIO = stack.enter_context(path.open("rb"))
        start = raw.read(4)
        raw.seek(0)
        if start.startswith(_GZIP):
            raw = cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw)))
        elif start == _ZSTD:
            raw = cast("BinaryIO", stack.enter_context(_zstandard().ZstdDecompressor().stream_reader(raw)))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))


@contextmanager
def _writing(path: Path, suffix: str) -> Iterator[TextIO]:
    with ExitStack() as stack:
        raw: BinaryIO = stack.enter_context(path.open("wb"))
        if suffix == ".gz":
            raw = cast("BinaryIO", stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0)))
        elif suffix == ".zst":
            packer = _zstandard().ZstdCompressor(3).stream_writer(raw, closefd=False)
            raw = cast("BinaryIO", stack.enter_context(packer))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True))


def _zstandard() -> Any:
    if find_spec("zstandard") is None:
        raise click.UsageError("Files with .zst need a library: pip install 'carbon-credit[files]'")
    import zstandard  # lazy: an extra

    return zstandard
