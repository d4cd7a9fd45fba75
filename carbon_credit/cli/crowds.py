"""A simulated crowd and a programme: which activities it credits, and its citizens enrolled for rehearsal."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue.library import Library
from carbon_credit.catalogue.personas import load_personas
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import Installation, progress
from carbon_credit.cli.quantifying import rules_of
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import read_event
from carbon_credit.identity.consents import ConsentGrant, MandateGrant, give_consents, give_mandates
from carbon_credit.identity.operations import add_links, create_party, register_citizens
from carbon_credit.identity.queries import party_named, resolve_links
from carbon_credit.quantification.offline import Offline
from carbon_credit.simulator.crowd import KNOWN, Crowd, Template
from carbon_credit.simulator.stream import Mess

_PROBES = 40  # events of each activity that are judged before it is simulated
_AT_ONCE = 5_000
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# By what else than a card or a phone a citizen is known; everything else through an account of an app.
_LINKS = {"gas.period": "gas-meter", "water.period": "water-meter", "electricity.period": "electricity-meter"}
_LINKS |= dict.fromkeys(("ev.trip", "ev.charge", "car.stopped", "hydrogen.trip", "etc.passage"), "vehicle")


def creditable(
    library: Library, crowd: Crowd, root: Path, wanted: Sequence[str] | None, *, now: datetime
) -> tuple[Crowd, dict[str, str]]:
    """The crowd with the activities that the programme credits, and why others of its own are left out.

    Some of each are judged offline first, so that what is simulated as good is good: a version may need facts
    about the citizen, or a history, that nobody has here.
    """
    rules = rules_of(library, crowd.programme)
    bound = {spec.activity_type for spec in rules.profile.bindings}
    left_out = {code: "the programme does not credit it" for code in wanted or () if code not in bound}
    chosen = [one for one in sorted(bound) if wanted is None or one in wanted]
    acts = {act.activity_type: act for one in load_personas(root, rules.activities) for act in one.month}
    probe = replace(crowd, citizens=_PROBES, days=1, mess=Mess(0, 0, 0, 0))
    known_types: list[str] = []
    templates: list[Template] = []
    for code in chosen:
        if code in KNOWN:
            tried = replace(probe, types=(code,), templates=())
        elif code in acts:
            link = _LINKS.get(code, "app-account")
            template = Template(code, link, acts[code].times, acts[code].quantities)
            tried = replace(probe, types=(), templates=(replace(template, times=30),))
        else:
            left_out[code] = "nobody in personas.yaml does it"
            continue
        reason = _refusal(Offline(rules, now=now), tried)
        if reason is not None:
            left_out[code] = reason
        elif code in KNOWN:
            known_types.append(code)
        else:
            templates.append(template)
    if not known_types and not templates:
        told = "; ".join(f"{code}: {reason}" for code, reason in left_out.items())
        raise click.UsageError(f"There is nothing to simulate in {crowd.programme}. {told}")
    return replace(crowd, types=tuple(known_types), templates=tuple(templates)), left_out


def _refusal(judge: Offline, crowd: Crowd) -> str | None:
    """Why one of the crowd's events would not be credited."""
    for one in crowd.deliveries():
        try:
            verdict = judge.judge(read_event(one.event))
        except EventInvalid as error:
            return error.message("en")
        if verdict.refused:
            return verdict.refused[0].reason
    return None


def enrol_crowd(here: Installation, crowd: Crowd, *, partner: str) -> int:
    """Register everybody who is not known yet, with consent to what they do and a mandate; how many.

    Rehearsal programmes only. May be stopped and run again.
    """
    rules = here.look(lambda session, _now: programme_rules(session, programme=crowd.programme))
    if not rules.may_enrol_unlinked:
        raise click.UsageError(f"{crowd.programme} does not allow enrolling invented citizens.")
    partner_id = here.act(lambda session, now: _partner(session, crowd.programme, partner, now))
    codes = {*crowd.types, *(one.type for one in crowd.templates)}
    scenes = sorted({rules.activities[code].scene for code in codes})
    enrolled = 0
    with progress(f"Enrolling {crowd.programme}", total=crowd.citizens) as done:
        people = crowd.people()
        while portion := list(islice(people, _AT_ONCE)):
            enrolled += here.act(
                lambda session, now, portion=portion: _enrol(  # type: ignore[misc]
                    session, crowd.programme, partner_id, portion, scenes, now
                )
            )
            done(len(portion))
    return enrolled


def _enrol(
    session: Session,
    programme: str,
    partner_id: UUID,
    people: Sequence[Sequence[tuple[str, str]]],
    scenes: Sequence[str],
    now: datetime,
) -> int:
    every = {link for links in people for link in links}
    known = resolve_links(session, programme=programme, links=every)
    new = [links for links in people if not any(link in known for link in links)]
    ids = register_citizens(session, partner_id=partner_id, links_of=new, now=now)
    # Who was enrolled for fewer activities before gets the links and consents that are lacking.
    added = []
    for links in people:
        who = next((known[link].citizen_id for link in links if link in known), None)
        added += [(who, link) for link in links if who is not None and link not in known]
    if added:
        add_links(session, partner_id=partner_id, pairs=added, now=now)
    enrolled = len(ids)
    ids += list(dict.fromkeys(who for who, _ in added))
    if not ids:
        return 0
    consents = [
        ConsentGrant(citizen_id=person, scene=scene, text_version="test", given_at=_LONG_AGO, tier="measured")
        for person in ids
        for scene in scenes
    ]
    give_consents(session, partner_id=partner_id, grants=consents, now=now)
    mandates = [
        MandateGrant(
            citizen_id=person, text_version="test", share_percent=0, given_at=_LONG_AGO, tier="measured"
        )
        for person in ids
    ]
    give_mandates(session, programme=programme, grants=mandates, now=now)
    return enrolled


def _partner(session: Session, programme: str, name: str, now: datetime) -> UUID:
    found = party_named(session, programme=programme, role="partner", name=name)
    return (found or create_party(session, programme=programme, role="partner", name=name, now=now)).id
