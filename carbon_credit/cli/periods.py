"""`period close`: days, months and years become final."""

from datetime import date, datetime, timedelta

import click
from sqlalchemy.orm import Session

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
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.quantification.annual import close_year, open_months, require_year_over
from carbon_credit.quantification.closing import (
    Closing,
    Progress,
    close_month,
    close_portion,
    open_days,
    require_month_over,
)


@click.group()
def period() -> None:
    """Business days, months and years of a programme."""


@period.command()
@programme_option
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="One business day, e.g. 2026-11-20")
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="All open days of a month, then the month")
@click.option("--year", type=click.DateTime(["%Y"]), help="All open months of a year, then the year")
@as_option
@json_option
def close(
    programme: str,
    day: datetime | None,
    month: datetime | None,
    year: datetime | None,
    credential: str | None,
    as_json: bool,
) -> None:
    """Close a day, a month with all its days, or a year with all its months: what counts is settled, and
    differences are posted. A year decides what only the year decides, and nets over it."""
    if sum(one is not None for one in (day, month, year)) != 1:
        raise click.UsageError("Give one of --day, --month and --year.")
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    if day is not None:
        closings = [close_one_day(here, programme, day.date(), actor)]
    elif month is not None:
        closings = close_whole_month(here, programme, month.date(), actor)
    else:
        closings = close_whole_year(here, programme, year.date() if year else date.min, actor)
    last = closings[-1]
    if as_json:
        parts = {
            f"{kind}s": [_told(one) for one in closings if one.kind == kind] for kind in ("day", "month")
        }
        emit({**_told(last), **{name: told for name, told in parts.items() if last.kind + "s" != name}})
        return
    for one in closings:
        stderr.print(
            f"{one.kind} {one.starts_on}: {one.reductions:,} reductions, {grams_text(one.credited_mg)} g"
            + (f", corrected by {grams_text(one.corrected_mg)} g" if one.corrected_mg else "")
        )


def close_one_day(here: Installation, programme: str, day: date, actor: str) -> Closing:
    """Close one day, each portion of citizens in its own unit of work. Interrupted, it goes on where it
    was."""
    with progress(f"Closing {programme} {day}, citizens") as done:
        return _close_in_portions(here, programme, day, actor, done)


def _close_in_portions(
    here: Installation, programme: str, day: date, actor: str, done: Progress | None = None
) -> Closing:
    while True:
        looked_at, closing = here.act(
            lambda session, now: close_portion(
                session, programme=programme, day=day, now=now, closed_by=actor
            )
        )
        if done:
            done(looked_at)
        if closing is not None:
            return closing


def close_whole_month(here: Installation, programme: str, month: date, actor: str) -> list[Closing]:
    """Close the open days one by one, then the month. Interrupted, it goes on where it was."""

    def open_days_of_past_month(session: Session, now: datetime) -> list[date]:
        require_month_over(session, programme=programme, month=month, now=now)
        return open_days(session, programme=programme, month=month)

    days = here.look(open_days_of_past_month)
    closings = []
    with progress(f"Closing {programme} {month:%Y-%m}", total=len(days) + 1) as done:
        for day in days:
            closings.append(_close_in_portions(here, programme, day, actor))
            done(1)
        closings.append(
            here.act(
                lambda session, now: close_month(
                    session, programme=programme, month=month, now=now, closed_by=actor
                )
            )
        )
        done(1)
    return closings


def close_whole_year(here: Installation, programme: str, year: date, actor: str) -> list[Closing]:
    """Close the open months one by one, then the year. Interrupted, it goes on where it was."""

    def open_months_of_past_year(session: Session, now: datetime) -> list[date]:
        require_year_over(session, programme=programme, year=year, now=now)
        return open_months(session, programme=programme, year=year)

    closings = []
    for month in here.look(open_months_of_past_year):
        closings += close_whole_month(here, programme, month, actor)
    with progress(f"Closing {programme} {year:%Y}") as done:
        closings.append(
            here.act(
                lambda session, now: close_year(
                    session, programme=programme, year=year, now=now, closed_by=actor, progress=done
                )
            )
        )
    return closings


def months_between(first: date, last: date) -> list[date]:
    """First days of the months from that of `first` to that of `last`."""
    months, month = [], first.replace(day=1)
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    return months


def _told(closing: Closing) -> dict[str, object]:
    return {
        "programme": closing.programme,
        "kind": closing.kind,
        "starts_on": closing.starts_on.isoformat(),
        "reductions": closing.reductions,
        "co2e_mg": closing.credited_mg,
        "corrected_mg": closing.corrected_mg,
    }
