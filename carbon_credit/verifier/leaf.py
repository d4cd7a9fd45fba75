"""One reduction as it stands in a batch: sixteen-odd texts, their strict reading, and the bytes hashed.

The canonical bytes of a leaf are its texts as netstrings (`<length in bytes>:<UTF-8>,`), after one netstring
with the format's name. Every text stands in reductions.csv exactly as it is hashed, so a second
verifier needs no rule about numbers or JSON to find the root.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import orjson

from carbon_credit.kernel.digest import canonical_json
from carbon_credit.verifier.merkle import hash_leaf

FORMAT = "carbon-credit-leaf-1"
COLUMNS = (
    "leaf_no",
    "salt",
    "pseudonym",
    "business_date",
    "activity_type",
    "methodology",
    "version",
    "version_digest",
    "inputs",
    "tier",
    "grade",
    "gross_mg",
    "cap_code",
    "adjusted_mg",
    "credited_mg",
    "from_mg",
    "to_mg",
)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})\Z")
_HEX16 = re.compile(r"[0-9a-f]{32}\Z")
_HEX32 = re.compile(r"[0-9a-f]{64}\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")
_CODE = re.compile(r"([a-z][a-z0-9-]{0,63})?\Z")


class BadField(ValueError):
    """A text of a leaf is not in its one valid form; `name` is the column."""

    def __init__(self, name: str, text: str, rule: str) -> None:
        self.name, self.text, self.rule = name, text, rule
        super().__init__(f"{name}: {rule}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A reduction in a batch. Milligrams are integers; `[from_mg, to_mg)` is the part in this batch.

    `gross_mg` is what the formula gives, `credited_mg` what was credited after caps and adjustments;
    `adjusted_mg` is the sum of the adjustments, so `credited_mg - adjusted_mg` is what the caps left.
    `salt` and `pseudonym` are 16 bytes as hex, made for this batch alone.
    """

    leaf_no: int
    salt: str
    pseudonym: str
    business_date: date
    activity_type: str
    methodology: str
    version: str
    version_digest: str
    inputs: Mapping[str, int | str]
    tier: str
    grade: str
    gross_mg: int
    cap_code: str
    adjusted_mg: int
    credited_mg: int
    from_mg: int
    to_mg: int

    def texts(self) -> tuple[str, ...]:
        """The texts in the order of COLUMNS."""
        return (
            str(self.leaf_no),
            self.salt,
            self.pseudonym,
            self.business_date.isoformat(),
            self.activity_type,
            self.methodology,
            self.version,
            self.version_digest,
            canonical_json(dict(self.inputs)).decode(),
            self.tier,
            self.grade,
            str(self.gross_mg),
            self.cap_code,
            str(self.adjusted_mg),
            str(self.credited_mg),
            str(self.from_mg),
            str(self.to_mg),
        )


def leaf_hash(texts: Sequence[str]) -> bytes:
    """32 bytes over the texts of one leaf."""
    framed = [f"{len(FORMAT)}:{FORMAT},".encode()]
    for text in texts:
        data = text.encode()
        framed.append(b"%d:%b," % (len(data), data))
    return hash_leaf(b"".join(framed))


def csv_line(texts: Sequence[str]) -> bytes:
    """One line of reductions.csv, UTF-8, ended by a line feed."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(texts)
    return line.getvalue().encode()


def parse_line(line: bytes) -> list[str]:
    """The texts of one line. BadField where it is not one line of CSV with all columns."""
    try:
        rows = list(csv.reader([line.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadField("line", type(error).__name__, "one line of CSV in UTF-8") from error
    if len(rows) != 1 or len(rows[0]) != len(COLUMNS):
        raise BadField("line", f"{len(rows[0]) if rows else 0} columns", f"{len(COLUMNS)} columns")
    return rows[0]


def parse_leaf(texts: Sequence[str]) -> Leaf:
    """The leaf that `texts` say. Each text has one valid form only; BadField for any other."""
    row = dict(zip(COLUMNS, texts, strict=True))
    return Leaf(
        leaf_no=_integer("leaf_no", row),
        salt=_matching("salt", row, _HEX16, "32 lower-case hexadecimal digits"),
        pseudonym=_matching("pseudonym", row, _HEX16, "32 lower-case hexadecimal digits"),
        business_date=_day("business_date", row),
        activity_type=_matching("activity_type", row, _WORD, "a code"),
        methodology=_matching("methodology", row, _WORD, "a code"),
        version=_matching("version", row, _WORD, "a code"),
        version_digest=_matching("version_digest", row, _HEX32, "64 lower-case hexadecimal digits"),
        inputs=_inputs(row["inputs"]),
        tier=_matching("tier", row, _CODE, "a code"),
        grade=_matching("grade", row, _CODE, "a code"),
        gross_mg=_integer("gross_mg", row),
        cap_code=_matching("cap_code", row, _CODE, "a code, or nothing"),
        adjusted_mg=_integer("adjusted_mg", row),
        credited_mg=_integer("credited_mg", row),
        from_mg=_integer("from_mg", row),
        to_mg=_integer("to_mg", row),
    )


def _integer(name: str, row: Mapping[str, str]) -> int:
    if not _INTEGER.match(row[name]) or row[name] == "-0":
        raise BadField(name, row[name], "an integer")
    return int(row[name])


def _matching(name: str, row: Mapping[str, str], form: re.Pattern[str], rule: str) -> str:
    if not form.match(row[name]):
        raise BadField(name, row[name], rule)
    return row[name]


def _day(name: str, row: Mapping[str, str]) -> date:
    try:
        day = date.fromisoformat(row[name])
    except ValueError as error:
        raise BadField(name, row[name], "a date like 2026-11-21") from error
    if day.isoformat() != row[name]:  # 20261121 is a date too, but not the one valid form
        raise BadField(name, row[name], "a date like 2026-11-21")
    return day


def _inputs(text: str) -> dict[str, int | str]:
    try:
        value = orjson.loads(text)
        canonical = canonical_json(value).decode()
    except (ValueError, TypeError) as error:
        raise BadField("inputs", text, "canonical JSON without floats") from error
    if not isinstance(value, dict) or not all(type(item) in (int, str) for item in value.values()):
        raise BadField("inputs", text, "a JSON object of integers and texts")
    if canonical != text:
        raise BadField("inputs", text, canonical)
    return value
