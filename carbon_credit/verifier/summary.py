"""summary.csv: results by business day and activity type, computed from the leaves and compared whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from carbon_credit.verifier.leaf import Leaf
from carbon_credit.verifier.manifest import Totals
from carbon_credit.verifier.report import differs

FILE = "summary.csv"
MAX_BYTES = 64 << 20
MAX_ROWS = 200_000
# A spreadsheet in Chinese opens UTF-8 rightly only after a byte order mark.
MARK = "\ufeff"
HEADINGS = (
    "业务日期 business_date",
    "活动类型 activity_type",
    "减排记录数 reductions",
    "核算减排量(毫克) gross_mg",
    "计入减排量(毫克) credited_mg",
    "本批次减排量(毫克) batch_mg",
)
TOTAL = "合计 total"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Milligrams of the reductions of one day and activity type."""

    business_date: date
    activity_type: str
    reductions: int
    gross_mg: int
    credited_mg: int
    batch_mg: int


class Tally:
    """Adds leaves up. Its size is that of the summary, not that of the batch."""

    def __init__(self) -> None:
        self._sums: dict[tuple[date, str], list[int]] = {}

    def add(self, leaf: Leaf) -> None:
        sums = self._sums.get((leaf.business_date, leaf.activity_type))
        if sums is None:
            sums = self._sums[leaf.business_date, leaf.activity_type] = [0, 0, 0, 0]
        sums[0] += 1
        sums[1] += leaf.gross_mg
        sums[2] += leaf.credited_mg
        sums[3] += leaf.to_mg - leaf.from_mg

    def __len__(self) -> int:
        return len(self._sums)

    def rows(self) -> list[SummaryRow]:
        """By day, then activity type."""
        return [SummaryRow(*key, *sums) for key, sums in sorted(self._sums.items())]


def totals_of(rows: list[SummaryRow]) -> tuple[int, Totals]:
    """How many reductions, and their milligrams."""
    return sum(row.reductions for row in rows), Totals(
        gross_mg=sum(row.gross_mg for row in rows),
        credited_mg=sum(row.credited_mg for row in rows),
        batch_mg=sum(row.batch_mg for row in rows),
    )


def summary_csv(rows: list[SummaryRow]) -> bytes:
    """The file: headings in Chinese and English, the rows, a line of totals."""
    return (MARK + "".join(f"{line}\r\n" for line in _lines(rows))).encode()


def compare(found: bytes, rows: list[SummaryRow]) -> None:
    """Raises Differs at the first line of `found` that isn't what `rows` give."""
    expected = summary_csv(rows)
    if found == expected:
        return
    theirs, ours = found.split(b"\r\n"), expected.split(b"\r\n")
    for number in range(max(len(theirs), len(ours))):
        there = theirs[number] if number < len(theirs) else b"(no line)"
        here = ours[number] if number < len(ours) else b"(no line)"
        if there != here:
            shown = there.decode("utf-8", "replace")
            raise differs(FILE, f"line {number + 1}", expected=here.decode(), found=shown)


def read_summary(data: bytes) -> list[SummaryRow]:
    """The rows that a summary says, where there are no leaves to compute them from. Raises Differs."""
    lines = data.decode("utf-8", "replace").removeprefix(MARK).split("\r\n")
    if len(lines) > MAX_ROWS:
        raise differs(FILE, "lines", expected=f"at most {MAX_ROWS}", found=len(lines))
    rows = []
    for number, line in enumerate(lines[1:-2], start=2):
        cells = line.split(",")
        try:
            day, activity, *amounts = cells
            count, gross, credited, batch = map(int, amounts)
            rows.append(SummaryRow(date.fromisoformat(day), activity, count, gross, credited, batch))
        except ValueError as error:
            raise differs(
                FILE, f"line {number}", expected="a date, a code, four integers", found=line
            ) from error
    return rows


def _lines(rows: list[SummaryRow]) -> Iterator[str]:
    yield ",".join(HEADINGS)
    for row in rows:
        amounts = (row.reductions, row.gross_mg, row.credited_mg, row.batch_mg)
        yield ",".join((row.business_date.isoformat(), row.activity_type, *map(str, amounts)))
    count, totals = totals_of(rows)
    yield ",".join(
        (TOTAL, "", str(count), str(totals.gross_mg), str(totals.credited_mg), str(totals.batch_mg))
    )
