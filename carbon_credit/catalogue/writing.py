"""Writing a data file: plain data -> YAML that reads back as exactly that data, always the same bytes.

Comments at the top of the file that it came from are kept; a person's layout inside it is not.
"""

import re
from typing import Any

import yaml

from carbon_credit.methodology.document import read_document

_WIDTH = 110
# What YAML 1.1 would take for a number or a date: our reader takes every scalar as text, and it is
# nicer without quotes.
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Dumper(yaml.SafeDumper):
    """Lists stand under their key with an indent, as people write them here."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    tag = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    if tag in _PLAIN_TAGS and _PLAIN_NUMBER.fullmatch(value):
        return dumper.represent_scalar(tag, value)
    # The exponent form is text to YAML 1.1 and refused by our reader, unless it is quoted.
    quoted = '"' if _EXPONENT.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=quoted)


_Dumper.add_representer(str, _text)


def written(value: dict[str, Any], *, head: str = "") -> bytes:
    """`value` (mappings, lists, texts, null, true and false) as YAML, after the comment lines of `head`."""
    body = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=False, width=_WIDTH
    )
    data = (head + body).encode()
    if read_document(data, "written").value != value:
        raise ValueError("the data cannot be written so that it reads back the same")
    return data


def head_of(data: bytes) -> str:
    """The comment lines with which a file begins."""
    lines = data.decode("utf-8-sig").splitlines(keepends=True)
    count = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count])
