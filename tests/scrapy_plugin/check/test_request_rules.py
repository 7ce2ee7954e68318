from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from support.listed import LISTED_URL

from ingest_guard.scrapy_plugin.check.request_rules import refusal
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket, ticket_of
from ingest_guard.urls.private import is_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain

PRIVATE = [
    "http://127.0.0.1/x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0x7f.0.0.1/x",
    "http://0177.0.0.1/x",
    "http://10.0.0.5:8080/x",
    "http://192.168.1.1/",
    "http://172.16.3.4/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fd00::2]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::5db8:d822]/",
    "http://[2002:c0a8:101::1]/",
    "http://[2001:0:5db8:d822:0:f227:3f57:fffe]/",  # Teredo: the client is 192.168.0.1
    "http://[2001:0:a00:1:0:f227:a247:27dd]/",  # Teredo: the server is 10.0.0.1
    "http://[2001:db8::1]/",
    "http://[2001:2::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[::5db8:d822]/",
    "http://198.18.0.1/",
    "http://192.0.0.9/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://localhost.localdomain/",
    "http://ip6-localhost/",
    "http://printer.local/",
    "http://db.internal/",
    "http://nas.home.arpa/",
    "http://app.localhost:3000/",
    "http://user:secret@127.0.0.1/",
    "http://127.0.0.1./",
    "http://[broken/",
]
PUBLIC = [
    "http://93.184.216.34/x",
    "https://example.org/x",
    "https://example.org./x",
    "https://1.example.org/x",
    "https://0x7f.example/",
    "https://localhost.example.org/",
    "https://mylocal/",
    "http://[2606:2800:220:1:248:1893:25c8:1946]/",
    "http://[2002:5db8:d822::]/",
    "http://[2001:0:5db8:d822:0:f227:a247:27dd]/",
    "http://[64:ff9b::93.184.216.34]/",
    "http://[::ffff:93.184.216.34]/",
    "not a url",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_private(url: str) -> None:
    """Addresses inside the network are told in whatever way they are written."""
    assert is_private(url)


@pytest.mark.parametrize("url", PUBLIC)
def test_public(url: str) -> None:
    """Names and global addresses are public."""
    assert not is_private(url)


@given(host=st.text(max_size=20))
def test_any_host_has_an_answer(host: str) -> None:
    """Whatever stands there."""
    assert is_private(f"http://{host}/") in {True, False}


def why(chain: Chain, url: str, ticket: Ticket | None = None, **meta: object) -> str | None:
    """Return why a request is refused."""
    return refusal(chain.state, Request(url, meta=dict(meta)), ticket)


def test_private_addresses_by_policy(make_chain: Callable[..., Chain]) -> None:
    """same: for pages that are inside, too. allow: for all. refuse: for none. A spider's own requests are its own."""
    inside, outside = Ticket(page_is_private=True), Ticket()
    same = make_chain()
    assert why(same, "http://10.0.0.1/x", inside) is None
    assert why(same, "http://10.0.0.1/x", outside) == "private_address"
    assert why(same, "https://example.org/x", outside) is None
    assert why(same, "http://10.0.0.1/x") is None


def test_private_addresses_allowed(make_chain: Callable[..., Chain]) -> None:
    """The policy may allow them."""
    assert why(make_chain("records: {private_addresses: allow}\n"), "http://127.0.0.1/", Ticket()) is None


def test_private_addresses_refused(make_chain: Callable[..., Chain]) -> None:
    """The policy may refuse them even for pages inside."""
    chain = make_chain("records: {private_addresses: refuse}\n")
    assert why(chain, "http://127.0.0.1/", Ticket(page_is_private=True)) == "private_address"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "s3://b/x"])
def test_schemes_of_fetches_for_records(chain: Chain, url: str) -> None:
    """Images for records come over http and https; what a spider asks for itself is its own business."""
    assert why(chain, url, Ticket()) == "scheme"
    assert why(chain, url) is None


def test_data_urls_and_downloads_to_disk(chain: Chain) -> None:
    """These never go out, with or without a ticket."""
    for ticket in (None, Ticket(page_is_private=True)):
        assert why(chain, "data:image/png;base64,AAAA", ticket) == "data_url"
        assert why(chain, "Data:,x", ticket) == "data_url"
        assert why(chain, "ftp://example.org/x", ticket, ftp_local_filename="picture.jpg") == "ftp_local_filename"


@pytest.mark.parametrize(
    "url", [LISTED_URL, LISTED_URL.upper().replace("PICTURE.JPG", "picture.jpg"), f"{LISTED_URL}#x"]
)
def test_listed_addresses(chain: Chain, url: str) -> None:
    """A listed address is refused however it is spelled."""
    assert why(chain, url) == "url_list"
    assert why(chain, "https://listed.example/other.jpg") is None


def test_ticket_is_no_key_to_anything(chain: Chain) -> None:
    """A ticket in the meta makes the rules stricter, never weaker."""
    request = Request("http://10.0.0.1/", meta={META_KEY: Ticket()})
    assert refusal(chain.state, request, ticket_of(request)) == "private_address"
    assert ticket_of(Request("http://10.0.0.1/")) is None
