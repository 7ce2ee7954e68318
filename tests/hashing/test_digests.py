from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.hashing.digests import DIGESTS, digests


@given(st.binary())
def test_digests_are_those_that_lists_hold(data: bytes) -> None:
    """MD5, SHA-1 and SHA-256 as lower-case hex, in that order."""
    expected = {name: getattr(hashlib, name)(data).hexdigest() for name in ("md5", "sha1", "sha256")}
    assert digests(data) == expected
    assert tuple(digests(data)) == DIGESTS


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind: type) -> None:
    """A body may come as bytes or as a view of a larger buffer."""
    assert digests(kind(b"abc"))["md5"] == "900150983cd24fb0d6963f7d28e17f72"
    assert digests(memoryview(b"xabcx")[1:4]) == digests(b"abc")


def test_a_fips_build_may_refuse_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each digest is asked for as one that protects nothing, which is what FIPS builds of OpenSSL let through."""
    asked, real = [], hashlib.new

    def spy(name: str, data: bytes, **options: bool) -> object:
        asked.append(options)
        return real(name, data, **options)

    monkeypatch.setattr(hashlib, "new", spy)
    digests(b"")
    assert asked == [{"usedforsecurity": False}] * 3
