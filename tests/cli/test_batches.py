"""From a closed month to serial numbers at the command line, by an operator and a verifier who are two."""

from pathlib import Path
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import private_key, public_pem
from tests.cli.conftest import Run
from tests.flows.test_a_month_becomes_a_batch import RIDE_MG, a_month_of_rides

PROGRAMME = ("--programme", "x-gd-sz")
PERIOD = ("--project", "metro", "--from", "2026-10-01", "--to", "2026-11-01")


@pytest.fixture
def acting(run: Run, embedded: Database) -> dict[str, str]:
    """Credentials by role, in a programme with a closed month of 1.1 tonnes."""
    a_month_of_rides(embedded, "x-gd-sz")
    found = {}
    for role in ("operator", "verifier"):
        told = run("party", "add", *PROGRAMME, "--role", role, "--name", role, "--json").json
        found[role] = f"{told['client_id']}:{told['client_secret']}"
    return found


def project(run: Run, **more: Any) -> Any:
    return run(
        *("batch", "project", *PROGRAMME, "--code", "metro", "--name-zh", "深圳地铁", "--name-en", "Metro"),
        *("--owner", "业主", "--applicant", "运营方", "--methodology", "sz-public-transit"),
        *("--activity", "metro.ride", "--from", "2022-01-01", "--to", "2030-01-01", "--json"),
        **more,
    )


def test_from_a_closed_month_to_serial_numbers(
    run: Run, acting: dict[str, str], tmp_path: Path, var: Path
) -> None:
    operator, verifier = {"CARBON_CREDIT_AS": acting["operator"]}, {"CARBON_CREDIT_AS": acting["verifier"]}
    project(run).refused("--as")
    assert project(run, **operator).json["code"] == "metro"
    project(run, **operator).refused("project-exists")

    seen = run("batch", "preview", *PROGRAMME, *PERIOD, "--json").json
    assert (seen["tonnes"], seen["left_mg"]) == (1, 240 * RIDE_MG - 10**9)
    assert "1 整吨" in run("batch", "preview", *PROGRAMME, *PERIOD, "--language", "zh").err
    opened = run("batch", "open", *PROGRAMME, *PERIOD, "--json", **operator).json
    batch = opened["batch"]
    assert opened["state"] == "open"
    run("batch", "freeze", *PROGRAMME, batch, **operator).refused("batch-empty")
    run("batch", "fill", *PROGRAMME, batch, **verifier).refused("operator")
    assert run("batch", "fill", *PROGRAMME, batch, "--json", **operator).json["tonnes"] == 1
    frozen = run("batch", "freeze", *PROGRAMME, batch, "--json", **operator).json
    assert (frozen["state"], frozen["tonnes"], frozen["leaves"]) == ("frozen", 1, 216)

    verify = ("batch", "verify", *PROGRAMME, batch, "--statement", "S-1", "--json")
    run(*verify, **operator).refused("verifier")
    run("batch", "register", *PROGRAMME, batch, **operator).refused("batch-step-not-allowed")
    assert run(*verify, **verifier).json["state"] == "verified"
    assert run("batch", "apply", *PROGRAMME, batch, "--json", **operator).json["state"] == "applied"
    assert run("batch", "register", *PROGRAMME, batch, "--json", **operator).json["state"] == "registered"
    serial = "X-GD-SZ-metro-2026-000000001"
    listed = run("serials", "list", *PROGRAMME, "--json").json
    assert listed == {"serials": [{"first": serial, "last": serial, "tonnes": 1}]}
    assert serial in run("serials", "list", *PROGRAMME).err
    run("batch", "export", *PROGRAMME, batch, "--to", str(tmp_path)).refused("--as")
    check_dossiers(run, batch, tmp_path / "out", var, verifier)
    assert run("ledger", "audit", "--json").status == 0


def check_dossiers(run: Run, batch: str, out: Path, var: Path, acting: dict[str, str]) -> None:
    for edition in ("verifier", "exchange"):
        told = run("batch", "export", *PROGRAMME, batch, "--edition", edition, "--to", str(out), **acting)
        assert told.status == 0, told.err
    assert sorted(path.suffix for path in out.iterdir()) == [".zip", ".zip"]
    key = out / "key.pem"
    key.write_bytes(public_pem(private_key((var / "keys" / "dossier.pem").read_bytes()).public_key()))
    for path in out.glob("*.zip"):
        report = run("dossier", "verify", str(path), "--key", str(key), "--json")
        assert (report.status, report.json["ok"], report.json["signer"]) == (0, True, "checked")
    whole = next(out.glob("*verifier.zip"))
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 1
    whole.write_bytes(data)
    changed = run("dossier", "verify", str(whole), "--json")
    assert changed.status == 1
    assert changed.json["difference"]["file"]
    assert "首个差异" in run("dossier", "verify", str(whole), "--language", "zh").err
    run("dossier", "verify", str(whole), "--key", str(whole)).refused("public key")


def test_what_is_not_found_or_not_right_is_one_sentence(run: Run, acting: dict[str, str]) -> None:
    operator = {"CARBON_CREDIT_AS": acting["operator"]}
    nobody = "00000000-0000-4000-8000-000000000000"
    run("batch", "fill", *PROGRAMME, nobody, **operator).refused("batch-not-found")
    run("batch", "fill", *PROGRAMME, "no-uuid", **operator).refused("no-uuid")
    run("batch", "preview", *PROGRAMME, *PERIOD).refused("project-not-found")
    run("batch", "export", *PROGRAMME, nobody, **operator).refused("batch-not-found")
    run("batch", "preview", "--programme", "nowhere", *PERIOD).refused("not-found")
