from __future__ import annotations

import pytest

from ingest_guard.urls.registrable import domain_of


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://a.b.example.co.uk/x?y", "example.co.uk"),
        ("http://EXAMPLE.com.:8080/", "example.com"),
        ("http://user.github.io/", "github.io"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://localhost/", "localhost"),
        ("http://co.uk/", "co.uk"),
        ("data:image/png;base64,", ""),
        ("http://[broken", ""),
    ],
)
def test_registrable_domains(url: str, domain: str) -> None:
    """The registries' suffixes count, users of one service are one domain, and an address is one by itself."""
    assert domain_of(url) == domain
