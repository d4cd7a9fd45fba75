"""What a credential may be allowed to do, by role. A token carries a subset."""

PARTNER = "partner"
CITIZEN = "citizen"
MERCHANT = "merchant"
OPERATOR = "operator"
VERIFIER = "verifier"
BUYER = "buyer"

PARTY_ROLES = (PARTNER, MERCHANT, OPERATOR, VERIFIER, BUYER)

# Given to a credential only where it is named: one shows which of a partner's cards are enrolled, the other
# spends citizens' points.
ON_REQUEST = frozenset({"links:match", "redemptions:write"})

# What a till may do of what its merchant may.
TILL = ("vouchers:consume", "vouchers:read")

SCOPES_BY_ROLE: dict[str, tuple[str, ...]] = {
    PARTNER: (
        "events:write",
        "events:read",
        "citizens:write",
        "citizens:token",
        "programme:read",
        "links:match",
        "redemptions:write",
        "imports:write",
        "imports:read",
        "webhooks:write",
    ),
    CITIZEN: ("account:read", "account:write", "points:spend", "grams:retire"),
    MERCHANT: (*TILL, "offers:write", "tills:write", "statements:read", "statements:write", "webhooks:write"),
    OPERATOR: (
        "programme:read",
        "citizens:write",
        "methodologies:write",
        "offers:write",
        "merchants:read",
        "merchants:write",
        "settlements:read",
        "settlements:write",
        "periods:write",
        "batches:read",
        "batches:write",
        "audit:read",
        "imports:write",
        "imports:read",
        "webhooks:read",
    ),
    VERIFIER: ("batches:read", "batches:verify", "programme:read"),
    BUYER: ("holdings:read",),
}
