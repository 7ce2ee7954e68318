from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist.helpers import lines_of
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SALT = b"s" * 32
DIGEST = hashlib.md5(b"listed", usedforsecurity=False).digest()


def test_exact_values_are_stored_as_hmac() -> None:
    """Of an exact value HMAC-SHA-256 is stored, under a key for its algorithm, one by one or many at once."""
    sealer = Sealer(SALT, KEY)
    own = hmac.digest(KEY, b"ingest-guard/1/exact/md5\0", "sha256")
    assert sealer.seal_one("md5", DIGEST) == hmac.digest(own, DIGEST, "sha256")
    many = np.frombuffer(DIGEST * 3, np.uint8).reshape(3, -1)
    assert [row.tobytes() for row in sealer.seal("md5", many)] == [sealer.seal_one("md5", DIGEST)] * 3
    assert sealer.seal_one("sha256", DIGEST) != sealer.seal_one("md5", DIGEST)
    assert sealer.stored_size("md5") == 32
    assert Sealer(SALT, OTHER).seal_one("md5", DIGEST) != sealer.seal_one("md5", DIGEST)


def test_without_a_key_only_addresses_are_hashed() -> None:
    """An unsealed blocklist stores values as they are; digests of addresses are keyed with its salt."""
    sealer = Sealer(SALT)
    values = np.frombuffer(DIGEST, np.uint8)[None]
    assert sealer.seal("md5", values) is values
    assert sealer.seal_near("pdq", values, of_bytes=False) is values
    assert sealer.seal_one("md5", DIGEST) == DIGEST
    assert sealer.stored_size("md5") == 16
    address = hashlib.sha256(b"http://a.example/").digest()
    assert sealer.seal_one("url", address) not in {address, Sealer(b"t" * 32).seal_one("url", address)}
    assert sealer.seal_one("url", address) != sealer.seal_one("domain", address)
    assert (sealer.check, sealer.sealed) == (None, False)


@given(data=st.data(), size=st.sampled_from([8, 32]))
def test_hamming_distances_stay(data: Any, size: int) -> None:
    """Bits change places and values, the distance of any two does not."""
    raw = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=2, max_size=5))
    values = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, size)
    sealed = Sealer(SALT, KEY).seal_near("pdq", values, of_bytes=False)
    assert (np.bitwise_count(values ^ values[0]).sum(1) == np.bitwise_count(sealed ^ sealed[0]).sum(1)).all()


@given(data=st.data(), size=st.sampled_from([1, 16, 144]))
def test_distances_of_byte_vectors_stay(data: Any, size: int) -> None:
    """Bytes change places and directions, L1 and L2 of any two do not."""
    raw = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=2, max_size=5))
    values = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, size)
    sealed = Sealer(SALT, KEY).seal_near("any", values, of_bytes=True)
    for power in (1, 2):
        before, after = (np.abs(v.astype(int) - v[0].astype(int)) ** power for v in (values, sealed))
        assert (before.sum(1) == after.sum(1)).all()


def test_bits_are_exchanged_by_the_key() -> None:
    """Each algorithm and each key has an order and a mask of its own, and every bit has one place."""
    one = np.packbits(np.eye(256, dtype=np.uint8), axis=1)
    seen = {}
    for key in (KEY, OTHER):
        for name in ("pdq", "another"):
            sealed = Sealer(SALT, key).seal_near(name, one, of_bytes=False)
            bare = sealed ^ Sealer(SALT, key).seal_near(name, np.zeros((1, 32), np.uint8), of_bytes=False)
            assert (np.bitwise_count(bare).sum(1) == 1).all()
            assert (np.bitwise_or.reduce(bare) == 255).all()
            assert (bare == one).all(1).sum() < 20
            seen[key, name] = sealed.tobytes()
    assert len(set(seen.values())) == 4


def test_records_have_no_zero_digest() -> None:
    """A record's 64-bit digest depends on salt or key; 0 stands for no record."""
    digests = {Sealer(salt, key).record("member/1") for salt in (SALT, b"t" * 32) for key in (None, KEY)}
    assert len(digests) == 3
    assert all(0 < digest < 1 << 64 for digest in digests)


@pytest.fixture
def sealed(tmp_path: Path, list_file: Callable[..., Path]) -> Path:
    """Build a sealed store."""
    pdq = np.random.default_rng(1).integers(0, 256, (30, 32), dtype=np.uint8)
    more = ["url http://a.example/x", "domain b.example", "phash 0123456789abcdef"]
    build(tmp_path / "s", [ListSource("l", "plain", list_file(*lines_of(pdq, [DIGEST.hex()], *more)))], key=KEY)
    return tmp_path / "s"


def test_a_sealed_blocklist_answers_as_any_other(sealed: Path) -> None:
    """With its key it finds digests, near values, addresses and domains."""
    pdq = np.random.default_rng(1).integers(0, 256, (30, 32), dtype=np.uint8)
    with Blocklist.open(sealed, key=KEY) as opened:
        assert opened.sealed
        assert opened.match_exact({"md5": DIGEST.hex(), "sha1": "00" * 20}) == [("l", "md5")]
        assert opened.match_exact({"md5": "00" * 16}) == []
        assert opened.match_url("HTTP://a.example:80/x") == ["l"]
        assert opened.match_url("http://www.b.example/") == ["l"]
        assert opened.match_url("http://c.example/") == []
        near = pdq.copy()
        near[:, 0] ^= 0xFF
        assert opened.match_near("pdq", near)[2].tolist() == [8] * 30
        assert opened.match_near("phash", np.frombuffer(bytes.fromhex("0123456789abcdee"), np.uint8)[None])[
            2
        ].tolist() == [1]
        with pytest.raises(ValueError, match="queries"):
            opened.match_near("pdq", pdq[:, :8])


def test_the_files_alone_tell_nothing_of_an_exact_value(sealed: Path) -> None:
    """No listed value stands in any file of a sealed version, and its filter does not know the value itself."""
    where = load(sealed).where
    data = b"".join(path.read_bytes() for path in where.iterdir())
    assert DIGEST not in data
    assert DIGEST.hex().encode() not in data
    assert KEY not in data
    assert KEY.hex().encode() not in data
    assert DIGEST not in load(sealed).exact[0, "md5"]


@pytest.mark.parametrize(
    ("key", "said"), [(None, "is sealed, and opens with its key only.*list_key"), (OTHER, "sealed with another key")]
)
def test_without_its_key_it_does_not_open(sealed: Path, key: bytes | None, said: str) -> None:
    """No key, or another one, is an error and not a blocklist that knows nothing."""
    with pytest.raises(BlocklistError, match=said):
        Blocklist.open(sealed, key=key)


def test_a_key_for_an_open_list_is_refused(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """Who expects a sealed blocklist and finds another one is told."""
    build(tmp_path / "s", [ListSource("l", "plain", list_file("md5 " + DIGEST.hex()))])
    with pytest.raises(BlocklistError, match=r"is not sealed.*may have been exchanged"):
        Blocklist.open(tmp_path / "s", key=KEY)


def test_the_salt_stays_with_the_store(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """Builds into one store use one salt, so that lists of addresses can be compared; another store has another."""
    source = ListSource("l", "plain", list_file("url http://a.example/"))
    salts = []
    for name in ("s", "s", "t"):
        build(tmp_path / name, [source], confirm=True)
        salts.append(load(tmp_path / name).manifest.salt)
        report = build(tmp_path / name, [source], confirm=True)
        assert report.lists[0].changes["url"].kept == 1
    assert salts[0] == salts[1] != salts[2]
