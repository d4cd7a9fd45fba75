"""Whom the events of a batch are about: links, citizens, consents and mandates, read together."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from carbon_credit.kernel.ids import id_of

# Spans of one citizen are few, so the product of consents and mandates is as good as their sum.
_FOUND_BY = """
SELECT l.value_digest, c.id, l.state, c.status = 'active',
       s.id, s.scene, s.text_version, s.tier, s.given_at, s.withdrawn_at,
       m.id, m.text_version, m.share_percent, m.tier, m.given_at, m.withdrawn_at,
       p.status = 'active'
FROM party p
LEFT JOIN ({links} JOIN citizen c ON c.id = l.citizen_id)
       ON l.programme = p.programme AND l.unlinked_at IS NULL
LEFT JOIN consent s ON s.citizen_id = c.id AND s.partner_id = p.id AND {scene}
LEFT JOIN mandate m ON m.citizen_id = c.id
WHERE p.id = %b AND p.programme = %b
"""
# Of many links each with the scenes of its own events: a third of the rows. Of a few links all scenes that
# any of them has: that is planned once and for all, and planning would be most of the time.
_OF_MANY = _FOUND_BY.format(
    links="unnest(%b::uuid[], %b::varchar[]) AS w (digest, scene)"
    " JOIN citizen_link l ON l.value_digest = w.digest",
    scene="s.scene = w.scene",
)
_OF_FEW = _FOUND_BY.format(
    links="(SELECT %b::uuid[] AS digests, %b::varchar[] AS scenes) AS w"
    " JOIN citizen_link l ON l.value_digest = ANY (w.digests)",
    scene="s.scene = ANY (w.scenes)",
)
_MANY = 100


@dataclass(frozen=True, slots=True)
class People:
    """Where links lead now, the citizens that were named by their id, and what each has agreed to: to the
    partner (for the scenes asked for with the link), and to be represented. Spans in the order in which they
    were given, withdrawn ones too. `partner_active`: whether the partner may report."""

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
    links: Mapping[Link, Collection[str]],
    ids: Collection[uuid.UUID],
) -> People:
    """The citizens behind `links` and those with these `ids`, with their consents to the partner: behind a
    link at least those to its own scenes, of `ids` those to all `scenes`.

    One statement for the partner and all links on PostgreSQL; links and ids that lead nowhere are left out.
    Raises PartyNotFound.
    """
    if links and is_postgresql(session):
        people = _by_link(session, programme, partner_id, links)
    else:
        active = party(session, party_id=partner_id, programme=programme).active
        people = People(active, links=resolve_links(session, programme=programme, links=links))
        named = {one.citizen_id for one in people.links.values()}
        people = _with_spans(session, people, named, partner_id, scenes)
    if not ids:
        return people
    people.citizens.update(citizens_by_id(session, programme=programme, ids=ids))
    return _with_spans(session, people, people.citizens.keys(), partner_id, scenes)


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
    links: Mapping[Link, Collection[str]],
) -> People:
    wanted = digests_of(keys_of(session), programme=programme, links=links)
    pairs = [(one, scene) for link, known in wanted.items() for one in known for scene in links[link]]
    many = len(pairs) >= _MANY
    columns: list[Sequence[Any]] = list(zip(*pairs, strict=True))
    if not many:
        columns = [list(dict.fromkeys(column)) for column in columns]
    arrays = map(wire.array, ("uuid", "varchar"), columns)
    cursor = wire.cursor_of_octets(driver(session))
    rows = cursor.execute(_OF_MANY if many else _OF_FEW, (*arrays, partner_id, programme)).fetchall()
    if not rows:
        raise PartyNotFound
    people = People(partner_active=rows[0][16])
    found = _take_in(people, rows)
    for link, digested in wanted.items():
        # The present key first: a value linked anew after a rotation wins over its former digest.
        for digest in digested:
            hit = found.get(digest.int.to_bytes(16, "big"))
            if hit is not None:
                people.links[link] = hit
                break
    return people


def _take_in(people: People, rows: Iterable[tuple[Any, ...]]) -> dict[bytes, LinkedCitizen]:
    """Put what the rows say of citizens into `people`; where each digest leads. Ids come as octets."""
    found: dict[bytes, LinkedCitizen] = {}
    known: dict[bytes, tuple[uuid.UUID, dict[bytes, ConsentSpan], dict[bytes, MandateSpan]]] = {}
    for row in rows:
        digest, citizen, consent, mandate = row[0], row[1], row[4], row[10]
        if digest is None:  # the partner alone: no link leads anywhere
            break
        one = known.get(citizen)
        if one is None:
            one = known[citizen] = (_id(citizen), {}, {})
        if digest not in found:
            found[digest] = LinkedCitizen(one[0], row[2], row[3])
        if consent is not None and consent not in one[1]:
            one[1][consent] = ConsentSpan(_id(consent), *row[5:10])
        if mandate is not None and mandate not in one[2]:
            one[2][mandate] = MandateSpan(_id(mandate), *row[11:16])
    for citizen_id, consents, mandates in known.values():
        people.consents[citizen_id] = _in_order(consents.values())
        people.mandates[citizen_id] = _in_order(mandates.values())
    return found


def _id(octets: bytes) -> uuid.UUID:
    return id_of(int.from_bytes(octets, "big"))


def _in_order(spans: Collection[Any]) -> list[Any]:
    return list(spans) if len(spans) < 2 else sorted(spans, key=lambda one: (one.given_at, one.id))
