"""`settle …`: a month with all its steps, statements as files, payments and what the bank answers."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

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
from carbon_credit.kernel import clock
from carbon_credit.settlement.paying import confirmations, files
from carbon_credit.settlement.queries import MAX_PAGE, StatementRecord, statements
from carbon_credit.settlement.rendering.content import yuan
from carbon_credit.settlement.rendering.files import FORMS, write_statement
from carbon_credit.settlement.runs import Run
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.settling import settle_month

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def settle() -> None:
    """Settlement with merchants, month by month."""


@settle.command("month")
@programme_option
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="e.g. 2026-11; it must be over")
@as_option
@json_option
def settle_a_month(programme: str, month: datetime, credential: str | None, as_json: bool) -> None:
    """Settle a month: close events, adjust, expire, cut off, issue statements, replenish, in this order.

    Stopped in the middle, the same command goes on where it was; run again, it does nothing twice.
    """
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    hands = Hands(here.act, here.look, clock.now, "cli")
    with progress(f"Settling {programme} {month:%Y-%m}") as done:
        run = settle_month(
            hands,
            programme=programme,
            month=date(month.year, month.month, 1),
            actor=actor,
            progress=lambda _step, count: done(count),
        )
    issued = list_of(here, programme, run.month)
    if as_json:
        emit(_told(run, issued))
        return
    for step in run.steps:
        stderr.print(f"  {step.step:14} {step.done:>9,}  {step.note or ''}")
    for one in issued:
        stderr.print(f"  {one.label}  {one.merchant_id}  ¥ {yuan(one.payable_fen)} payable, {one.state}")


@settle.command("statement")
@programme_option
@click.argument("statement_id", type=click.UUID)
@click.argument("target", type=_FILE)
def write_a_statement(programme: str, statement_id: UUID, target: Path) -> None:
    """Write a statement to TARGET, whose ending says how: .pdf, .xlsx or .csv."""
    form = target.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise click.UsageError(f"{target} should end with one of: {', '.join(sorted(FORMS))}")

    def look(session: Session, _now: datetime) -> str:
        with target.open("wb") as file:
            told = write_statement(
                session, form=form, target=file, programme=programme, statement_id=statement_id
            )
        return told.record.label

    label = open_installation().look(look)
    stderr.print(f"Statement {label} is in {target}.")


@settle.command("pay")
@programme_option
@click.argument("target", type=_FILE)
@as_option
@json_option
def pay(programme: str, target: Path, credential: str | None, as_json: bool) -> None:
    """Write every statement that is ready to be paid to TARGET, as CSV in our own layout.

    It holds names and accounts: keep it where only those see it who pay.
    """
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    made = here.act(
        lambda session, now: files.make_payment_file(session, programme=programme, actor=actor, now=now)
    )
    body = here.look(lambda session, _now: files.payment_csv(session, programme=programme, file_id=made.id))
    target.touch(mode=0o600)
    target.write_bytes(body)
    if as_json:
        emit({"payment_file": made.id, "payments": made.payments, "total_fen": made.total_fen})
        return
    stderr.print(f"{made.payments} payments, ¥ {yuan(made.total_fen)}: {target}")


@settle.command("confirm")
@programme_option
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_option
@json_option
def confirm(programme: str, source: Path, credential: str | None, as_json: bool) -> None:
    """Take in what the bank answers: CSV with reference, amount_fen, paid_on, result."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    body = source.read_bytes()
    found = here.act(
        lambda session, now: confirmations.confirm_payments(
            session, programme=programme, body=body, actor=actor, now=now
        )
    )
    counts = dict(sorted(Counter(one.outcome for one in found).items()))
    if as_json:
        wrong = [one for one in found if one.outcome not in ("paid", "returned", "already-confirmed")]
        listed = [{"row": one.row, "reference": one.reference, "outcome": one.outcome} for one in wrong]
        emit({"outcomes": counts, "wrong": listed})
        return
    for outcome, count in counts.items():
        stderr.print(f"  {outcome:20} {count:,}")


def list_of(here: Installation, programme: str, month: date) -> list[StatementRecord]:
    """All statements of a month."""
    found: list[StatementRecord] = []
    while True:
        after = found[-1].id if found else None
        page = here.look(
            lambda session, _now: statements(
                session,
                programme=programme,
                month=month,
                after=after,  # noqa: B023
                limit=MAX_PAGE,
            )
        )
        found += page
        if len(page) < MAX_PAGE:
            return found


def _told(run: Run, issued: list[StatementRecord]) -> dict[str, object]:
    return {
        "programme": run.programme,
        "month": f"{run.month:%Y-%m}",
        "state": run.state,
        "steps": {step.step: step.done for step in run.steps},
        "statements": [
            {"id": one.id, "number": one.label, "payable_fen": one.payable_fen, "state": one.state}
            for one in issued
        ],
    }
