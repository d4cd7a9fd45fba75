"""Public keys: of access tokens and of vouchers (JSON Web Key Sets) and of dossiers (PEM)."""

from base64 import urlsafe_b64encode

from flask import Response
from marshmallow import fields

from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.kernel.keys import private_key, public_pem, raw_public
from carbon_credit.redemption.signing import key_id, public_keys

PEM = "application/x-pem-file"


class WebKey(Answer):
    """RFC 7517."""

    kty = fields.String(required=True, metadata={"example": "OKP"})
    crv = fields.String(required=True, metadata={"example": "Ed25519"})
    x = fields.String(required=True, metadata={"example": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    y = fields.String(metadata={"description": "Only for P-256."})
    kid = fields.String(required=True, metadata={"example": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"})
    alg = fields.String(required=True, metadata={"example": "EdDSA"})
    use = fields.String(required=True, metadata={"example": "sig"})


class WebKeySet(Answer):
    """RFC 7517, section 5."""

    keys = fields.List(fields.Nested(WebKey), required=True)


@reads(answer=WebKeySet, uses_database=False)
def get_token_keys(call: Call) -> object:
    """The keys by which access tokens of this service are verified."""
    return call.runtime.tokens.keys.jwks()


@reads(answer=None, downloads=(PEM,), uses_database=False)
def get_dossier_key(call: Call) -> Response:
    """The key by which `carbon-credit dossier verify --key` checks who signed a dossier."""
    key = private_key(call.runtime.settings.keys.dossier_private_pem)
    return Response(public_pem(key.public_key()), mimetype=PEM)


@reads(answer=WebKeySet, uses_database=False)
def get_voucher_keys(call: Call) -> object:
    """The keys by which a till checks a voucher's QR code without a connection.

    `kid` is the four hexadecimal digits by which the QR code names its key.
    """
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": urlsafe_b64encode(raw_public(key)).rstrip(b"=").decode(),
                "kid": key_id(key).hex(),
                "alg": "EdDSA",
                "use": "sig",
            }
            for key in public_keys(call.runtime.settings.keys)
        ]
    }
