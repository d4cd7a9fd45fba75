"""The JSON Schema says what the reader says: library files fit both, spoiled files fit neither."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from carbon_credit.methodology.cases import Cases
from carbon_credit.methodology.definition import FactorSet, Methodology, Overlay
from carbon_credit.methodology.document import Document, convert, read_document
from carbon_credit.methodology.errors import DataError
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.methodology.schema import FILES, schema_of, schema_text

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "methodologies"
VALIDATORS = {name: Draft202012Validator(schema_of(name)) for name in FILES}
FOUND = {
    "methodology.schema.json": sorted(LIBRARY.glob("*/v*/methodology.yaml")),
    "overlay.schema.json": sorted(LIBRARY.glob("*/v*/overlay.yaml")),
    "cases.schema.json": sorted(LIBRARY.glob("*/v*/cases.yaml")),
    "factor-set.schema.json": sorted(LIBRARY.glob("factors/*.yaml")),
}
KINDS = {
    "methodology.schema.json": Methodology,
    "overlay.schema.json": Overlay,
    "cases.schema.json": Cases,
    "factor-set.schema.json": FactorSet,
}


def plain(path: Path) -> Any:
    return read_document(path.read_bytes(), path.name).value


@pytest.mark.parametrize("name", FILES)
def test_the_committed_schema_is_up_to_date(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))
    committed = (ROOT / "docs" / "schema" / name).read_text(encoding="utf-8")
    assert committed == schema_text(name), "run: carbon-credit methodology schema --write"


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_library_fits(name: str) -> None:
    assert FOUND[name], "there is one of each kind"
    for path in FOUND[name]:
        problems = [error.message for error in VALIDATORS[name].iter_errors(plain(path))]
        assert problems == [], path


def test_numbers_may_stand_as_editors_read_them() -> None:
    # A YAML editor takes 46.8 and 1 for numbers; our reader takes them for text. Both fit.
    value = plain(LIBRARY / "sz-public-transit" / "v1" / "methodology.yaml")
    value["version"] = 1
    value["parameters"][0]["values"][0]["value"] = 26.9
    assert VALIDATORS["methodology.schema.json"].is_valid(value)


def _at(value: Any, *path: str | int) -> Any:
    for step in path:
        value = value[step]
    return value


# (file kind, path of a mapping, key, what is put there; ... takes the key out)
SPOILED = [
    ("methodology.schema.json", (), "colour", "red"),
    ("methodology.schema.json", (), "region", ...),
    ("methodology.schema.json", (), "region", ["深圳"]),
    ("methodology.schema.json", (), "version", "one"),
    ("methodology.schema.json", (), "version", "0.5"),
    ("methodology.schema.json", (), "effective_from", "17 December"),
    ("methodology.schema.json", (), "negative", "perhaps"),
    ("methodology.schema.json", (), "steps", []),
    ("methodology.schema.json", (), "prose", ...),
    ("methodology.schema.json", (), "title", "Shenzhen"),
    ("methodology.schema.json", (), "number", "M2"),
    ("methodology.schema.json", (), "format", "3"),
    ("methodology.schema.json", (), "format", "2"),
    ("methodology.schema.json", ("title",), "en", ...),
    ("methodology.schema.json", ("inputs", 1), "untis", "pm"),
    ("methodology.schema.json", ("inputs", 1), "kind", "guess"),
    ("methodology.schema.json", ("parameters", 0), "unit", ...),
    ("methodology.schema.json", ("parameters", 0, "values", 0), "value", "26,9"),
    ("methodology.schema.json", ("parameters", 0, "values", 0), "value", ["26.9"]),
    ("methodology.schema.json", ("parameters", 0, "values", 0), "grade", "good"),
    ("methodology.schema.json", ("steps", 0), "name", "a name"),
    ("cases.schema.json", (), "case", "x"),
    ("cases.schema.json", ("cases", 0), "on", ...),
    ("cases.schema.json", ("cases", 0), "expect_mg", "much"),
    ("cases.schema.json", ("cases", 0), "inputs", ["distance_m"]),
    ("overlay.schema.json", (), "values", []),
    ("overlay.schema.json", ("values", 0), "note", ...),
    ("overlay.schema.json", ("values", 0), "value", None),
    ("factor-set.schema.json", (), "unit", ...),
    ("factor-set.schema.json", ("editions", 0), "data_year", "1066x"),
    ("factor-set.schema.json", ("editions", 0, "values"), "全国", "half"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "key", "put"), SPOILED)
def test_a_spoiled_file_fits_neither(name: str, path: tuple[str | int, ...], key: str, put: Any) -> None:
    source = (
        LIBRARY / "sz-public-transit" / "v1" / "methodology.yaml"
        if name == "methodology.schema.json"
        else FOUND[name][0]
    )
    value = deepcopy(plain(source))
    if put is ...:
        del _at(value, *path)[key]
    else:
        _at(value, *path)[key] = put
    assert not VALIDATORS[name].is_valid(value)
    # JSON is YAML; the reader keeps its lines, and says what is wrong.
    text = json.dumps(value, ensure_ascii=False, indent=1)
    with pytest.raises(DataError) as caught:
        _read(name, text.encode())
    assert isinstance(caught.value.details["line"], int)
    assert caught.value.details["line"] >= 1


def _read(name: str, data: bytes) -> Any:
    document: Document = read_document(data, "spoiled.yaml")
    # What a format allows is the loader's own check.
    return (
        package_from_files({"methodology.yaml": data})
        if name == "methodology.schema.json"
        else convert(document, KINDS[name])
    )
