"""Digests of many links are those that each has alone, under the present key and the previous one."""

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.identity.links import LINK_KINDS, digests, digests_of
from carbon_credit.kernel.keys import Keys

KEYS = Keys(bytes(32), b"l" * 32, bytes(32), b"", b"", b"")
ROTATED = Keys(bytes(32), b"l" * 32, bytes(32), b"", b"", b"", link_previous=b"p" * 32)
LINKS = st.sets(st.tuples(st.sampled_from(LINK_KINDS), st.text(min_size=1, max_size=8)), max_size=6)


@given(LINKS, st.sampled_from([KEYS, ROTATED]))
def test_many_links_have_the_digests_that_each_has_alone(links: set[tuple[str, str]], keys: Keys) -> None:
    found = digests_of(keys, programme="x-gd-sz", links=links)
    assert found == {link: digests(keys, programme="x-gd-sz", link=link) for link in links}
