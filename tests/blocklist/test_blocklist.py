from __future__ import annotations

import gc
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist.helpers import lines_of, poke

from ingest_guard.blocklist import list_info as soundness
from ingest_guard.blocklist.blocklist import Blocklist, Rule
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import manifest
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocklist.helpers import Made


def flipped(value: np.ndarray, bits: int) -> np.ndarray:
    """Return a value with its first bits flipped."""
    unpacked = np.unpackbits(value)
    unpacked[:bits] ^= 1
    return np.packbits(unpacked)


def test_it_says_what_it_holds(made: Made) -> None:
    """Version, age, lists and algorithms of an opened blocklist are what was built."""
    with Blocklist.open(made.folder) as opened:
        (info,) = opened.lists
        assert opened.version == made.report.version
        assert datetime.now(UTC) - opened.created < timedelta(minutes=5)
        assert (info.id, info.owner, info.source) == ("known", "an operator", "plain:list.txt")
        assert dict(info.counts) == {"md5": 20, "pdq": 40, "phash": 1, "sha256": 1, "url": 1}
        assert dict(info.thresholds) == {"pdq": 31, "phash": 4}
        assert len(info.version) == 64
        assert opened.exact_algorithms == {"md5", "sha256"}
        assert opened.near_algorithms == {"pdq", "phash"}
        assert dict(opened.near_sizes) == {"pdq": 32, "phash": 8}


@pytest.mark.parametrize("as_text", [False, True])
def test_a_versions_own_folder_opens(made: Made, as_text: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The store, and each version's own folder, given as a path or as text, open alike."""
    folder = str(made.version_folder) if as_text else made.version_folder
    assert Blocklist.open(folder).version == Blocklist.open(made.folder).version


def test_exact_matches(made: Made) -> None:
    """Every listed digest is found, in either case, and no other."""
    opened = Blocklist.open(made.folder)
    listed = hashlib.sha256(b"listed").hexdigest()
    for value in made.md5:
        assert opened.match_exact({"md5": value, "sha1": "0" * 40}) == [("known", "md5")]
    assert opened.match_exact({"md5": made.md5[0].upper(), "sha256": listed}) == [("known", "md5"), ("known", "sha256")]
    assert opened.match_exact({"md5": "0" * 32, "sha256": "0" * 64}) == []
    assert opened.match_exact({"url": "https://example.org/listed.jpg"}) == []
    assert opened.match_exact({}) == []


def test_url_matches(made: Made) -> None:
    """A listed address is found however it is spelled; what is no address is not."""
    opened = Blocklist.open(made.folder)
    assert opened.match_url("HTTPS://Example.org:443/x/../listed.jpg#top") == ["known"]
    assert opened.match_url("https://example.org/other.jpg") == []
    assert opened.match_url("listed.jpg") == []


@pytest.fixture
def two(tmp_path: Path, made: Made, list_file: Callable[..., Path]) -> Made:
    """Build a store of two lists that share some PDQ values; the second within 10 bits only, and without MD5."""
    one = list_file(*lines_of(made.pdq[:30], made.md5), name="one.txt")
    other = list_file(*lines_of(made.pdq[20:], []), name="other.txt")
    sources = [ListSource("one", "plain", one), ListSource("other", "plain", other)]
    made.report = build(made.folder, sources, thresholds={"other": {"pdq": 10}}, accept=True)
    return made


def test_each_list_has_its_own_threshold(two: Made) -> None:
    """A value on both lists matches each of them within that list's threshold."""
    opened = Blocklist.open(two.folder)
    assert [info.id for info in opened.lists] == ["one", "other"]
    queries = np.stack([two.pdq[25], flipped(two.pdq[25], 10), flipped(two.pdq[25], 11), flipped(two.pdq[35], 11)])
    query, owner, distance = opened.match_near("pdq", queries)
    assert list(zip(query.tolist(), owner.tolist(), distance.tolist(), strict=True)) == [
        (0, 0, 0),
        (0, 1, 0),
        (1, 0, 10),
        (1, 1, 10),
        (2, 0, 11),
    ]
    assert [column.dtype for column in (query, owner, distance)] == [np.int64, np.int64, np.int16]


def test_caps_lower_thresholds_and_never_raise_them(two: Made) -> None:
    """A query's cap makes matches fewer; one above the threshold changes nothing."""
    opened = Blocklist.open(two.folder)
    queries = np.stack([flipped(two.pdq[0], bits) for bits in (5, 20, 31, 32)])
    assert opened.match_near("pdq", queries)[0].tolist() == [0, 1, 2]
    assert opened.match_near("pdq", queries, [4, 20, 200, 200])[0].tolist() == [1, 2]
    assert opened.match_near("pdq", queries, np.array([5, 19, 30, 31]))[0].tolist() == [0]
    with pytest.raises(ValueError, match="max_distance"):
        opened.match_near("pdq", queries, [-1, 0, 0, 0])


def test_near_matches_of_64_bit_hashes(made: Made) -> None:
    """A pHash matches within 4 bits and not at 5."""
    opened = Blocklist.open(made.folder)
    value = np.frombuffer(bytes.fromhex("0123456789abcdef"), np.uint8)
    queries = np.stack([flipped(value, bits) for bits in (0, 4, 5)])
    assert opened.match_near("phash", queries)[2].tolist() == [0, 4]


def test_an_algorithm_that_no_list_holds_finds_nothing(made: Made) -> None:
    """Asking for whash where no list has any is no error."""
    found = Blocklist.open(made.folder).match_near("whash", np.zeros((2, 8), np.uint8))
    assert [column.tolist() for column in found] == [[], [], []]
    with pytest.raises(ValueError, match="queries"):
        Blocklist.open(made.folder).match_near("pdq", np.zeros((2, 8), np.uint8))


def test_thresholds_of_a_policy(two: Made) -> None:
    """Thresholds of a rule change what matches, in the copy alone."""
    opened = Blocklist.open(two.folder)
    stricter = opened.select({"one": Rule(thresholds={"pdq": 0}), "other": Rule(thresholds={"pdq": 31, "phash": 8})})
    query = flipped(two.pdq[25], 11)[None]
    assert stricter.match_near("pdq", query)[1].tolist() == [1]
    assert opened.match_near("pdq", query)[1].tolist() == [0]
    assert dict(stricter.lists[0].thresholds) == {"pdq": 0}
    assert dict(opened.lists[0].thresholds) == {"pdq": 31}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"nobody": {"pdq": 5}}, "list 'nobody'.*it holds: known"),
        ({"known": {"pdq": 40}}, "list known, pdq: 40.*built for at most 31.*rebuild"),
        ({"known": {"phash": 9}}, "built for at most 8"),
        ({"known": {"md5": 0}}, "compared exactly"),
        ({"known": {"photodna": 1}}, "unknown algorithm"),
        ({"known": {"pdq": -1}}, "whole number"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(made: Made, overrides: Any, said: str) -> None:
    """A list, algorithm or distance that the blocklist does not have is an error, not ignored."""
    with pytest.raises(BlocklistError, match=said):
        Blocklist.open(made.folder).select({name: Rule(thresholds=each) for name, each in overrides.items()})


def test_a_closed_blocklist_raises(made: Made) -> None:
    """After closing nothing is looked up any more: an answer would be "not listed"."""
    opened = Blocklist.open(made.folder)
    opened.close()
    opened.close()
    for ask in (
        lambda: opened.match_exact({"md5": made.md5[0]}),
        lambda: opened.match_near("pdq", made.pdq),
        lambda: opened.match_url("https://example.org/"),
        lambda: opened.select({}),
    ):
        with pytest.raises(BlocklistError, match="closed"):
            ask()


def test_closing_unmaps_the_files(made: Made) -> None:
    """A closed blocklist holds no file in memory, so that a swapped-out version can go."""
    maps = Path("/proc/self/maps")
    opened = Blocklist.open(made.folder)
    assert made.report.version in maps.read_text(encoding="utf-8")
    opened.close()
    del opened
    gc.collect()
    assert made.report.version not in maps.read_text(encoding="utf-8")


def test_an_empty_blocklist_is_refused_unless_allowed(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """No list, and a list without entries, open with allow_empty only."""
    build(tmp_path / "none", [], allow_empty=True)
    with pytest.raises(BlocklistError, match=r"holds no list.*allow_empty: true"):
        Blocklist.open(tmp_path / "none")
    assert Blocklist.open(tmp_path / "none", allow_empty=True).lists == ()
    full = list_file("md5 " + "ab" * 16)
    empty = list_file("# nothing", name="empty.txt")
    build(tmp_path / "one", [ListSource("full", "plain", full), ListSource("void", "plain", empty)], allow_empty=True)
    with pytest.raises(BlocklistError, match=r"list void has no entry.*allow_empty: true"):
        Blocklist.open(tmp_path / "one")
    opened = Blocklist.open(tmp_path / "one", allow_empty=True)
    assert opened.match_exact({"md5": "ab" * 16}) == [("full", "md5")]
    assert opened.match_url("http://example.org") == []


def test_a_stale_blocklist_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is older than allowed, or from the future, does not open and says how old it is."""
    Blocklist.open(made.folder, max_age=timedelta(days=1)).close()
    built = Blocklist.open(made.folder).created

    def at(moment: datetime) -> None:
        clock = type("Clock", (datetime,), {"now": classmethod(lambda *_: moment)})
        monkeypatch.setattr(soundness, "datetime", clock)

    at(built + timedelta(days=8))
    with pytest.raises(BlocklistError, match=r"is 8 days old, more than the 7 days allowed.*blocklist build"):
        Blocklist.open(made.folder, max_age=timedelta(days=7))
    with pytest.raises(BlocklistError, match="more than the 30 minutes allowed"):
        Blocklist.open(made.folder, max_age=timedelta(minutes=30))
    with pytest.raises(BlocklistError, match="more than the 5 seconds allowed"):
        Blocklist.open(made.folder, max_age=timedelta(seconds=5))
    at(built - timedelta(hours=3))
    with pytest.raises(BlocklistError, match="3 hours in the future"):
        Blocklist.open(made.folder, max_age=timedelta(days=7))
    Blocklist.open(made.folder).close()


def forge(made: Made, change: Callable[[dict[str, Any]], object]) -> None:
    """Write another manifest, as whoever owns the store could, and point to it."""
    path = made.version_folder / "manifest.json"

    def rewritten(data: bytes) -> bytes:
        raw = json.loads(data)
        change(raw)
        return json.dumps(raw).encode()

    poke(path, rewritten)
    version = manifest.version_of(path.read_bytes())
    made.version_folder.rename(made.version_folder.parent / version)
    poke(made.folder / "current", lambda _: version.encode() + b"\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw["lists"][0]["counts"].update(md5=19), "counts other values"),
        (lambda raw: raw["lists"][0]["counts"].update(pdq=39), "counts other values"),
        (lambda raw: raw["lists"][0]["counts"].update(sha1=1), "do not fit"),
        (lambda raw: raw["lists"][0]["counts"].update(mystery=1), "do not fit"),
        (lambda raw: raw["lists"][0]["exact"].update(mystery=raw["lists"][0]["exact"].pop("md5")), "do not fit"),
        (
            lambda raw: [
                raw["lists"][0][key].update(mystery=raw["lists"][0][key].pop("md5")) for key in ("counts", "exact")
            ],
            "do not fit",
        ),
        (lambda raw: raw["indexes"].update(mystery=raw["indexes"].pop("phash")), "do not fit"),
        (lambda raw: raw["lists"][0]["thresholds"].update(pdq=30.5), "no number of bits"),
        (
            lambda raw: (raw["lists"][0]["counts"].update(phash=0), raw["lists"][0]["thresholds"].pop("phash")),
            "counts other values",
        ),
        (lambda raw: raw["lists"][0]["thresholds"].pop("pdq"), "do not fit"),
        (lambda raw: raw["lists"][0]["thresholds"].update(pdq=32), "larger than the index was built for"),
        (lambda raw: raw["indexes"]["pdq"][0].update(entries=42), "size is not the index's"),
        (lambda raw: raw["indexes"]["pdq"][0].update(bytes=8), "another size or kind"),
        (lambda raw: raw["indexes"]["pdq"][0].update(max_distance=257), "no index"),
        (lambda raw: raw["indexes"]["pdq"][0].update(owners="phash.owners.npy"), "belongs"),
        (lambda raw: raw["indexes"].update(pdq=raw["indexes"]["phash"], phash=raw["indexes"]["pdq"]), "size"),
        (lambda raw: raw.update(lists=[]), "belongs"),
        (
            lambda raw: raw["lists"].insert(0, {**raw["lists"][0], "counts": {}, "exact": {}, "id": "a"}),
            "counts other",
        ),
    ],
)
def test_a_version_that_contradicts_itself_is_refused(
    made: Made, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    """A manifest with a true digest that does not fit its files is refused all the same."""
    forge(made, change)
    with pytest.raises(BlocklistError, match=said):
        Blocklist.open(made.folder)


def test_nothing_listed_is_shown(made: Made) -> None:
    """Neither an opened blocklist nor what it says of its lists shows a value."""
    opened = Blocklist.open(made.folder)
    shown = repr(opened) + repr(opened.lists) + "\n".join(made.report.lines()) + json.dumps(made.report.to_json())
    assert not any(value in shown for value in made.md5)
    assert not any(row.tobytes().hex() in shown for row in made.pdq)


def test_another_process_finds_the_same(made: Made) -> None:
    """A fresh process, as a worker is, opens the same folder and finds the same."""
    code = (
        "import sys; from ingest_guard.blocklist.blocklist import Blocklist;"
        "print(Blocklist.open(sys.argv[1]).match_exact({'md5': sys.argv[2]}))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, made.folder, made.md5[3]], capture_output=True, check=True, text=True
    )
    assert out.stdout.strip() == "[('known', 'md5')]"
