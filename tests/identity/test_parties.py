"""Parties and their credentials: names, secrets, scopes, revocation."""

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.identity import client_secrets
from carbon_credit.identity.errors import (
    CallerSuspended,
    CredentialRefused,
    PartyNameTaken,
    PartyNotFound,
    ScopeUnknown,
)
from carbon_credit.identity.operations import (
    authenticate_client,
    create_party,
    issue_credential,
    revoke_credential,
    set_party_status,
)
from carbon_credit.identity.queries import PartyRecord, parties, party, party_named, require_standing


def test_a_name_is_taken_once_for_each_role(session: Session, partner: PartyRecord, now: datetime) -> None:
    for name in (" Metro app ", "metro  APP", "Ｍｅｔｒｏ app"):
        with pytest.raises(PartyNameTaken):
            create_party(session, programme="gd-gz", role="partner", name=name, now=now)
    create_party(session, programme="gd-gz", role="merchant", name="Metro app", now=now)
    assert party_named(session, programme="gd-gz", role="partner", name="Metro app") == partner


def test_a_party_of_another_programme_is_not_found(session: Session, partner: PartyRecord) -> None:
    with pytest.raises(PartyNotFound):
        party(session, party_id=partner.id, programme="gd-sz")


def test_parties_are_listed_in_pages(session: Session, partner: PartyRecord, now: datetime) -> None:
    for name in ("a", "b", "c"):
        create_party(session, programme="gd-gz", role="merchant", name=name, now=now)
    first = parties(session, programme="gd-gz", role="merchant", after=None, limit=2)
    rest = parties(session, programme="gd-gz", role="merchant", after=first[-1].id, limit=2)
    assert [found.name for found in first + rest] == ["a", "b", "c"]
    assert len(parties(session, programme="gd-gz", role=None, after=None, limit=9)) == 4


def test_the_right_secret_lets_in_with_the_scopes_asked_for(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    issued = issue_credential(session, party_id=partner.id, now=now, scopes=["events:write", "events:read"])
    client = authenticate_client(session, client_id=issued.client_id, secret=issued.secret)
    assert client.party == partner
    assert client.scopes == ("events:write", "events:read")
    narrow = authenticate_client(
        session, client_id=issued.client_id, secret=issued.secret, scopes=["events:read"]
    )
    assert narrow.scopes == ("events:read",)
    with pytest.raises(ScopeUnknown):
        authenticate_client(
            session, client_id=issued.client_id, secret=issued.secret, scopes=["citizens:write"]
        )


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "A" * 5000])
def test_a_wrong_secret_or_an_unknown_client_is_refused_alike(
    session: Session, partner: PartyRecord, now: datetime, secret: str
) -> None:
    issued = issue_credential(session, party_id=partner.id, now=now)
    with pytest.raises(CredentialRefused):
        authenticate_client(session, client_id=issued.client_id, secret=secret)
    with pytest.raises(CredentialRefused):
        authenticate_client(session, client_id="cc_nobody", secret=issued.secret)


def test_the_stand_in_for_an_unknown_client_matches_nothing() -> None:
    assert not client_secrets.matches("", None)
    assert client_secrets.matches("s", client_secrets.hashed("s"))


def test_a_secret_is_not_in_the_database_nor_in_a_repr(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    issued = issue_credential(session, party_id=partner.id, now=now)
    rows = session.execute(text("SELECT * FROM credential")).all()
    assert issued.secret not in repr(rows)
    assert issued.secret not in repr(issued)


def test_a_scope_of_another_role_is_not_issued(session: Session, partner: PartyRecord, now: datetime) -> None:
    with pytest.raises(ScopeUnknown):
        issue_credential(session, party_id=partner.id, now=now, scopes=["batches:write"])


def test_revocation_and_suspension_stop_the_caller(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    kept, revoked = (issue_credential(session, party_id=partner.id, now=now) for _ in range(2))
    revoke_credential(session, client_id=revoked.client_id, now=now)
    with pytest.raises(CredentialRefused):
        authenticate_client(session, client_id=revoked.client_id, secret=revoked.secret)
    with pytest.raises(CallerSuspended):
        require_standing(session, client_id=revoked.client_id, party_id=partner.id, citizen_id=None)
    require_standing(session, client_id=kept.client_id, party_id=partner.id, citizen_id=None)
    set_party_status(session, party_id=partner.id, active=False)
    with pytest.raises(CallerSuspended):
        authenticate_client(session, client_id=kept.client_id, secret=kept.secret)
    with pytest.raises(CallerSuspended):
        require_standing(session, client_id=kept.client_id, party_id=partner.id, citizen_id=None)
    set_party_status(session, party_id=partner.id, active=True)
    authenticate_client(session, client_id=kept.client_id, secret=kept.secret)
