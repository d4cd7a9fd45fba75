"""What a credential may be allowed to do, by role. A token carries a subset."""

PARTNER = "partner"
CITIZEN = "citizen"
MERCHANT = "merchant"
OPERATOR = "operator"
VERIFIER = "verifier"
BUYER = "buyer"

PARTY_ROLES = (PARTNER, MERCHANT, OPERATOR, VERIFIER, BUYER)

# Given to a credential only where it is named: it shows which of a partner's cards are enrolled.
ON_REQUEST = frozenset({"links:match"})

SCOPES_BY_ROLE: dict[str, tuple[str, ...]] = {
    PARTNER: (
        "events:write",
        "events:read",
        "citizens:write",
        "citizens:token",
        "programme:read",
        "links:match",
        "imports:write",
        "imports:read",
    ),
    CITIZEN: ("account:read", "points:spend"),
    MERCHANT: ("vouchers:consume", "vouchers:read", "offers:write"),
    OPERATOR: (
        "programme:read",
        "citizens:write",
        "methodologies:write",
        "offers:write",
        "periods:write",
        "batches:read",
        "batches:write",
        "audit:read",
        "imports:write",
        "imports:read",
    ),
    VERIFIER: ("batches:read", "batches:verify", "programme:read"),
    BUYER: ("holdings:read",),
}
