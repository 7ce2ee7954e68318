from __future__ import annotations

import hashlib
import sys

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import record

from ingest_guard.dataset.records.layouts import NAMES, absolute_url, laion_hash, load_mmh3, outfit
from ingest_guard.dataset.records.schema import COLUMNS
from ingest_guard.errors import SetupError


def test_native_rows_are_records() -> None:
    """The native outfit changes nothing, and says None for what a record does not have."""
    assert outfit("native").row(record(1)) == record(1)
    assert list(outfit("native").row(record(1))) == [column.name for column in COLUMNS]
    without = record(1)
    del without["language"]
    assert outfit("native", hashes=("phash",)).row(without) == {**record(1), "language": None, "phash": None}


def test_laion_rows_have_the_columns_of_its_metadata() -> None:
    """Names, order and types of LAION-5B's joined tables without the scores of models, and what was checked."""
    laion = outfit("laion")
    row = laion.row(record(7))
    assert list(row)[:6] == ["URL", "TEXT", "WIDTH", "HEIGHT", "LANGUAGE", "hash"]
    assert [column.type for column in laion.columns[:6]] == ["string", "string", "int32", "int32", "string", "int64"]
    source = record(7)
    assert (row["URL"], row["TEXT"], row["WIDTH"], row["LANGUAGE"]) == (source["url"], source["alt"], 647, "en")
    assert row["hash"] == mmh3.hash64((source["url"] + source["alt"]).encode())[0]
    assert {name: row[name] for name in ("uid", "md5", "pdq", "attestation")} == {
        name: source[name] for name in ("uid", "md5", "pdq", "attestation")
    }


def test_img2dataset_rows_have_the_names_that_it_looks_for() -> None:
    """Url, caption and md5 need no option of img2dataset."""
    row = outfit("img2dataset").row(record(7))
    source = record(7)
    assert (row["url"], row["caption"], row["md5"]) == (source["url"], source["alt"], source["md5"])
    assert "alt" not in row


@pytest.mark.parametrize(
    ("url", "page", "expected"),
    [
        ("https://a.example/x.jpg", "https://b.example/", "https://a.example/x.jpg"),
        ("x.jpg?a=1", "https://b.example/dir/page", "https://b.example/dir/x.jpg?a=1"),
        ("//c.example/x.jpg", "https://b.example/", "https://c.example/x.jpg"),
        ("x.jpg", None, "https://final.example/x.jpg"),
        ("http//[x", "https://[", "https://final.example/x.jpg"),
    ],
)
def test_addresses_for_other_tools_are_absolute(url: str, page: str | None, expected: str) -> None:
    """Who has the shard alone can fetch the image."""
    made = record(1, url=url, page_url=page, final_url="https://final.example/x.jpg")
    assert absolute_url(made) == expected
    assert outfit("laion").row(made)["URL"] == outfit("img2dataset").row(made)["url"] == expected


def test_all_outfits_keep_what_recheck_needs() -> None:
    """Whatever the outfit, a record can be found again and compared with a new list."""
    for name in NAMES:
        names = {column.name for column in outfit(name, hashes=("phash",), all_hashes=True).columns}
        assert {"uid", "md5", "sha1", "sha256", "pdq", "pdq_quality", "phash", "hashes", "attestation"} <= names


def test_an_unknown_outfit_is_an_error_that_names_the_others() -> None:
    """The text says which setting to change, and to what."""
    with pytest.raises(SetupError, match=r"INGEST_GUARD_OUTFIT to native, laion, img2dataset"):
        outfit("coyo")


def test_the_key_is_that_of_laions_tables() -> None:
    """The first 64 bits of MurmurHash3 (x64, 128 bits, seed 0), as its reference implementation has them."""
    assert load_mmh3().hash64(b"hello")[0] % 2**64 == 0xCBD8A7B341BD9B02


def test_without_mmh3_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a row is made, and before: the columns are known without it, so that a shard can be read."""
    monkeypatch.setitem(sys.modules, "mmh3", None)
    laion = outfit("laion")
    with pytest.raises(SetupError, match=r'pip install "ingest-guard\[laion\]"'):
        laion.row(record(1))


@given(st.text(max_size=20))
def test_any_text_has_a_laion_hash(alt: str) -> None:
    """Halves of characters too: such a text is no reason to lose a record."""
    assert -(2**63) <= laion_hash(record(1, alt=alt)) < 2**63


def test_the_laion_hash_is_not_the_uid() -> None:
    """One is of URL + TEXT, the other of alt + url."""
    made = record(3)
    assert made["uid"] == hashlib.md5((made["alt"] + made["url"]).encode(), usedforsecurity=False).hexdigest()
    assert laion_hash(made) != int(made["uid"][:16], 16)
