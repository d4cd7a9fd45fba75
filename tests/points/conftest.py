"""The mall of the redemptions' tests: citizens with lots, an offer, a till, a clock."""

from tests.redemption.conftest import mall as mall
