"""`quantify`: the engine offline, the same answers as online, in flat memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "from carbon_credit.cli.main import main; main()", "quantify"]


def event(number: int, **more: Any) -> dict[str, Any]:
    one = {
        "id": f"M-{number}",
        "type": "metro.ride",
        "occurred_at": "2026-11-20T08:03:11+08:00",
        "citizen": {"link": {"kind": "transit-card", "value": f"card-{number % 7}"}},
        "data": {"distance_m": 8300, "distance_source": "gates"},
    }
    return one | more


def quantify(lines: list[str], programme: str = "gd-sz") -> list[dict[str, Any]]:
    ran = subprocess.run(
        [*PROGRAM, "--programme", programme, "-"], input="\n".join(lines), cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_every_line_has_one_answer_in_order() -> None:
    wrong_day = event(5, occurred_at="2021-12-16T23:59:59+08:00")
    lines = [
        json.dumps(event(1)),
        "",
        "{not json",
        json.dumps(event(2, data={"distance_m": 8300.5})),
        json.dumps(event(3, type="rocket.ride")),
        json.dumps(event(4, data={})),
        json.dumps(wrong_day),
        json.dumps(event(6, type="bus.ride")),
        json.dumps(["no object"]),
    ]
    answers = quantify(lines)
    assert [one["id"] for one in answers] == ["M-1", None, "M-2", "M-3", "M-4", "M-5", "M-6", None]
    assert [one.get("co2e_mg", one.get("refused")) for one in answers] == [
        388440, "event-invalid", "event-invalid", "event-invalid", "input-missing", "no-methodology", 223270,
        "event-invalid",
    ]  # fmt: skip
    assert answers[0]["methodology"] == "sz-public-transit/v1"
    assert answers[0]["grade"] == "published"
    assert all(one.get("detail") for one in answers if "refused" in one)


def test_the_days_before_are_read_from_the_file() -> None:
    def reading(day: int, energy_wh: int) -> str:
        return json.dumps(
            event(
                day,
                type="electricity.period",
                occurred_at=f"2026-11-{day:02}T00:00:00+08:00",
                citizen={"link": {"kind": "electricity-meter", "value": "meter-1"}},
                data={"energy_wh": energy_wh, "persons": 1, "reading_source": "meter"},
            )
        )

    # Above the baseline, so only the own moving average can credit, from the eighth day on.
    answers = quantify([reading(day, 20_000) for day in range(1, 8)] + [reading(8, 15_000)], "x-gd-szel")
    assert [one["co2e_mg"] for one in answers[:7]] == [0] * 7
    # Mean of seven days 20 kWh, less 15 kWh, times the stand-in of 0.3125 kg/kWh.
    assert answers[7]["co2e_mg"] == 1_562_500
    late = quantify([reading(8, 15_000), reading(7, 20_000)], "x-gd-szel")
    assert late[1]["refused"] == "out-of-order"


@pytest.mark.long
def test_memory_is_flat(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        file = tmp_path / f"{rows}.ndjson"
        with file.open("w", encoding="utf-8") as out:
            for number in range(rows):
                out.write(json.dumps(event(number)) + "\n")
        code = (
            "import resource, sys; from carbon_credit.cli.quantifying import quantify;"
            f"quantify.main(['--programme', 'gd-sz', {str(file)!r}], standalone_mode=False);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, timeout=120, check=True,
        )  # fmt: skip
        return int(ran.stderr.split()[-1])

    assert peak(200_000) < 1.1 * peak(10_000)
