"""What comes beside a file: a mapping, riders, stations; and a file that an operator delivers."""

import base64
import csv
import gzip
import hashlib
import io
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.imports.adapters import load_mapping
from carbon_credit.imports.jobs import staging
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.api.conftest import HOME, Town
from tests.api.test_imports import announce, put, work
from tests.cli.conftest import Run, embedded, run, var
from tests.cli.test_adapters import block
from tests.conftest import missing
from tests.flows.conftest import findings

__all__ = ["embedded", "run", "var"]  # fixtures of the command line

STATIONS = b"station_id,latitude,longitude\n72,40.76727216,-73.99392888\n79,40.71911552,-74.00666661\n"


def deliver(town: Town, content: bytes, who: str = "partner", **more: Any) -> TestResponse:
    """`content` with parts beside it: bytes as files, text as fields."""
    parts = {
        name: (io.BytesIO(part), f"{name}.txt") if isinstance(part, bytes) else part
        for name, part in more.items()
    }
    data = {"file": (io.BytesIO(content), "rows.csv"), **parts}
    return town.call(who, "POST", "/v1/imports", data=data, content_type="multipart/form-data")


def done(town: Town, begun: TestResponse) -> Any:
    """The job at its end."""
    assert begun.status_code == 202, begun.text
    work(town)
    return town.get("operator", f"/v1/imports/{begun.json['id']}").json


def buses(town: Town) -> bytes:
    """The guide's file, with rides of yesterday by the town's citizens."""
    day = f"{town.now - timedelta(days=1):%Y/%m/%d}"
    rows = [f"A{place};CARD-{place % 2};{day} {6 + place}:05;4.25;正常" for place in range(4)]
    rows += [f"A9;CARD-0;{day} 8:09;3.1;退款"]
    return "\n".join(["公交刷卡日报;;;;", "流水号;卡号;上车时间;里程(公里);状态", *rows, ""]).encode()


@pytest.mark.parametrize("as_file", [True, False])
def test_a_mapping_of_ones_own(any_town: Town, as_file: bool) -> None:
    town = any_town
    mapping = block("yaml")
    begun = deliver(
        town,
        buses(town),
        mapping=mapping.encode() if as_file else mapping,
        control='{"sums": {"km": "20.1"}}',
    )
    assert begun.json["adapter"] == "bus-daily"
    assert begun.json["mapping"] == hashlib.sha256(mapping.encode()).hexdigest()
    found = done(town, begun)
    assert (found["state"], found["counts"]["credited"], found["counts"]["rejected"]) == ("done", 4, 1)
    with unit_of_work(town.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_enclosure")) == 0
    assert findings(town.database) == []


def test_every_mistake_of_a_mapping_is_told_at_once(town: Town) -> None:
    wrong = block("yaml").replace("unit: km", "unit: parsec").replace("type: bus.ride", "type: boat.ride")
    told = [
        town.call(
            "partner",
            "POST",
            "/v1/imports",
            data={"file": (io.BytesIO(buses(town)), "rows.csv"), "mapping": wrong},
            content_type="multipart/form-data",
            headers={"Accept-Language": language},
        )
        for language in ("en", "zh")
    ]
    for answer in told:
        assert (answer.status_code, answer.json["code"]) == (422, "import-mapping-unsound")
        assert [(one["line"], one["key"]) for one in answer.json["errors"]] == [
            (13, "boat.ride"),
            (18, "data.distance_m.unit"),
        ]
    assert "boat.ride is not defined" in told[0].json["errors"][0]["detail"]
    assert "未定义" in told[1].json["errors"][0]["detail"]
    broken = deliver(town, buses(town), mapping="name: [")
    assert broken.json["code"] == "import-mapping-unsound"
    assert "not valid YAML" in broken.json["errors"][0]["detail"]
    assert town.get("partner", "/v1/imports").json["items"] == []


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({}, "fields-invalid"),
        ({"adapter": "generic-ride", "mapping": "name: x"}, "fields-invalid"),
        ({"mapping": b""}, "fields-invalid"),
        ({"mapping": b"#" * 131_073}, "fields-invalid"),
        ({"adapter": "generic-ride", "nonsense": b"x"}, "fields-invalid"),
        ({"adapter": "openapi.yaml"}, "import-adapter-unknown"),  # no file of the server's
        ({"adapter": "generic-ride", "riders": b"trip,citizen\n"}, "import-adapter-takes-no"),
        ({"adapter": "generic-ride", "stations": STATIONS}, "import-adapter-takes-no"),
        ({"adapter": "citibike", "riders": b"line,citizen\n2,A\n"}, "import-adapter-needs"),
        ({"adapter": "citibike", "stations": b"station_id\n"}, "import-stations-unreadable"),
    ],
)
def test_what_is_refused_at_once(town: Town, parts: dict[str, Any], code: str) -> None:
    answer = deliver(town, b"a,b\n1,2\n", **parts)
    assert (answer.status_code, answer.json["code"]) == (422, code), answer.text
    assert town.get("partner", "/v1/imports").json["items"] == []


def enrol_riders(town: Town, names: Sequence[str]) -> None:
    """Citizens with a bike account, as `--enrol-unlinked` makes them."""
    with unit_of_work(town.database) as session:
        enrol_people(
            session,
            programme=HOME,
            partners=[town.parties["partner"]],
            links_of=[[("bike-account", name)] for name in names],
            scenes=[scene.code for scene in programme_rules(session, programme=HOME).profile.scenes],
            tier="assumed",
            without_mandate=0,
            given_at=town.now.replace(year=2000),
            now=town.now,
        )


def trip(town: Town) -> bytes:
    at = f"{town.now - timedelta(days=1):%Y-%m-%d} 08:00:14"
    return f"start_ts,duration,start_station,end_station\n{at},1800,72,79\n{at},1801,79,72\n".encode()


def test_riders_and_stations_of_a_file_in_parts(any_town: Town) -> None:
    town = any_town
    enrol_riders(town, ["RIDER-1"])
    content, riders = trip(town), gzip.compress(b"line,citizen\n2,RIDER-1\n", mtime=0)
    beside = {
        name: base64.b64encode(part).decode() for name, part in (("riders", riders), ("stations", STATIONS))
    }
    begun = announce(town, content, adapter="citibike", **beside)
    assert begun.status_code == 202, begun.text
    other = announce(town, content, adapter="citibike", stations=beside["stations"])
    assert (other.status_code, other.json["code"]) == (409, "import-differs")
    put(town, begun.json["id"], 0, content[:40])
    assert announce(town, content, adapter="citibike", **beside).json["received_bytes"] == 40
    put(town, begun.json["id"], 40, content[40:])
    found = done(town, begun)
    assert (found["counts"]["credited"], found["counts"]["rejected"]) == (1, 1), found
    listed = town.get("partner", f"/v1/imports/{found['id']}/rejects").json["items"]
    assert [(one["line"], one["reason"]) for one in listed] == [(3, "no-citizen")]
    with unit_of_work(town.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_enclosure")) == 0
    assert announce(town, content, adapter="citibike", riders="no base64!").json["code"] == "fields-invalid"


def test_what_was_beside_it_outlives_whoever_died_reading(any_town: Town) -> None:
    town = any_town
    enrol_riders(town, ["RIDER-1"])
    riders = b"line,citizen\n2,RIDER-1\n"
    begun = deliver(town, trip(town), adapter="citibike", riders=riders, stations=STATIONS)
    with unit_of_work(town.database) as session:
        long_ago = town.now - timedelta(hours=1)
        assert staging.begin(session, job_id=UUID(begun.json["id"]), holder="elsewhere:1", now=long_ago), (
            "its lease has lapsed since"
        )
    assert done(town, begun)["counts"]["credited"] == 1


def test_a_list_of_riders_that_cannot_be_read_refuses_the_file(town: Town) -> None:
    found = done(
        town, deliver(town, trip(town), adapter="citibike", riders=b"line,citizen\nx,A\n", stations=STATIONS)
    )
    assert (found["state"], found["problem"]["code"]) == ("refused", "import-riders-unreadable")
    cancelled = deliver(
        town, trip(town), adapter="citibike", riders=b"line,citizen\n2,A\n", stations=STATIONS
    ).json["id"]
    town.post("partner", f"/v1/imports/{cancelled}/cancellation")
    with unit_of_work(town.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_enclosure")) == 0


def test_an_operator_delivers_for_a_partner(any_town: Town) -> None:
    town = any_town
    partner_id = str(town.parties["partner"])
    begun = deliver(town, buses(town), "operator", mapping=block("yaml"), partner_id=partner_id)
    assert (begun.json["partner_id"], begun.json["created_by"]) == (
        partner_id,
        f"operator:{town.parties['operator']}",
    )
    # The partner finds it, and the same file is not another job for either of them.
    assert [one["id"] for one in town.get("partner", "/v1/imports").json["items"]] == [begun.json["id"]]
    assert deliver(town, buses(town), mapping=block("yaml")).json["id"] == begun.json["id"]
    assert town.get("partner 2", f"/v1/imports/{begun.json['id']}").status_code == 404
    assert done(town, begun)["counts"]["credited"] == 4
    second = deliver(town, buses(town), "operator", mapping=block("yaml"), partner_id=partner_id).json["id"]
    assert town.post("operator", f"/v1/imports/{second}/cancellation").json["state"] == "cancelled"


def test_in_parts_by_an_operator(town: Town) -> None:
    content = buses(town)
    told = {
        "mapping": block("yaml"),
        "file_name": "rows.csv",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "partner_id": str(town.parties["partner"]),
    }
    begun = town.post("operator", "/v1/imports", told)
    assert put(town, begun.json["id"], 0, content, "operator").json["state"] == "received"
    assert done(town, begun)["counts"]["credited"] == 4


@pytest.mark.parametrize(
    ("who", "whose", "status", "code"),
    [
        ("operator", None, 422, "fields-invalid"),
        ("operator", "merchant", 404, "party-not-found"),
        ("operator", "away partner", 404, "party-not-found"),
        ("partner", "partner 2", 403, "import-partner-not-yours"),
        ("partner", "partner", 202, None),
        ("merchant", "partner", 403, "role-forbidden"),
    ],
)
def test_whose_file_it_may_be(town: Town, who: str, whose: str | None, status: int, code: str | None) -> None:
    named = {} if whose is None else {"partner_id": str(town.parties[whose])}
    answer = deliver(town, buses(town), who, mapping=block("yaml"), **named)
    assert (answer.status_code, answer.json.get("code")) == (status, code)


ROWS = 3_000


@pytest.mark.skipif(
    "REAL_DATA_DIR" not in os.environ, reason="REAL_DATA_DIR is not set: no real trips to read"
)
def test_real_trips_over_the_api_are_what_the_command_line_makes_of_them(
    any_town: Town, run: Run, tmp_path: Path
) -> None:
    folder = Path(os.environ["REAL_DATA_DIR"])
    if not folder.is_dir():
        missing("REAL_DATA_DIR is no folder")
    town, stations = any_town, folder / "bike-stations.csv"
    with gzip.open(folder / "bike-trips-2017-04-18.csv.gz") as file:
        content = b"".join(line for _, line in zip(range(ROWS + 1), file, strict=False))
    ridden = [(line, f"RIDER-{line % 100}") for line in range(2, ROWS + 2, 3)]
    riders = "line,citizen\n" + "".join(f"{line},{name}\n" for line, name in ridden)
    enrol_riders(town, sorted({name for _, name in ridden}))
    found = done(
        town,
        deliver(town, content, adapter="citibike", riders=riders.encode(), stations=stations.read_bytes()),
    )
    (tmp_path / "trips.csv").write_bytes(content)
    (tmp_path / "riders.csv").write_text(riders)
    rejects = tmp_path / "rejects.csv"
    arguments = ["--programme", HOME, "--partner", "bikes", "--adapter", "citibike", "--enrol-unlinked"]
    arguments += ["--riders", str(tmp_path / "riders.csv"), "--stations", str(stations), "--json"]
    told = run("import", *arguments, "--rejects", str(rejects), str(tmp_path / "trips.csv")).json
    assert found["state"] == told["state"] == "done"
    assert found["counts"] == {name: told[name] for name in found["counts"]}
    assert found["counts"]["rows"] == ROWS
    assert found["counts"]["credited"] > 900
    listed = town.get("partner", f"/v1/imports/{found['id']}/rejects.csv").text
    assert list(csv.DictReader(listed.splitlines())) == list(csv.DictReader(rejects.read_text().splitlines()))
    assert load_mapping("citibike").digest == found["mapping"]
    assert findings(town.database) == []
