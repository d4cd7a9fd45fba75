"""Whom the events of a batch are about: links, citizens, consents and mandates, read together."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.links import Link, digests_of
from carbon_credit.identity.queries import (
    CitizenRecord,
    ConsentSpan,
    LinkedCitizen,
    MandateSpan,
    citizens_by_id,
    consents_of,
    mandates_of,
    party,
    resolve_links,
)
from carbon_credit.kernel import wire
from carbon_credit.kernel.bulk import driver
from carbon_credit.kernel.db import is_postgresql, keys_of

# Spans of one citizen are few, so the product of consents and mandates is as good as their sum.
_BY_LINK = """
SELECT l.value_digest, c.id, l.state, c.status = 'active',
       s.id, s.scene, s.text_version, s.tier, s.given_at, s.withdrawn_at,
       m.id, m.text_version, m.share_percent, m.tier, m.given_at, m.withdrawn_at,
       p.status = 'active'
FROM party p
LEFT JOIN (citizen_link l JOIN citizen c ON c.id = l.citizen_id)
       ON l.value_digest = ANY (%b::uuid[]) AND l.programme = p.programme AND l.unlinked_at IS NULL
LEFT JOIN consent s ON s.citizen_id = c.id AND s.partner_id = p.id AND s.scene = ANY (%b::varchar[])
LEFT JOIN mandate m ON m.citizen_id = c.id
WHERE p.id = %b AND p.programme = %b
"""


@dataclass(frozen=True, slots=True)
class People:
    """Where links lead now, the citizens that were named by their id, and what each has agreed to: to the
    partner (for the scenes asked for), and to be represented. Spans in the order in which they were given,
    withdrawn ones too. `partner_active`: whether the partner may report."""

    partner_active: bool
    links: dict[Link, LinkedCitizen] = field(default_factory=dict)
    citizens: dict[uuid.UUID, CitizenRecord] = field(default_factory=dict)
    consents: dict[uuid.UUID, list[ConsentSpan]] = field(default_factory=dict)
    mandates: dict[uuid.UUID, list[MandateSpan]] = field(default_factory=dict)

    @property
    def everyone(self) -> set[uuid.UUID]:
        """The ids of all of them."""
        return {one.citizen_id for one in self.links.values()} | self.citizens.keys()


def people_behind(
    session: Session,
    *,
    programme: str,
    partner_id: uuid.UUID,
    scenes: Collection[str],
    links: Collection[Link],
    ids: Collection[uuid.UUID],
) -> People:
    """The citizens behind `links` and those with these `ids`, with their consents to the partner.

    One statement for the partner and all links on PostgreSQL; links and ids that lead nowhere are left out.
    Raises PartyNotFound.
    """
    if links and is_postgresql(session):
        people = _by_link(session, programme, partner_id, scenes, links)
    else:
        active = party(session, party_id=partner_id, programme=programme).active
        people = People(active, links=resolve_links(session, programme=programme, links=links))
        named = {one.citizen_id for one in people.links.values()}
        people = _with_spans(session, people, named, partner_id, scenes)
    if not ids:
        return people
    people.citizens.update(citizens_by_id(session, programme=programme, ids=ids))
    return _with_spans(session, people, people.citizens.keys() - people.consents.keys(), partner_id, scenes)


def _with_spans(
    session: Session,
    people: People,
    ids: Collection[uuid.UUID],
    partner_id: uuid.UUID,
    scenes: Collection[str],
) -> People:
    if ids:
        found = consents_of(session, citizen_ids=ids, partner_id=partner_id, scenes=scenes)
        people.consents.update(found)
        people.mandates.update(mandates_of(session, citizen_ids=ids))
    return people


def _by_link(
    session: Session,
    programme: str,
    partner_id: uuid.UUID,
    scenes: Collection[str],
    links: Collection[Link],
) -> People:
    keys = keys_of(session)
    wanted = digests_of(keys, programme=programme, links=links)
    every = wire.array("uuid", [digest for known in wanted.values() for digest in known])
    named = wire.array("varchar", list(scenes) or [""])
    cursor = driver(session).cursor(binary=True)
    rows = cursor.execute(_BY_LINK, (every, named, partner_id, programme)).fetchall()
    if not rows:
        raise PartyNotFound
    people = People(partner_active=rows[0][16])
    found: dict[int, LinkedCitizen] = {}
    spans: dict[uuid.UUID, tuple[dict[int, ConsentSpan], dict[int, MandateSpan]]] = {}
    for row in rows:
        digest, citizen_id = row[0], row[1]
        if digest is None:  # the partner alone: no link leads anywhere
            break
        if digest.int not in found:
            found[digest.int] = LinkedCitizen(citizen_id, row[2], row[3])
        known = spans.get(citizen_id)
        if known is None:
            known = spans[citizen_id] = ({}, {})
        if row[4] is not None:
            known[0][row[4].int] = ConsentSpan(*row[4:10])
        if row[10] is not None:
            known[1][row[10].int] = MandateSpan(*row[10:16])
    for citizen_id, (consents, mandates) in spans.items():
        people.consents[citizen_id] = _in_order(consents.values())
        people.mandates[citizen_id] = _in_order(mandates.values())
    for link, digested in wanted.items():
        # The present key first: a value linked anew after a rotation wins over its former digest.
        hit = next((found[digest.int] for digest in digested if digest.int in found), None)
        if hit is not None:
            people.links[link] = hit
    return people


def _in_order(spans: Collection[Any]) -> list[Any]:
    return list(spans) if len(spans) < 2 else sorted(spans, key=lambda one: (one.given_at, one.id))
