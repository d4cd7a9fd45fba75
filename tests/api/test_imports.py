"""Imports over HTTP: whole and in parts, followed to the end, refused with reasons, nobody else's."""

import csv
import gzip
import hashlib
import io
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.tasks import create_celery
from tests.api.conftest import Town
from tests.flows.conftest import findings
from tests.imports.driver import rides, write


def file_of(tmp_path: Path, town: Town, number: int = 12, *extra: tuple[str, str, str, int]) -> bytes:
    """Rides of yesterday by the town's citizens, packed."""
    at = (town.now - timedelta(days=1)).isoformat()
    rows = [(name, card, at, metres + place) for place, (name, card, _, metres) in enumerate(rides(number))]
    return gzip.compress(write(tmp_path / "rides.csv", [*rows, *extra]).read_bytes(), mtime=0)


def deliver(town: Town, content: bytes, who: str = "partner", **more: Any) -> TestResponse:
    data = {"adapter": "generic-ride", "file": (io.BytesIO(content), "rides.csv.gz"), **more}
    return town.call(who, "POST", "/v1/imports", data=data, content_type="multipart/form-data")


def work(town: Town) -> None:
    """What beat sends every few seconds."""
    celery = create_celery(town.database.settings, database=town.database)
    celery.tasks["carbon_credit.sweep"].delay(name="imports").get()


def test_a_file_in_one_request(any_town: Town, tmp_path: Path) -> None:
    town = any_town
    at = (town.now - timedelta(days=1)).isoformat()
    content = file_of(tmp_path, town, 12, ("R-90", "NOBODY", at, 8300), ("R-91", "", at, 8300))
    begun = deliver(town, content, control='{"rows": 14}', sha256=hashlib.sha256(content).hexdigest())
    assert begun.status_code == 202, begun.text
    job = begun.json
    assert (job["state"], job["received_bytes"], job["rows_total"]) == ("received", len(content), None)
    assert deliver(town, content, control='{"rows": 14}').json["id"] == job["id"], "it is under way"
    work(town)
    done = town.get("partner", f"/v1/imports/{job['id']}").json
    assert (done["state"], done["rows_total"], done["problem"]) == ("done", 14, None)
    told = done["counts"]
    assert (told["rows"], told["credited"], told["rejected"], told["duplicate"]) == (14, 12, 2, 0)
    assert [one["id"] for one in town.get("operator", "/v1/imports").json["items"]] == [job["id"]]

    address = f"/v1/imports/{job['id']}/rejects"
    first = town.get("partner", f"{address}?limit=1", headers={"Accept-Language": "zh"}).json
    second = town.get("partner", f"{address}?limit=1&cursor={first['next_cursor']}").json
    assert [(one["line"], one["reason"]) for one in first["items"] + second["items"]] == [
        (14, "unlinked"),
        (15, "card-missing"),
    ]
    assert first["items"][0]["detail"] != second["items"][0]["detail"]
    assert second["next_cursor"] is None
    listed = list(csv.DictReader(town.get("partner", f"{address}.csv").text.splitlines()))
    assert [(row["line"], row["status"]) for row in listed] == [("14", "rejected"), ("15", "rejected")]
    assert all(row["zh"] and row["en"] for row in listed)

    again = deliver(town, content)
    work(town)
    found = town.get("partner", f"/v1/imports/{again.json['id']}").json
    assert again.json["id"] != job["id"]
    assert (found["state"], found["counts"]["credited"], found["counts"]["duplicate"]) == ("done", 0, 12)
    assert findings(town.database) == []


@pytest.mark.parametrize("size", [65_536, 131_072, 400_000])
def test_a_file_of_some_size_is_taken_whole(town: Town, size: int) -> None:
    content = random.Random(size).randbytes(size)
    answer = deliver(town, content)
    assert (answer.status_code, answer.json["received_bytes"]) == (202, size)


def announce(town: Town, content: bytes, **more: Any) -> TestResponse:
    told = {
        "adapter": "generic-ride",
        "file_name": "rides.csv.gz",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return town.post("partner", "/v1/imports", {**told, **more})


def put(town: Town, job: str, first_byte: int, body: bytes, who: str = "partner") -> TestResponse:
    address = f"/v1/imports/{job}/parts/{first_byte}"
    return town.call(who, "PUT", address, data=body, content_type="application/octet-stream")


def test_a_file_in_parts_goes_on_where_it_stopped(any_town: Town, tmp_path: Path) -> None:
    town = any_town
    content = file_of(tmp_path, town)
    job = announce(town, content).json["id"]
    third = len(content) // 3
    assert put(town, job, 0, content[:third]).json["received_bytes"] == third
    # The answer was lost, and the part is sent again; then a part is left out; then other bytes come.
    assert put(town, job, 0, content[:third]).json["received_bytes"] == third
    gap = put(town, job, 2 * third, content[2 * third :])
    assert (gap.status_code, gap.json["code"]) == (409, "import-part-misplaced")
    assert gap.json["details"] == {"first_byte": 2 * third, "received_bytes": third}
    other = put(town, job, 0, bytes(third))
    assert (other.status_code, other.json["code"]) == (409, "import-part-differs")
    assert put(town, job, third, b"").json["code"] == "import-part-empty"
    assert put(town, job, third, content[third:] + b"more").json["code"] == "import-part-beyond-end"
    work(town)
    assert town.get("partner", f"/v1/imports/{job}").json["state"] == "receiving"
    resumed = announce(town, content).json
    assert (resumed["id"], resumed["received_bytes"]) == (job, third)
    assert put(town, job, third, content[third:]).json["state"] == "received"
    late = put(town, job, len(content), b"more")
    assert (late.status_code, late.json["code"]) == (409, "import-state-wrong")
    work(town)
    assert town.get("partner", f"/v1/imports/{job}").json["counts"]["credited"] == 12
    with unit_of_work(town.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_upload")) == 0
    assert put(town, job, 0, content[:third]).status_code == 200, "known, and gone"


def test_what_is_wrong_with_a_file_refuses_all_of_it(any_town: Town, tmp_path: Path) -> None:
    town = any_town
    content = file_of(tmp_path, town)
    wrong = {
        "import-file-truncated": deliver(town, content[:-9]),
        "import-totals-differ": deliver(town, content, control="rows=13"),
        "import-columns-missing": deliver(town, b"a,b\n1,2\n"),
        "import-digest-differs": announce(town, content[:50], sha256="0" * 64),
    }
    put(town, wrong["import-digest-differs"].json["id"], 0, content[:50])
    work(town)
    for code, begun in wrong.items():
        known = town.get("partner", f"/v1/imports/{begun.json['id']}", headers={"Accept-Language": "zh"}).json
        assert (known["state"], known["problem"]["code"]) == ("refused", code)
        assert "未" in known["problem"]["detail"]
    with unit_of_work(town.database, read_only=True) as session:
        for table in ("event_claim", "import_chunk", "import_upload", "import_reject"):
            assert session.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0, table
    begun = deliver(town, content, control="rows=12")
    work(town)
    assert town.get("partner", f"/v1/imports/{begun.json['id']}").json["state"] == "done"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"adapter": "nonsense"}, "import-adapter-unknown"),
        ({"adapter": "../../etc/passwd"}, "fields-invalid"),
        ({"adapter": "shenzhen-card"}, "import-adapter-needs"),  # no network was loaded yet
        ({"control": "rows=many"}, "import-control-unreadable"),
        ({"sha256": "0" * 64}, "import-digest-differs"),
        ({"file": (io.BytesIO(b""), "empty.csv")}, "import-part-empty"),
        ({"file": "no file"}, "import-upload-malformed"),
        ({"replaces": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"}, "import-not-found"),
        ({"nonsense": "1"}, "fields-invalid"),
    ],
)
def test_a_delivery_that_is_refused_at_once(town: Town, tmp_path: Path, told: Any, code: str) -> None:
    answer = deliver(town, file_of(tmp_path, town), **told)
    assert answer.json["code"] == code, answer.text
    assert answer.status_code in (404, 422)
    assert town.get("partner", "/v1/imports").json["items"] == []


def test_an_import_is_its_partners_own(town: Town, tmp_path: Path) -> None:
    job = deliver(town, file_of(tmp_path, town)).json["id"]
    address = f"/v1/imports/{job}"
    for who in ("partner 2", "away partner", "away operator"):
        for tail in ("", "/rejects", "/rejects.csv"):
            assert town.get(who, address + tail).status_code == 404
        assert town.get(who, "/v1/imports").json["items"] == []
    for who in ("partner 2", "away partner"):
        assert put(town, job, 0, b"x", who).status_code == 404
        assert town.post(who, f"{address}/cancellation").status_code == 404
    # Another partner's file of the same bytes is a job of its own.
    assert deliver(town, file_of(tmp_path, town), "partner 2").json["id"] != job
    assert town.get("operator", address).status_code == 200


def test_a_cancelled_import_is_at_its_end(town: Town, tmp_path: Path) -> None:
    content = file_of(tmp_path, town)
    job = deliver(town, content).json["id"]
    assert town.post("partner", f"/v1/imports/{job}/cancellation").json["state"] == "cancelled"
    again = town.post("partner", f"/v1/imports/{job}/cancellation")
    assert (again.status_code, again.json["code"]) == (409, "import-state-wrong")
    work(town)
    assert town.get("partner", f"/v1/imports/{job}").json["counts"]["rows"] == 0
    assert deliver(town, content).json["id"] != job


def test_a_file_that_replaces_another(any_town: Town, tmp_path: Path) -> None:
    town = any_town
    first = deliver(town, file_of(tmp_path, town)).json["id"]
    waiting = deliver(town, file_of(tmp_path, town, 8), replaces=first)
    assert (waiting.status_code, waiting.json["code"]) == (409, "import-replaced-not-done")
    work(town)
    second = deliver(town, file_of(tmp_path, town, 8), replaces=first).json["id"]
    work(town)
    done = town.get("partner", f"/v1/imports/{second}").json
    assert (done["state"], done["counts"]["duplicate"], done["withdrawn"]) == ("done", 8, 4)
    assert town.get("partner", f"/v1/imports/{first}").json["replaced_by"] == second
    third = deliver(town, file_of(tmp_path, town, 9), replaces=first)
    assert (third.status_code, third.json["code"]) == (409, "import-already-replaced")
    assert findings(town.database) == []
