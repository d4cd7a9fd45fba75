"""The committed contract is what the application serves, whole, and true to its own examples."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from flask import Flask
from jsonschema_rs import validator_for

from carbon_credit.api import ROUTES, spec
from carbon_credit.api.body import FORM, JSON
from carbon_credit.api.examples import example
from carbon_credit.api.operation import Operation
from carbon_credit.kernel.settings import HOME
from tests.api.conftest import Town

COMMITTED = Path(HOME) / "openapi.yaml"


@pytest.fixture(scope="session")
def app(town_template: Town) -> Flask:
    return town_template.app


@pytest.fixture(scope="session")
def contract(app: Flask) -> dict[str, Any]:
    return spec.contract(app)


def operations(contract: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (address, method, operation)
        for address, path in contract["paths"].items()
        for method, operation in path.items()
    ]


def test_the_committed_file_is_the_generated_one(app: Flask) -> None:
    written = spec.as_yaml(app)
    committed = COMMITTED.read_text(encoding="utf-8") if COMMITTED.exists() else ""
    assert written == committed, "openapi.yaml is not what carbon_credit/api says. Run: make openapi"


def test_it_is_written_the_same_each_time(app: Flask) -> None:
    assert spec.as_yaml(app) == spec.as_yaml(app)


def test_what_is_served_is_what_is_committed(town: Town) -> None:
    assert town.get(None, "/openapi.json").json == yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))


def test_every_route_is_in_it(app: Flask, contract: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<[^>]*?([a-z_]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(address, method) for address, method, _ in operations(contract)}
    assert len(served) == len(ROUTES)
    assert all(isinstance(view, Operation) for view in app.view_functions.values())


def test_every_operation_is_told_whole(contract: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(contract)]
    assert len(set(names)) == len(names)
    known = {tag["name"] for tag in contract["tags"]}
    for address, method, operation in operations(contract):
        assert operation["summary"].endswith("."), operation["operationId"]
        assert set(operation["tags"]) <= known
        public = address.startswith(
            ("/v1/public/", "/.well-known/", "/docs", "/till", "/openapi", "/healthz", "/readyz")
        )
        assert (operation["security"] == []) == (public or address == "/v1/oauth/token"), (method, address)


def test_every_error_code_is_in_it(contract: dict[str, Any]) -> None:
    listed = contract["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert listed == sorted(set(listed))
    named = {
        code
        for _, _, operation in operations(contract)
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in re.findall(r"`([a-z0-9-]+)`", answer["description"])
    }
    assert named <= set(listed)


def resolved(contract: dict[str, Any], schema: dict[str, Any]) -> Any:
    # In 3.1 a schema object is JSON Schema 2020-12; references go to the document's components.
    return validator_for({**schema, "components": contract["components"]}, validate_formats=True)


def test_examples_are_valid(contract: dict[str, Any]) -> None:
    checked = 0
    for address, method, operation in operations(contract):
        bodies = [("request", operation.get("requestBody", {}).get("content", {}))]
        bodies += [(status, answer.get("content", {})) for status, answer in operation["responses"].items()]
        for where, content in bodies:
            for media_type, body in content.items():
                named = body.get("examples", {})
                examples = [one["value"] for one in named.values()] + (
                    [body["example"]] if "example" in body else []
                )
                if media_type in (JSON, FORM) and (where == "request" or where < "300"):
                    has_schema = body["schema"] != {"type": "object"}
                    assert examples or not has_schema, f"{method} {address}: no example of the {where}"
                for shown in examples:
                    errors = list(resolved(contract, body["schema"]).iter_errors(shown))
                    assert not errors, (method, address, where, errors[0].message)
                    checked += 1
    assert checked > 80


def test_request_examples_are_accepted_by_the_schemas() -> None:
    for _, _, operation in ROUTES:
        if operation.body is not None:
            operation.body.load(example(operation.body))


def test_no_number_but_integers_anywhere(contract: dict[str, Any]) -> None:
    # What cannot be written in the contract cannot be sent: no amount is a float.
    def types(node: Any) -> Any:
        if isinstance(node, dict):
            kind = node.get("type")
            yield from [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
            for inner in node.values():
                yield from types(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from types(inner)

    assert "number" not in set(types(contract))
    assert b'"number"' not in orjson.dumps(contract)
