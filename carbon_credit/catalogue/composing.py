"""From a published version and what was confirmed of it to the files of the next version."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any

from carbon_credit.catalogue.parts import raise_part
from carbon_credit.catalogue.writing import head_of, written
from carbon_credit.methodology.definition import FactorSet, Methodology
from carbon_credit.methodology.document import read_document
from carbon_credit.methodology.loader import METHODOLOGY, OVERLAY, Package

_LONGEST_SLUG = 64


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A part that two operators have found in the same document."""

    part: str
    document: str
    number: str | None
    clause: str | None
    address: str | None
    file_sha256: str


def composed(base: Package, *, confirmed: Sequence[Confirmed], version: int, on: date) -> dict[str, bytes]:
    """The files of version `version`, which supersedes `base` for the same legal period: the confirmed
    parts are `official` and name the document. The same confirmations always give the same bytes.

    `on` is the date of the line in the change log.
    """
    text = base.files[METHODOLOGY]
    method: dict[str, Any] = deepcopy(read_document(text, METHODOLOGY).value)
    names = {use["set"] for use in method.get("factors", ())}
    before = {name: base.files[f"factors/{name}.yaml"] for name in sorted(names)}
    sets = {name: deepcopy(read_document(data, name).value) for name, data in before.items()}
    for one in confirmed:
        raise_part(one.part, method, sets, _source(method, one))
    method["version"] = str(version)
    method["supersedes"] = str(base.methodology.version)
    if method.get("format") == "2":
        method["changes"] = [*method.get("changes", ()), _change(confirmed, version, on)]
    files = {name: data for name, data in base.files.items() if name != OVERLAY}
    for name, data in before.items():
        if sets[name] != read_document(data, name).value:
            del files[f"factors/{name}.yaml"]
            new = _rename_set(method, sets[name], name, version)
            files[f"factors/{new}.yaml"] = written(_in_order(sets[name], FactorSet), head=head_of(data))
    files[METHODOLOGY] = written(_in_order(method, Methodology), head=head_of(text))
    return files


def _source(method: dict[str, Any], one: Confirmed) -> dict[str, Any]:
    """The entry of `sources` for the document and clause, which is added where it is not there yet."""
    says = {
        "document": one.document,
        "number": one.number,
        "address": one.address,
        "clause": one.clause,
        "file_sha256": one.file_sha256,
    }
    for known in method["sources"]:
        if {key: known.get(key) for key in says} == says:
            return dict(known)
    taken = {known["name"] for known in method["sources"]}
    number = next(n for n in range(1, len(taken) + 2) if f"confirmed-{n}" not in taken)
    entry = {"name": f"confirmed-{number}"} | says
    method["sources"].append(entry)
    return entry


def _change(confirmed: Sequence[Confirmed], version: int, on: date) -> dict[str, Any]:
    parts = ", ".join(one.part for one in confirmed)
    return {
        "version": str(version),
        "dated": on.isoformat(),
        "text": {
            "zh": f"经两名运营人员对照官方文件确认，证据等级升为 official：{parts}。数值与适用期间不变。",
            "en": f"Confirmed by two operators from the official document and raised to official: {parts}. "
            "Values and legal period are unchanged.",
        },
    }


def _rename_set(method: dict[str, Any], factor_set: dict[str, Any], name: str, version: int) -> str:
    """A factor set with a confirmed edition is a new version of the set, under a name of its own."""
    new = f"{name}-{method['id']}-v{version}"[:_LONGEST_SLUG].rstrip("-")
    factor_set |= {"name": new, "version": str(int(factor_set["version"]) + 1)}
    for use in method["factors"]:
        if use["set"] == name:
            use["set"] = new
    return new


def _in_order(value: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The keys in the order in which the format names them."""
    order = kind.__struct_fields__  # type: ignore[attr-defined]
    return {key: value[key] for key in sorted(value, key=order.index)}
