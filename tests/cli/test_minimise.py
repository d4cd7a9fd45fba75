"""`link-hashes` and `minimise`: only rows of enrolled cards leave the partner's side."""

import csv
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from click.testing import CliRunner
from werkzeug.serving import make_server

from carbon_credit.cli.main import commands
from carbon_credit.factory import application
from carbon_credit.identity.matching import match_digest
from carbon_credit.identity.operations import issue_credential
from carbon_credit.identity.scopes import SCOPES_BY_ROLE
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from tests.world import World

KEY = bytes(range(32))
ENROLLED = ["CARD-1", "卡２"]


@pytest.fixture
def hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATCH_KEY", KEY.hex())
    path = tmp_path / "hashes.txt"
    path.write_text("".join(f"{match_digest(KEY, card).hex}\n" for card in ENROLLED))
    return path


def run(file: Path, hashes: Path, column: str = "card_no", out: str = "kept") -> dict[str, Any]:
    kept = file.with_name(out)
    asked = ["minimise", str(file), "--column", column, "--hashes", str(hashes), "--out", str(kept), "--json"]
    done = CliRunner().invoke(commands, [*asked, "--key-env", "MATCH_KEY"])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_rows_of_enrolled_cards_are_kept_as_they_are(tmp_path: Path, hashes: Path, delimiter: str) -> None:
    rows = [
        ["a", " CARD-1 ", f"x{delimiter}y"],
        ["b", "CARD-2", "z"],
        ["c", "卡2", 'said "no"\nand left'],
        ["d"],
    ]
    file = tmp_path / "day.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as page:
        csv.writer(page, delimiter=delimiter).writerows([["id", "card_no", "note"], *rows])
    assert run(file, hashes) == {"rows": 4, "kept": 2, "dropped": 2}
    with (tmp_path / "kept").open(newline="") as page:
        assert list(csv.reader(page, delimiter=delimiter)) == [["id", "card_no", "note"], rows[0], rows[2]]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_events_too_and_packed_files(tmp_path: Path, hashes: Path, packing: str) -> None:
    cards: list[object] = [*ENROLLED, "CARD-2", None, 7]
    lines = [
        orjson.dumps({"id": str(n), "citizen": {"link": {"value": card}}}) for n, card in enumerate(cards)
    ]
    data = b"\n".join([*lines, b""])
    packed = {"": data, ".gz": gzip.compress(data), ".zst": zstandard.compress(data)}[packing]
    file = tmp_path / "events"
    file.write_bytes(packed)
    told = run(file, hashes, column="citizen.link.value", out=f"kept{packing}")
    assert told == {"rows": 5, "kept": 2, "dropped": 3}
    kept = (tmp_path / f"kept{packing}").read_bytes()
    if packing == ".zst":
        kept = zstandard.ZstdDecompressor().stream_reader(kept).read()
    assert (gzip.decompress(kept) if packing == ".gz" else kept) == b"\n".join([*lines[:2], b""])


def test_what_cannot_be_read_leaves_nothing_behind(tmp_path: Path, hashes: Path, monkeypatch: Any) -> None:
    def refused(file: Path, *more: str) -> str:
        asked = ["minimise", str(file), "--column", "card_no", "--hashes", str(hashes), "--out"]
        done = CliRunner().invoke(commands, [*asked, str(tmp_path / "kept"), "--key-env", "MATCH_KEY", *more])
        assert done.exit_code != 0
        assert "Traceback" not in done.output
        assert not any(path.name.startswith("kept") for path in tmp_path.iterdir())
        return done.output

    short = tmp_path / "short.csv.gz"
    short.write_bytes(gzip.compress(b"card_no\n" + b"CARD-1\n" * 99_999)[:-20])
    assert "cannot be read to its end" in refused(short)
    other = tmp_path / "other.csv"
    other.write_bytes("card_no\n卡\n".encode("gb18030"))
    assert "cannot be read to its end" in refused(other)
    other.write_text("card,x\n1,2\n")
    assert "There is no column" in refused(other)
    hashes.write_text("short\n")
    assert "no hash" in refused(other)
    monkeypatch.setenv("MATCH_KEY", "12")
    assert "does not hold a match key" in refused(other)


@contextmanager
def serving(world: World) -> Iterator[str]:
    app = application(world.database.settings, world.database)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_hashes_are_fetched_and_then_only_enrolled_rows_are_kept(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database, people=3)
    made = transact(
        database,
        lambda session: issue_credential(
            session, party_id=world.partner, now=world.now, scopes=SCOPES_BY_ROLE["partner"]
        ),
    )
    out, key_out = tmp_path / "hashes", tmp_path / "key"
    with serving(world) as url:
        asked = ["link-hashes", "--to", url, "--client", f"{made.client_id}:{made.secret}"]
        asked += ["--kind", "transit-card", "--out", str(out), "--key-out", str(key_out), "--json"]
        done = CliRunner().invoke(commands, asked)
    assert done.exit_code == 0, done.output
    assert orjson.loads(done.stdout.splitlines()[-1]) == {"hashes": 3, "keys": 1, "complete": True}
    assert key_out.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("MATCH_KEY", key_out.read_text().strip())
    file = tmp_path / "day.csv"
    file.write_text("card_no,x\n" + "".join(f"CARD-{number},1\n" for number in range(10)))
    assert run(file, out) == {"rows": 10, "kept": 3, "dropped": 7}
