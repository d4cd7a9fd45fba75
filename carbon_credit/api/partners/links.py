"""Minimisation: which of a partner's cards are enrolled, as keyed hashes, and the key to compute them with.

For credentials to which an operator gave the scope `links:match` by name.
"""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Flag, QueryWhole, Text, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import SCENE, Answer, PageQuery, Strict
from carbon_credit.identity.links import LINK_KINDS
from carbon_credit.identity.matching import key_id, match_key
from carbon_credit.identity.queries import match_digests, match_key_ids
from carbon_credit.identity.scopes import PARTNER
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.errors import Invalid
from carbon_credit.kernel.paging import CursorInvalid, cursor, id_position

_MATCHES = access(PARTNER, scope="links:match")
MAX_HASHES = 10_000
_KEY_ID = r"^[0-9a-f]{16}$"


class MatchKeyUnknown(Invalid):
    code = "match-key-unknown"
    en = "There is no match key {key_id} for this kind of link. Ask for the keys again: they have changed."
    zh = "该关联类型没有匹配密钥 {key_id}。密钥已更换，请重新获取。"


class KeyQuery(Strict):
    """Of which kind of link."""

    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})


class HashQuery(PageQuery):
    """Of which kind of link, under which key, for which scene."""

    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})
    key_id = Text(
        longest=16,
        pattern=_KEY_ID,
        metadata={"description": "Of which match key; the present one where it is left out."},
    )
    scene = Text(
        longest=32,
        pattern=SCENE,
        metadata={"description": "Only of citizens who consent in this scene.", "example": "metro"},
    )
    limit = QueryWhole(
        minimum=1,
        maximum=MAX_HASHES,
        load_default=MAX_HASHES,
        metadata={"description": "How many hashes at most.", "example": 10_000},
    )


class MatchKey(Answer):
    """A key to compute hashes with: HMAC-SHA256 over the value (NFKC, no white space around it, UTF-8), of
    which the first 16 bytes, in hexadecimal, are the hash."""

    id = fields.String(required=True, metadata={"example": "8d2f6a1b9c3e4d57"})
    key = fields.String(
        required=True, metadata={"description": "32 bytes in hexadecimal. Secret.", "example": "5e" * 32}
    )


class MatchKeys(Answer):
    """The keys of one kind of link: the present one first, then, after a change of keys, the former one.

    `complete`: every enrolled link has a hash under one of them. Where it is false, rows that nothing
    matches may still belong to somebody: send them all.
    """

    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})
    keys = fields.List(fields.Nested(MatchKey), required=True)
    complete = Flag(required=True, metadata={"example": True})


class LinkHashes(Answer):
    """Hashes of confirmed links of citizens who consent to this partner, in their own order."""

    kind = Word(*LINK_KINDS, required=True, metadata={"example": "transit-card"})
    key_id = fields.String(required=True, metadata={"example": "8d2f6a1b9c3e4d57"})
    items = fields.List(
        fields.String(metadata={"example": "0b7cf2a94d6e8f1033d5a7c9e1f2b4d6"}), required=True
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Send it as `cursor` for the next page; null on the last."},
    )


@reads(allowed=_MATCHES, query=KeyQuery, answer=MatchKeys)
def get_match_keys(call: Call) -> dict[str, Any]:
    """Get the keys that hashes of enrolled links are computed with. Keep them secret."""
    kind = call.query["kind"]
    keys = _keys(call, kind)
    used, others = match_key_ids(
        call.session,
        programme=call.caller.programme,
        partner_id=call.caller.id,
        kind=kind,
        known=list(keys),
    )
    present = next(iter(keys))
    told = [{"id": name, "key": key.hex()} for name, key in keys.items() if name == present or name in used]
    return {"kind": kind, "keys": told, "complete": not others}


@reads(allowed=_MATCHES, query=HashQuery, answer=LinkHashes, raises=(MatchKeyUnknown, CursorInvalid))
def list_link_hashes(call: Call) -> dict[str, Any]:
    """List the hashes of enrolled links, so that only their rows need to be sent."""
    kind = call.query["kind"]
    keys = _keys(call, kind)
    wanted = call.query.get("key_id", next(iter(keys)))
    if wanted not in keys:
        raise MatchKeyUnknown(key_id=wanted)
    limit = call.query["limit"]
    found = match_digests(
        call.session,
        programme=call.caller.programme,
        partner_id=call.caller.id,
        kind=kind,
        key_id=wanted,
        scene=call.query.get("scene"),
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = found[:limit]
    more = cursor(str(page[-1])) if len(found) > limit else None
    return {"kind": kind, "key_id": wanted, "items": [_hex(one) for one in page], "next_cursor": more}


def _keys(call: Call, kind: str) -> dict[str, bytes]:
    """By their ids, the present one first."""
    keys, programme = keys_of(call.session), call.caller.programme
    made = [match_key(keys, programme=programme, kind=kind)]
    if keys.link_previous is not None:
        made.append(match_key(keys, programme=programme, kind=kind, previous=True))
    return {key_id(key): key for key in made}


def _hex(digest: uuid.UUID) -> str:
    return digest.hex
