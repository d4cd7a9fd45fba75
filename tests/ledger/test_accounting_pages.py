"""docs/accounting.md has the whole chart: every kind and every code, as they are, and nothing else."""

from pathlib import Path

from carbon_credit.ledger.chart import CODES, KINDS

PAGES = (Path(__file__).resolve().parents[2] / "docs" / "accounting.md").read_text("utf-8")
STORY, _, CHART = PAGES.partition("## The whole chart\n")


def table(first: str) -> list[list[str]]:
    """The cells of the table whose first column has that heading, without backticks."""
    lines = CHART.split(f"| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_every_kind_is_there_as_it_is() -> None:
    told = [(kind, asset, side) for kind, asset, side, _of, _what in table("kind")]
    assert told == [(name, kind.asset, kind.side) for name, kind in KINDS.items()]
    for _kind, _asset, _side, whose, what in table("kind"):
        assert whose
        assert what


def test_every_code_is_there_as_it_is() -> None:
    told = [
        (code, frozenset(debit.split(", ")), frozenset(credit.split(", ")), held == "yes")
        for code, debit, credit, held, _when in table("code")
    ]
    assert told == [(name, rule.debit, rule.credit, rule.two_phase) for name, rule in CODES.items()]
    assert all(when for *_, when in table("code"))


def test_what_moves_money_is_told_as_a_story_too() -> None:
    money = [name for name, rule in CODES.items() if rule.asset == "cny_fen" and name not in UNTOLD]
    assert [name for name in money if name not in STORY] == []


# Their story comes with the selling of reductions.
UNTOLD = {"sale.unbook", "sale.receive"}
