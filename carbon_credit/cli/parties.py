"""`party add`, `party revoke`: partners, merchants, operators, verifiers and their credentials."""

from datetime import datetime

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import emit, json_option, open_installation, programme_option, stderr
from carbon_credit.identity.operations import (
    NewCredential,
    create_party,
    issue_credential,
    revoke_credential,
)
from carbon_credit.identity.queries import PartyRecord, party_named
from carbon_credit.identity.scopes import ON_REQUEST, PARTY_ROLES, SCOPES_BY_ROLE


@click.group()
def party() -> None:
    """Who may act: partners, merchants, operators, verifiers, buyers."""


@party.command()
@programme_option
@click.option("--role", required=True, type=click.Choice(PARTY_ROLES))
@click.option("--name", required=True)
@click.option("--scope", "scopes", multiple=True, help="Also this scope, given on request only: links:match")
@json_option
def add(programme: str, role: str, name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Register a party (if it is new) and issue a credential for it. The secret is shown once."""
    here = open_installation()

    def deed(session: Session, now: datetime) -> tuple[PartyRecord, NewCredential]:
        programme_rules(session, programme=programme)  # there is such a programme
        found = party_named(session, programme=programme, role=role, name=name) or create_party(
            session, programme=programme, role=role, name=name, now=now
        )
        own = [scope for scope in SCOPES_BY_ROLE[role] if scope not in ON_REQUEST]
        return found, issue_credential(session, party_id=found.id, now=now, scopes=[*own, *scopes])

    found, credential = here.act(deed)
    told = {
        "party": str(found.id),
        "programme": programme,
        "role": role,
        "client_id": credential.client_id,
        "client_secret": credential.secret,
        "scopes": list(credential.scopes),
    }
    if as_json:
        emit(told)
        return
    stderr.print(f"{role} {name} of {programme}")
    for key in ("party", "client_id", "client_secret"):
        stderr.print(f"  {key:14} {told[key]}")
    stderr.print("Keep the secret: it is not stored and not shown again.")


@party.command()
@click.argument("client_id")
def revoke(client_id: str) -> None:
    """End the credential CLIENT_ID: no more tokens, and those given out end within seconds."""
    here = open_installation()
    here.act(lambda session, now: revoke_credential(session, client_id=client_id, now=now))
    stderr.print(f"{client_id} is revoked.")
