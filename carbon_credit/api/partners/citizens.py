"""Citizens as a partner sees them: those that it linked, what they consented to, their mandate.

A citizen of another programme, or one that another partner linked, is not found.
"""

import uuid
from typing import Any

from marshmallow import fields, validate

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import SCENE, Answer, Strict
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.identity.consents import (
    ConsentGrant,
    MandateGrant,
    give_consents,
    give_mandates,
    withdraw_consent,
    withdraw_mandate,
)
from carbon_credit.identity.errors import (
    CitizenNotFound,
    GivenInFuture,
    LinkTaken,
    LinkValueInvalid,
    NothingToWithdraw,
    SpanOverlaps,
)
from carbon_credit.identity.links import LINK_KINDS, MAX_VALUE_LENGTH
from carbon_credit.identity.operations import add_links, register_citizens
from carbon_credit.identity.queries import citizen, consents_of, is_linked_by, mandates_of
from carbon_credit.identity.scopes import PARTNER
from carbon_credit.kernel.errors import Invalid

_PARTNER = access(PARTNER, scope="citizens:write")
MAX_LINKS = 20
MAX_CONSENTS = 20


class SceneNotInProgramme(Invalid):
    code = "scene-not-in-programme"
    en = "The programme has no scene {scene}. It has: {scenes}"
    zh = "本项目没有场景 {scene}。可用场景：{scenes}"


class LinkIn(Strict):
    """An id by which the partner knows the citizen. Only a keyed digest of it is kept."""

    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})
    value = Text(longest=MAX_VALUE_LENGTH, required=True, metadata={"example": "6221880012345678"})


class ConsentTerms(Strict):
    """Under which text, and since when (now, where it is left out)."""

    text_version = Text(longest=32, required=True, metadata={"example": "privacy-2026-01"})
    given_at = Instant(metadata={"example": "2026-01-01T08:00:00+08:00"})


class ConsentIn(ConsentTerms):
    """A consent with its scene."""

    scene = Text(longest=32, pattern=SCENE, required=True, metadata={"example": "metro"})


class MandateIn(ConsentTerms):
    """The right to apply and sell, for a share of the proceeds."""

    share_percent = Whole(
        maximum=100,
        required=True,
        metadata={"description": "What the citizen is promised, in whole percent.", "example": 70},
    )


class CitizenIn(Strict):
    """A citizen to be registered, with what was agreed on the way."""

    links = fields.List(fields.Nested(LinkIn), required=True, validate=validate.Length(min=1, max=MAX_LINKS))
    consents = fields.List(fields.Nested(ConsentIn), validate=validate.Length(max=MAX_CONSENTS))
    mandate = fields.Nested(MandateIn)


class Consent(Answer):
    """A consent to this partner. In force from `given_at` until `withdrawn_at`."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    scene = fields.String(required=True, metadata={"example": "metro"})
    text_version = fields.String(required=True, metadata={"example": "privacy-2026-01"})
    given_at = Instant(required=True, metadata={"example": "2026-01-01T00:00:00Z"})
    withdrawn_at = Instant(required=True, allow_none=True, metadata={"example": None})


class Mandate(Answer):
    """The citizen's mandate. In force from `given_at` until `withdrawn_at`."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"})
    text_version = fields.String(required=True, metadata={"example": "privacy-2026-01"})
    share_percent = Whole(required=True, maximum=100, metadata={"example": 70})
    given_at = Instant(required=True, metadata={"example": "2026-01-01T00:00:00Z"})
    withdrawn_at = Instant(required=True, allow_none=True, metadata={"example": None})


class Link(Answer):
    """A link as it stands. The value is never given back."""

    citizen_id = Id(required=True, metadata={"example": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"})
    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})
    state = Word("claimed", "confirmed", required=True, metadata={"example": "confirmed"})


class Citizen(Answer):
    """A citizen: a random id, and what was agreed with this partner."""

    id = Id(required=True, metadata={"example": "6f1c2b3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"})
    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    created_at = Instant(required=True, metadata={"example": "2026-01-01T00:00:00Z"})
    consents = fields.List(fields.Nested(Consent), required=True)
    mandate = fields.Nested(Mandate, required=True, allow_none=True)


_GIVING = (GivenInFuture, SpanOverlaps, CitizenNotFound)
_CONSENTING = (*_GIVING, SceneNotInProgramme)


@writes(
    allowed=_PARTNER,
    takes=CitizenIn,
    answer=Citizen,
    status=201,
    raises=(LinkTaken, LinkValueInvalid, *_CONSENTING),
)
def register_citizen(call: Call) -> dict[str, Any]:
    """Register a citizen with links, consents and a mandate."""
    links = [(link["kind"], link["value"]) for link in call.body["links"]]
    partner = call.caller
    (citizen_id,) = register_citizens(call.session, partner_id=partner.id, links_of=[links], now=call.now)
    grants = [
        _consent_grant(call, citizen_id, given["scene"], given) for given in call.body.get("consents", [])
    ]
    if grants:
        give_consents(call.session, partner_id=partner.id, grants=grants, now=call.now)
    if "mandate" in call.body:
        grant = _mandate_grant(call, citizen_id, call.body["mandate"])
        give_mandates(call.session, programme=partner.programme, grants=[grant], now=call.now)
    return _citizen(call, citizen_id)


@reads(allowed=_PARTNER, answer=Citizen, raises=(CitizenNotFound,))
def get_citizen(call: Call, citizen_id: uuid.UUID) -> dict[str, Any]:
    """Read a citizen that this partner linked."""
    _require_own(call, citizen_id)
    return _citizen(call, citizen_id)


@writes(
    allowed=_PARTNER,
    takes=LinkIn,
    answer=Link,
    status=201,
    raises=(CitizenNotFound, LinkTaken, LinkValueInvalid),
)
def add_citizen_link(call: Call, citizen_id: uuid.UUID) -> dict[str, Any]:
    """Add a link to a citizen that this partner linked."""
    _require_own(call, citizen_id)
    link = (call.body["kind"], call.body["value"])
    add_links(call.session, partner_id=call.caller.id, pairs=[(citizen_id, link)], now=call.now)
    return {"citizen_id": citizen_id, "kind": link[0], "state": "confirmed"}


@writes(allowed=_PARTNER, takes=ConsentTerms, answer=Consent, raises=_CONSENTING)
def give_consent(call: Call, citizen_id: uuid.UUID, scene: str) -> object:
    """Record the citizen's consent to one scene.

    The same text again is the consent in force; a new text ends the old consent where the new one begins.
    """
    _require_own(call, citizen_id)
    grant = _consent_grant(call, citizen_id, scene, call.body)
    (consent_id,) = give_consents(call.session, partner_id=call.caller.id, grants=[grant], now=call.now)
    return _one_consent(call, citizen_id, consent_id)


@writes(allowed=_PARTNER, answer=Consent, raises=(CitizenNotFound, NothingToWithdraw))
def end_consent(call: Call, citizen_id: uuid.UUID, scene: str) -> object:
    """Record that the citizen withdrew the consent, now. Later events of the scene are refused."""
    _require_own(call, citizen_id)
    consent_id = withdraw_consent(
        call.session, partner_id=call.caller.id, citizen_id=citizen_id, scene=scene, now=call.now
    )
    return _one_consent(call, citizen_id, consent_id)


@writes(allowed=_PARTNER, takes=MandateIn, answer=Mandate, raises=_GIVING)
def give_mandate(call: Call, citizen_id: uuid.UUID) -> object:
    """Record the citizen's mandate. Without one, reductions stay the citizen's and enter no batch."""
    _require_own(call, citizen_id)
    grant = _mandate_grant(call, citizen_id, call.body)
    programme = call.caller.programme
    (mandate_id,) = give_mandates(call.session, programme=programme, grants=[grant], now=call.now)
    return _one_mandate(call, citizen_id, mandate_id)


@writes(allowed=_PARTNER, answer=Mandate, raises=(CitizenNotFound, NothingToWithdraw))
def end_mandate(call: Call, citizen_id: uuid.UUID) -> object:
    """Record that the citizen withdrew the mandate, now. What is frozen in a batch stays there."""
    _require_own(call, citizen_id)
    programme = call.caller.programme
    mandate_id = withdraw_mandate(call.session, programme=programme, citizen_id=citizen_id, now=call.now)
    return _one_mandate(call, citizen_id, mandate_id)


def _require_own(call: Call, citizen_id: uuid.UUID) -> None:
    citizen(call.session, programme=call.caller.programme, citizen_id=citizen_id)
    if not is_linked_by(call.session, citizen_id=citizen_id, partner_id=call.caller.id):
        raise CitizenNotFound


def _consent_grant(call: Call, citizen_id: uuid.UUID, scene: str, terms: dict[str, Any]) -> ConsentGrant:
    rules = programme_rules(call.session, programme=call.caller.programme)
    scenes = [known.code for known in rules.profile.scenes]
    if scene not in scenes:
        raise SceneNotInProgramme(scene=scene, scenes=", ".join(scenes))
    return ConsentGrant(
        citizen_id=citizen_id,
        scene=scene,
        text_version=terms["text_version"],
        given_at=terms.get("given_at", call.now),
    )


def _mandate_grant(call: Call, citizen_id: uuid.UUID, terms: dict[str, Any]) -> MandateGrant:
    return MandateGrant(
        citizen_id=citizen_id,
        text_version=terms["text_version"],
        share_percent=terms["share_percent"],
        given_at=terms.get("given_at", call.now),
    )


def _one_consent(call: Call, citizen_id: uuid.UUID, consent_id: uuid.UUID) -> object:
    spans = consents_of(call.session, citizen_ids=[citizen_id], partner_id=call.caller.id)
    return next(span for span in spans[citizen_id] if span.id == consent_id)


def _one_mandate(call: Call, citizen_id: uuid.UUID, mandate_id: uuid.UUID) -> object:
    return next(
        span
        for span in mandates_of(call.session, citizen_ids=[citizen_id])[citizen_id]
        if span.id == mandate_id
    )


def _citizen(call: Call, citizen_id: uuid.UUID) -> dict[str, Any]:
    person = citizen(call.session, programme=call.caller.programme, citizen_id=citizen_id)
    consents = consents_of(call.session, citizen_ids=[citizen_id], partner_id=call.caller.id)
    mandates = mandates_of(call.session, citizen_ids=[citizen_id]).get(citizen_id, [])
    in_force = [span for span in mandates if span.withdrawn_at is None]
    return {
        "id": person.id,
        "programme": person.programme,
        "created_at": person.created_at,
        "consents": consents.get(citizen_id, []),
        "mandate": in_force[0] if in_force else None,
    }
