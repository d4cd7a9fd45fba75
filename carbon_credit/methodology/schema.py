"""JSON Schema of the data files, made from the structs that read them: one definition, two uses.

For editors and for offices that write packages with other tools. Numbers may stand with or without quotes,
as the reader takes every scalar as text.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from carbon_credit.methodology.cases import Cases
from carbon_credit.methodology.declarations import NEW_IN_FORMAT_2
from carbon_credit.methodology.definition import FactorSet, Methodology, Overlay

FILES: Mapping[str, tuple[type[msgspec.Struct], str]] = {
    "methodology.schema.json": (Methodology, "methodology.yaml: one version of a methodology"),
    "overlay.schema.json": (Overlay, "overlay.yaml: stand-ins for values that are null, for rehearsals"),
    "cases.schema.json": (Cases, "cases.yaml: worked cases of a methodology"),
    "factor-set.schema.json": (FactorSet, "factors/<name>.yaml: published factors that methods share"),
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WHOLE = r"^-?[0-9]+$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def schema_of(name: str) -> dict[str, Any]:
    """The schema with that file name."""
    kind, title = FILES[name]
    schema: dict[str, Any] = _as_read(msgspec.json.schema(kind))
    if kind is Methodology:
        schema["$defs"]["Methodology"] |= _formats()
    return {"$schema": _DIALECT, "title": title, **schema}


def schema_text(name: str) -> str:
    """The bytes of the file, as text."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS
    return orjson.dumps(schema_of(name), option=options).decode()


def _as_read(node: Any) -> Any:
    """The schema of a struct as it holds for the plain data of a file, where scalars are text or numbers."""
    if isinstance(node, list):
        return [_as_read(part) for part in node]
    if not isinstance(node, dict):
        return node
    done = {key: _as_read(part) for key, part in node.items()}
    if isinstance(done.get("description"), str):
        done["description"] = " ".join(inspect.cleandoc(done["description"]).split())
    if done.get("type") == "integer":
        done |= {"type": ["integer", "string"], "pattern": _WHOLE}
    elif done.get("type") == "string" and done.get("format") == "date":
        done["pattern"] = _DAY
    elif done.get("type") == "string":
        done["type"] = ["string", "number"]
    if "enum" in done:
        done["enum"] = [*done["enum"], *(str(one) for one in done["enum"] if isinstance(one, int))]
    return done


def _formats() -> dict[str, Any]:
    """What formats 1 and 2 ask of each other's keys."""
    unused = {
        key: {"enum": [None]} if value is None else {"maxItems": 0} if value == () else {"enum": [value]}
        for key, value in NEW_IN_FORMAT_2.items()
    }
    return {
        "if": {"properties": {"format": {"enum": [2, "2"]}}, "required": ["format"]},
        "then": {
            "required": ["design", "changes"],
            "properties": {
                "design": {"type": "object"},
                "changes": {"minItems": 1},
                "prose": {"enum": [None]},
            },
        },
        "else": {"required": ["prose"], "properties": {"prose": {"type": "object"}, **unused}},
    }
