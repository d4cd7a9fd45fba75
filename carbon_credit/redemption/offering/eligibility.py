"""Does a citizen fulfil the rules of an offer? The database adds up what the rules ask for."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from carbon_credit.quantification.achievements import Ask, Done, done_since
from carbon_credit.redemption.models import Redemption
from carbon_credit.redemption.offering.errors import NotEligible
from carbon_credit.redemption.terms.rules import Events, First, Rule


def check_eligible(
    session: Session, *, programme: str, citizen_id: UUID, rules: Sequence[Rule], today: date
) -> None:
    """Raises NotEligible, naming the first rule that the citizen does not fulfil."""
    if rules:
        ((broken,),) = unfulfilled(
            session, programme=programme, citizen_id=citizen_id, offers=[rules], today=today
        )
        if broken is not None:
            zh, en = broken.said()
            raise NotEligible(rule_zh=zh, rule_en=en)


def unfulfilled(
    session: Session, *, programme: str, citizen_id: UUID, offers: Sequence[Sequence[Rule]], today: date
) -> list[tuple[Rule | None]]:
    """Of the rules of each offer, the first that the citizen does not fulfil, or None.

    At most two statements, however many offers: the database adds up, for one citizen, whatever they ask.
    """
    asks: dict[Rule, Ask] = {
        rule: Ask(rule.scene, today - timedelta(days=rule.days - 1))
        for rules in offers
        for rule in rules
        if not isinstance(rule, First)
    }
    wanted = sorted(set(asks.values()), key=lambda ask: (ask.scene or "", ask.since))
    done = dict(
        zip(
            wanted,
            done_since(session, programme=programme, citizen_id=citizen_id, asks=wanted),
            strict=True,
        )
    )
    any_first = any(isinstance(rule, First) for rules in offers for rule in rules)
    redeemed = any_first and _has_redeemed(session, programme, citizen_id)
    return [
        (next((rule for rule in rules if not _holds(rule, asks, done, redeemed)), None),) for rules in offers
    ]


def _holds(rule: Rule, asks: Mapping[Rule, Ask], done: Mapping[Ask, Done], redeemed: bool) -> bool:
    if isinstance(rule, First):
        return not redeemed
    found = done[asks[rule]]
    return found.events >= rule.events if isinstance(rule, Events) else found.co2e_mg >= rule.co2e_mg


def _has_redeemed(session: Session, programme: str, citizen_id: UUID) -> bool:
    # What came to nothing is not counted: cancelled, or run out.
    mine = exists().where(
        Redemption.citizen_id == citizen_id,
        Redemption.programme == programme,
        Redemption.state.in_(("held", "consumed")),
    )
    return bool(session.scalar(select(mine)))
