"""Clients that others would generate from openapi.yaml: made, type-checked, and posting an event for real."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.clients.conftest import Live
from tests.conftest import missing

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
CONTRACT = HERE.parents[1] / "openapi.yaml"
# What these generators do not read; everything else must be read without a warning.
NOT_JSON = {
    *("application/x-ndjson", "application/zip", "application/x-pem-file"),
    *("text/csv", "application/pdf", "image/png", "image/svg+xml"),
}

POST_WITH_PYTHON = """
import datetime, os, sys
sys.path.insert(0, os.environ["CLIENT"])
from carbon_credit_client import AuthenticatedClient
from carbon_credit_client.api.partners import issue_token, post_event
from carbon_credit_client.models import (
    EventCitizen, EventIn, EventInData, EventLink, Problem, TokenRequest, TokenRequestGrantType,
)

client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token="none yet")
granted = issue_token.sync(client=client, body=TokenRequest(
    grant_type=TokenRequestGrantType.CLIENT_CREDENTIALS,
    client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"],
))
client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=granted.access_token)
event = EventIn(
    id="PY-1", type_="metro.ride", occurred_at=datetime.datetime.fromisoformat(os.environ["OCCURRED_AT"]),
    citizen=EventCitizen(link=EventLink(kind="transit-card", value="CARD-0")),
    data=EventInData.from_dict({"distance_m": 8300}),
)
outcome = post_event.sync(client=client, body=event)
assert not isinstance(outcome, Problem), outcome
wrong = EventIn.from_dict({**event.to_dict(), "id": "PY-2", "data": {"distance_m": -1}})
problem = post_event.sync(client=client, body=wrong)
assert isinstance(problem, Problem) and problem.code == "event-invalid", problem
print(outcome.status, outcome.co2e_mg)
"""


def run(*command: str, cwd: Path, **environ: str) -> str:
    """Standard output of the command. Fails with all that it said."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": tools, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr if "openapi-python-client" in command[0] else done.stdout


def test_a_python_client(live: Live, tmp_path: Path) -> None:
    target = tmp_path / "client"
    generator = str(Path(sys.executable).parent / "openapi-python-client")
    said = run(generator, "generate", "--path", str(CONTRACT), "--output-path", str(target), cwd=tmp_path)
    warnings = re.findall(r"^WARNING .*$", said, re.MULTILINE)
    reasons = re.findall(r"[Uu]nsupported content[_ ]type ([a-z0-9./+-]+)", said)
    assert set(reasons) == NOT_JSON, said
    assert len(warnings) == len(reasons), said
    client_id, secret = live.town.clients["partner"]
    printed = run(
        sys.executable,
        "-W",
        "error",
        "-c",
        POST_WITH_PYTHON,
        cwd=tmp_path,
        CLIENT=str(target),
        BASE_URL=live.address,
        CLIENT_ID=client_id,
        CLIENT_SECRET=secret,
        OCCURRED_AT=(live.town.now - timedelta(days=1)).isoformat(),
    )
    assert printed.split() == ["credited", "388440"]


def test_a_typescript_client(live: Live, tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("no node and npm for the TypeScript client")
    folder = tmp_path / "tests" / "clients" / "typescript"
    shutil.copytree(HERE / "typescript", folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    shutil.copyfile(CONTRACT, tmp_path / "openapi.yaml")
    run("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
    run("npm", "run", "generate", cwd=folder)
    run("npm", "run", "compile", cwd=folder)
    printed = run(
        "node",
        "build/post_event.js",
        cwd=folder,
        BASE_URL=live.address,
        TOKEN=live.town.tokens["partner"],
        OCCURRED_AT=(live.town.now - timedelta(days=1)).isoformat(),
    )
    assert json.loads(printed) == {"status": "credited", "co2e_mg": 388440}
