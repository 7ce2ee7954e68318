from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode

from ingest_guard import Guard, Outcome, Policy, PolicyError
from ingest_guard.guard import allow_list
from ingest_guard.guard.allow_list import AllowList

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = encode(drawn(2), "PNG")
MD5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
PDQ = pdq_of(drawn(2))


def away(bits: int) -> str:
    """Return a PDQ that is so many bits from the image's."""
    return f"{int(PDQ, 16) ^ ((1 << bits) - 1):064x}"


def policy(folder: Path, rows: str, *, blocklist: Path | None = None, **distances: int) -> Policy:
    """Write an allow-list; return a policy that names it."""
    file = folder / "ours.txt"
    file.write_text(rows)
    keys: dict[str, Any] = {"files": (file,), "distances": distances}
    return Policy.model_validate({"blocklist": blocklist or folder, "allow": keys})


def checked(folder: Path, listed: list[tuple[str, str]], rows: str, **distances: int) -> Outcome:
    """Return what becomes of the image with some rows listed and some allowed."""
    blocklist = make_blocklist(folder / "b", {"l": listed})
    return Guard.from_policy(policy(folder, rows, blocklist=blocklist, **distances)).check(IMAGE).outcome


@pytest.mark.parametrize(
    ("rows", "distances", "outcome"),
    [
        ("", {}, Outcome.MATCH),
        (f"pdq {away(5)}", {}, Outcome.MATCH),
        (f"pdq {away(3)}", {}, Outcome.NO_KNOWN_MATCH),
        (f"pdq {away(8)}", {"pdq": 5}, Outcome.NO_KNOWN_MATCH),
        (f"pdq {away(9)}", {"pdq": 5}, Outcome.MATCH),
        (f"md5 {MD5}", {"pdq": 31}, Outcome.MATCH),
    ],
)
def test_near_entries_within_the_distance_never_match(
    tmp_path: Path, rows: str, distances: dict[str, int], outcome: Outcome
) -> None:
    """An entry three bits away from the image counts until a value near enough to the entry is allowed."""
    assert checked(tmp_path, [("pdq", away(3))], rows, **distances) is outcome


def test_allowed_digests_never_match(tmp_path: Path) -> None:
    """An equal digest is allowed, another algorithm's of the same image is not."""
    sha1 = hashlib.sha1(IMAGE, usedforsecurity=False).hexdigest()
    listed = [("md5", MD5)]
    assert checked(tmp_path, listed, f"md5 {MD5}\n") is Outcome.NO_KNOWN_MATCH
    (tmp_path / "2").mkdir()
    assert checked(tmp_path / "2", listed, f"sha1 {sha1}\n") is Outcome.MATCH
    (tmp_path / "3").mkdir()
    assert checked(tmp_path / "3", [*listed, ("sha1", sha1)], f"md5 {MD5}\n") is Outcome.MATCH


def test_addresses_may_be_allowed(tmp_path: Path) -> None:
    """A listed address that is allowed is on no list; a domain is allowed as a domain alone."""
    rows = [("url", "https://a.example/x"), ("domain", "b.example")]
    blocklist = make_blocklist(tmp_path / "b", {"l": rows})
    allowed = policy(tmp_path, "url HTTPS://A.example:443/x\n", blocklist=blocklist)
    held = Guard.from_policy(allowed).blocklist
    assert held.match_url("https://a.example/x") == []
    assert held.match_url("https://www.b.example/") == ["l"]
    allowed = policy(tmp_path, "domain b.example\n", blocklist=blocklist)
    assert Guard.from_policy(allowed).blocklist.match_url("https://www.b.example/") == []


def test_what_it_takes_out_is_counted(tmp_path: Path) -> None:
    """Per list and algorithm."""
    blocklist = make_blocklist(
        tmp_path / "b", {"l": [("pdq", PDQ), ("pdq", away(2)), ("md5", MD5)], "m": [("md5", MD5)]}
    )
    guard = Guard.from_policy(policy(tmp_path, f"pdq {PDQ}\nmd5 {MD5}\n", blocklist=blocklist, pdq=1))
    assert dict(guard.blocklist.allowed) == {("l", "pdq"): 1, ("l", "md5"): 1, ("m", "md5"): 1}


def test_it_is_attested_and_part_of_the_check_set(tmp_path: Path) -> None:
    """A record says how long the allow-list was, and which; another one, or distance, is another check set."""
    blocklist = make_blocklist(tmp_path / "b", {"l": [("md5", MD5)]})
    rows = (f"pdq {PDQ}\n", f"pdq {PDQ}\nmd5 {MD5}\n")
    found = [Guard.from_policy(policy(tmp_path, each, blocklist=blocklist)).attestation for each in ("", *rows)]
    wider = Guard.from_policy(policy(tmp_path, rows[0], blocklist=blocklist, pdq=3)).attestation
    assert "allow_list" not in found[0]
    assert [each["allow_list"]["entries"] for each in found[1:]] == [1, 2]
    assert len({each["check_set"] for each in [*found, wider]}) == 4
    assert len({each["allow_list"]["digest"] for each in [*found[1:], wider]}) == 3


def test_where_it_lies_decides_nothing(tmp_path: Path) -> None:
    """The same values in other files, order and case are the same allow-list."""
    blocklist = make_blocklist(tmp_path / "b", {"l": [("md5", MD5)]})
    first = Guard.from_policy(policy(tmp_path, f"pdq {PDQ}\nmd5 {MD5}\n", blocklist=blocklist)).attestation
    (tmp_path / "a.txt").write_text(f"md5 {MD5.upper()}\n")
    (tmp_path / "z.txt").write_text(f"pdq {PDQ}\npdq {PDQ}\n")
    files = (tmp_path / "a.txt", tmp_path / "z.txt")
    second = Policy.model_validate({"blocklist": blocklist, "allow": {"files": files}})
    assert Guard.from_policy(second).attestation == first


def test_it_comes_back_as_it_was_handed_over(tmp_path: Path) -> None:
    """Another process gets the very same values."""
    allowed = AllowList.read(policy(tmp_path, f"pdq {PDQ}\npdq {away(3)}\nmd5 {MD5}\n", pdq=4))
    again = AllowList.from_json(allowed.to_json())
    assert (again.digest, again.count, again.distances) == (allowed.digest, 3, {"pdq": 4})
    assert PDQ not in repr(allowed)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("md5 00\n# ok\nnonsense\n", r"2 rows cannot be used \(line 1, 3\)"),
        ("x\n" * 9, r"9 rows cannot be used \(line 1, 2, 3, 4, 5, ...\)"),
        ("url x\n", "line 1"),
        ("domain co.uk\n", "line 1"),
        (f"url https://\u00fc{'a' * 70}.example/\n", r"1 rows cannot be used \(line 1\)"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, rows: str, problem: str) -> None:
    """An allow-list is read to the letter: what was meant to be allowed and is not would be dropped unseen."""
    with pytest.raises(PolicyError, match=problem):
        AllowList.read(policy(tmp_path, rows))


def test_file_that_is_missing(tmp_path: Path) -> None:
    """The error names the key and the file."""
    missing = Policy.model_validate({"blocklist": tmp_path, "allow": {"files": (tmp_path / "absent.txt",)}})
    with pytest.raises(PolicyError, match=r"key allow\.files: .*absent\.txt"):
        AllowList.read(missing)


@pytest.mark.parametrize(
    ("name", "distance", "problem"),
    [
        ("pdq", 32, "at most 31"),
        ("phash", 9, "at most 8"),
        ("md5", 1, "no algorithm that compares"),
        ("x", 0, "names x"),
    ],
)
def test_distances_that_cannot_be(tmp_path: Path, name: str, distance: int, problem: str) -> None:
    """Wider than a match, of digests, or of nothing known."""
    with pytest.raises(PolicyError, match=problem):
        AllowList.read(policy(tmp_path, "", **{name: distance}))


def test_it_has_a_longest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for findings, not another list."""
    monkeypatch.setattr(allow_list, "_MOST_VALUES", 2)
    with pytest.raises(PolicyError, match="3 values, more than the 2"):
        AllowList.read(policy(tmp_path, f"pdq {PDQ}\npdq {away(3)}\nmd5 {MD5}\n"))
