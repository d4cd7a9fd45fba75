"""No spelling, name or answer of a name server leads into a private network."""

from collections.abc import Sequence
from ipaddress import ip_address
from uuid import UUID

import pytest

from carbon_credit.webhooks.addresses import Outlet, is_public, reachable, require_usable
from carbon_credit.webhooks.errors import WebhookUrlRefused
from carbon_credit.webhooks.sending import Parcel, send

PRIVATE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1"),
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "114.114.114.114",
    "172.32.0.1",
    "192.167.1.1",
    "2400:3200::1",
    "2606:4700::1",
]
OUT = Outlet(production=True)


@pytest.mark.parametrize("number", PRIVATE)
def test_what_is_not_public(number: str) -> None:
    assert not is_public(ip_address(number))


@pytest.mark.parametrize("number", PUBLIC)
def test_what_is_public(number: str) -> None:
    assert is_public(ip_address(number))


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/carbon?city=sz",
        "https://hooks.example.com:8443/",
        "https://HOOKS.Example.com",
        "https://xn--fiqs8s.cn/a",
        "https://8.8.8.8/hook",
        "https://[2400:3200::1]/hook",
    ],
)
def test_usable(url: str) -> None:
    assert require_usable(url, OUT).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "//hooks.example.com/",
            "hooks.example.com",
        ),
        *("https://", "https:///path", "https://user@hooks.example.com/", "https://u:p@hooks.example.com/"),
        *("https://@hooks.example.com/", "https://hooks.example.com@10.0.0.1/"),
        *("https://hooks.example.com/#part", "https://hooks.example.com/#", "https://hooks.example.com /"),
        *("https://hooks.example.com\\@10.0.0.1/", "https://hooks.exa\tmple.com/", "https://例子.com/"),
        *("https://hooks.example.com:22/", "https://hooks.example.com:6379/", "https://hooks.example.com:x/"),
        *("https://hooks.example.com:99999/", "https://hooks.example.com:0/"),
        *(
            "https://localhost/",
            "https://LOCALHOST/",
            "https://a.localhost/",
            "https://db/",
            "https://db.local/",
        ),
        *("https://metadata.google.internal/", "https://x.svc/", "https://hooks.example.com./"),
        *("https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/"),
        *("https://127.1/", "https://0x7f.0.0.1/", "https://10.1/"),
        *(
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[fe80::1%25eth0]/",
        ),
        *("https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[::]/", "https://[::1/"),
        *("https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/", "https://①②⑦.⓪.⓪.①/"),
        "https://hooks.example.com/" + "x" * 500,
    ],
)
def test_not_usable(url: str) -> None:
    with pytest.raises(WebhookUrlRefused) as refused:
        require_usable(url, OUT)
    assert refused.value.message("zh") != refused.value.message("en")


def leads_to(*numbers: str) -> Outlet:
    """An outlet whose name server answers so."""
    return Outlet(production=True, resolve=lambda _host, _port: numbers)


@pytest.mark.parametrize("number", PRIVATE)
def test_a_name_that_leads_inside_is_refused_also_among_good_ones(number: str) -> None:
    for numbers in ((number,), ("1.1.1.1", number), (number, "1.1.1.1")):
        with pytest.raises(WebhookUrlRefused):
            reachable("hooks.example.com", 443, leads_to(*numbers))


def test_a_name_without_numbers_is_no_refusal() -> None:
    with pytest.raises(OSError, match="has no address"):
        reachable("hooks.example.com", 443, leads_to())


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost", "0"])
def test_how_the_system_reads_a_host_makes_no_difference(host: str) -> None:
    """Even where the spelling were let through, what it leads to is judged."""
    with pytest.raises(WebhookUrlRefused):
        reachable(host, 443, OUT)


def test_hosts_that_the_installation_names_are_its_own_affair() -> None:
    inside = Outlet(production=True, hosts=("hooks.internal", "10.0.0.7"))
    assert require_usable("https://hooks.internal:9000/x", inside).port == 9000
    assert require_usable("https://10.0.0.7/", inside).hostname == "10.0.0.7"
    for url in ("http://hooks.internal/", "https://10.0.0.8/", "https://a.hooks.internal/"):
        with pytest.raises(WebhookUrlRefused):
            require_usable(url, inside)
    here = Outlet(production=False, hosts=("127.0.0.1",))
    assert require_usable("http://127.0.0.1:9/", here).port == 9
    for url in ("http://2130706433:9/", "http://localhost:9/", "http://hooks.example.com/"):
        with pytest.raises(WebhookUrlRefused):
            require_usable(url, here)


def parcel(url: str) -> Parcel:
    return Parcel(UUID(int=1), UUID(int=2), UUID(int=3), 1, url, b"{}", (b"k" * 32,))


def test_a_name_is_asked_for_once_and_a_private_answer_is_never_connected_to() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["1.1.1.1"]

    outlet = Outlet(production=True, resolve=rebinding)
    receipt = send(parcel("https://hooks.example.com/"), outlet, timestamp=1)
    assert (receipt.outcome, receipt.status, asked) == ("address-refused", None, ["hooks.example.com"])


def test_an_address_that_was_let_in_long_ago_is_judged_again() -> None:
    assert send(parcel("http://127.0.0.1:1/"), OUT, timestamp=1).outcome == "address-refused"
