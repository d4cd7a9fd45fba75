"""`merchant …`: take merchants in, with stores, tills, terms and payees."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import click
from sqlalchemy.orm import Session

from carbon_credit.cli.context import (
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    stderr,
)
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.queries import PartyRecord, parties, party_named
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.identity.tills import issue_till_credential, open_store, open_till, set_till_status, tills
from carbon_credit.settlement import terms

_merchant_option = click.option("--merchant", "name", required=True, help="Its name, as it was registered.")
_ID = click.UUID


@click.group()
def merchant() -> None:
    """Merchants: stores, tills, terms, payees. `party add --role merchant` registers one."""


@merchant.command("list")
@programme_option
@json_option
def list_all(programme: str, as_json: bool) -> None:
    """List the merchants with their tills."""

    def look(session: Session, _now: datetime) -> list[dict[str, Any]]:
        found = parties(session, programme=programme, role=MERCHANT, after=None, limit=10_000)
        return [
            {
                "id": str(one.id),
                "name": one.name,
                "active": one.active,
                "tills": [
                    {"id": str(desk.id), "name": desk.name, "active": desk.active}
                    for desk in tills(session, merchant_id=one.id, limit=200)
                ],
            }
            for one in found
        ]

    listed = open_installation().look(look)
    if as_json:
        emit({"merchants": listed})
        return
    for one in listed:
        stderr.print(f"{one['name']}  {one['id']}{'' if one['active'] else '  (suspended)'}")
        for desk in one["tills"]:
            stderr.print(f"  {desk['name']}  {desk['id']}{'' if desk['active'] else '  (suspended)'}")


@merchant.command()
@programme_option
@_merchant_option
@click.option("--store", required=True, help="The store's name.")
@click.option("--address", required=True)
@click.option("--district", help="Six digits of GB/T 2260.")
@json_option
def store(programme: str, name: str, store: str, address: str, district: str | None, as_json: bool) -> None:
    """Open a store of a merchant."""

    def deed(session: Session, now: datetime) -> dict[str, str]:
        of = _named(session, programme, name)
        made = open_store(
            session,
            programme=programme,
            merchant_id=of.id,
            name=store,
            address=address,
            district=district,
            now=now,
        )
        return {"store": str(made.id)}

    _told(open_installation().act(deed), as_json)


@merchant.command()
@programme_option
@_merchant_option
@click.option("--store", "store_id", required=True, type=_ID)
@click.option("--till", required=True, help="The till's name.")
@json_option
def till(programme: str, name: str, store_id: UUID, till: str, as_json: bool) -> None:
    """Open a till of a store, with a credential. The secret is shown once."""

    def deed(session: Session, now: datetime) -> dict[str, str]:
        of = _named(session, programme, name)
        made = open_till(session, merchant_id=of.id, store_id=store_id, name=till, now=now)
        return _issue(session, of.id, made.id, now)

    _told(open_installation().act(deed), as_json)


@merchant.command("till-credential")
@programme_option
@_merchant_option
@click.option("--till", "till_id", required=True, type=_ID)
@json_option
def till_credential(programme: str, name: str, till_id: UUID, as_json: bool) -> None:
    """Give a till another credential; the one that it had ends. The secret is shown once."""

    def deed(session: Session, now: datetime) -> dict[str, str]:
        return _issue(session, _named(session, programme, name).id, till_id, now)

    _told(open_installation().act(deed), as_json)


@merchant.command("suspend-till")
@programme_option
@_merchant_option
@click.option("--till", "till_id", required=True, type=_ID)
@click.option("--resume", is_flag=True, help="Let it act again.")
def suspend_till(programme: str, name: str, till_id: UUID, resume: bool) -> None:
    """Stop a till: its tokens end within seconds."""

    def deed(session: Session, _now: datetime) -> None:
        of = _named(session, programme, name)
        set_till_status(session, merchant_id=of.id, till_id=till_id, active=resume)

    open_installation().act(deed)
    stderr.print(f"{till_id} {'acts again' if resume else 'is suspended'}.")


@merchant.command("terms")
@programme_option
@_merchant_option
@click.option("--from", "day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day, YYYY-MM-DD")
@click.option("--fee-bps", required=True, type=click.IntRange(0, 10_000), help="Hundredths of a percent")
@click.option("--fee-per-use-fen", default=0, type=click.IntRange(0, 100_000))
@click.option("--invoice/--no-invoice", required=True, help="Whether an invoice comes before payment")
@as_option
@json_option
def record(
    programme: str,
    name: str,
    day: datetime,
    fee_bps: int,
    fee_per_use_fen: int,
    invoice: bool,
    credential: str | None,
    as_json: bool,
) -> None:
    """Record what a merchant pays from a day on."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key

    def deed(session: Session, now: datetime) -> dict[str, str]:
        made = terms.record_terms(
            session,
            programme=programme,
            merchant_id=_named(session, programme, name).id,
            effective_from=date(day.year, day.month, day.day),
            fee_bps=fee_bps,
            fee_per_use_fen=fee_per_use_fen,
            invoice_required=invoice,
            actor=actor,
            now=now,
        )
        return {"terms": str(made.id), "effective_from": made.effective_from.isoformat()}

    _told(here.act(deed), as_json)


@merchant.command("payee")
@programme_option
@_merchant_option
@click.option("--payee-name", prompt=True)
@click.option("--bank", prompt=True)
@click.option("--account", prompt=True, help="Asked for where it is left out, so that no history keeps it.")
@as_option
@json_option
def payee(
    programme: str,
    name: str,
    payee_name: str,
    bank: str,
    account: str,
    credential: str | None,
    as_json: bool,
) -> None:
    """Record to whom a merchant is paid. Another operator confirms it: `merchant confirm-payee`."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key

    def deed(session: Session, now: datetime) -> dict[str, str]:
        made = terms.record_payee(
            session,
            programme=programme,
            merchant_id=_named(session, programme, name).id,
            payee=terms.Payee(payee_name, bank, account),
            actor=actor,
            now=now,
        )
        return {"payee": str(made.id), "tail": made.tail}

    _told(here.act(deed), as_json)


@merchant.command("confirm-payee")
@programme_option
@_merchant_option
@click.option("--payee", "payee_id", required=True, type=_ID)
@as_option
@json_option
def confirm_payee(programme: str, name: str, payee_id: UUID, credential: str | None, as_json: bool) -> None:
    """Confirm a payee that another operator has recorded."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key

    def deed(session: Session, now: datetime) -> dict[str, str]:
        made = terms.confirm_payee(
            session,
            programme=programme,
            merchant_id=_named(session, programme, name).id,
            payee_id=payee_id,
            actor=actor,
            now=now,
        )
        return {"payee": str(made.id), "confirmed_by": str(made.confirmed_by)}

    _told(here.act(deed), as_json)


def _issue(session: Session, merchant_id: UUID, till_id: UUID, now: datetime) -> dict[str, str]:
    made = issue_till_credential(session, merchant_id=merchant_id, till_id=till_id, now=now)
    return {"till": str(till_id), "client_id": made.client_id, "client_secret": made.secret}


def _named(session: Session, programme: str, name: str) -> PartyRecord:
    found = party_named(session, programme=programme, role=MERCHANT, name=name)
    if found is None:
        raise PartyNotFound
    return found


def _told(result: dict[str, str], as_json: bool) -> None:
    if as_json:
        emit(result)
        return
    for key, value in result.items():
        stderr.print(f"  {key:14} {value}")
