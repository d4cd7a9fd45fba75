"""`facts load`: what a utility's or an authority's list says about citizens, from a CSV file."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from uuid import UUID

import click

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import (
    Installation,
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    progress,
    stderr,
)
from carbon_credit.identity.errors import CitizenNotFound
from carbon_credit.identity.facts import FactStatement, state_facts
from carbon_credit.identity.queries import PartyRecord
from carbon_credit.imports.errors import FactRowWrong
from carbon_credit.imports.formats import Record, open_rows
from carbon_credit.kernel.errors import CarbonError, Invalid

COLUMNS = ("citizen", "name", "value", "from", "to")
_AT_ONCE = 500
REJECTS_HEADER = ("line", "reason", "zh", "en")


@click.group()
def facts() -> None:
    """What methodologies ask about citizens: owner of a photovoltaic system, tariff tier ..."""


@facts.command()
@programme_option
@click.option("--tier", type=click.Choice(["measured", "derived", "declared"]), default="measured")
@click.option("--source", required=True, help="The record or document that says so")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where to list refused rows")
@as_option
@json_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(
    programme: str,
    tier: str,
    source: str,
    rejects: Path | None,
    credential: str | None,
    as_json: bool,
    file: Path,
) -> None:
    """State the facts of FILE, a CSV (plain or .gz) with the columns citizen, name, value, from, to.

    An empty value: nothing is known. Each row is one statement; refused rows go to a rejects file with
    line numbers and reasons. Loading a file again states the same again.
    """
    here = open_installation()
    party = acting(here, credential, programme=programme, role="operator")
    rejects = rejects or here.settings.var_dir / "rejects" / f"{file.name}.rejects.csv"
    rejects.parent.mkdir(parents=True, exist_ok=True)
    stated, refused = 0, 0
    with rejects.open("w", encoding="utf-8", newline="") as out, progress(f"Loading {file.name}") as done:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(REJECTS_HEADER)
        for rows in _portions(file):
            wrong = _load(here, party, rows, tier=tier, source=source)
            for line, error in wrong:
                writer.writerow((line, error.code, error.message("zh"), error.message("en")))
            stated, refused = stated + len(rows) - len(wrong), refused + len(wrong)
            done(len(rows))
    if as_json:
        emit({"stated": stated, "refused": refused, "rejects": str(rejects)})
        return
    stderr.print(f"stated {stated:,}  refused {refused:,}  Refused rows: {rejects}")


def _portions(file: Path) -> Iterator[list[Record]]:
    records = open_rows(file).records(COLUMNS)
    while portion := list(islice(records, _AT_ONCE)):
        yield portion


def _load(
    here: Installation, party: PartyRecord, rows: Sequence[Record], *, tier: str, source: str
) -> list[tuple[int, CarbonError]]:
    """State the rows in one unit of work, or one by one where any is wrong; those that are, by line."""
    try:
        _state(here, party, [_statement(row.values, tier=tier, source=source) for row in rows])
    except (Invalid, CitizenNotFound) as error:
        if len(rows) == 1:
            return [(rows[0].line, error)]
        return [found for row in rows for found in _load(here, party, [row], tier=tier, source=source)]
    return []


def _state(here: Installation, party: PartyRecord, statements: Sequence[FactStatement]) -> None:
    here.act(
        lambda session, now: state_facts(
            session,
            rules=programme_rules(session, programme=party.programme),
            facts=statements,
            recorded_by=party.key,
            now=now,
        )
    )


def _statement(row: tuple[str, ...] | None, *, tier: str, source: str) -> FactStatement:
    if row is None:
        raise FactRowWrong(why="the columns cannot be told apart")
    citizen, name, value, from_day, to_day = row
    try:
        return FactStatement(
            citizen_id=UUID(citizen),
            name=name,
            value=value or None,
            from_day=date.fromisoformat(from_day),
            to_day=date.fromisoformat(to_day) if to_day else None,
            tier=tier,
            source=source,
        )
    except ValueError as error:
        raise FactRowWrong(why=str(error)) from error
