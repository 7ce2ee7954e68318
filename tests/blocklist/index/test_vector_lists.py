from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist.helpers import poke
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.blocklist.blocklist import Blocklist, Rule
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.index.vectors import VectorIndex
from ingest_guard.blocklist.parts.near import Origins, VectorLists
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest_guard.blocklist.build.report import BuildReport


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 60), st.integers(0, 5), st.sampled_from([1, 3, 16, 144])),
    distance=st.sampled_from(["l1", "l2"]),
    shares=st.lists(st.floats(0, 0.3), min_size=3, max_size=3),
    caps=st.none() | st.integers(0, 400),
    gone_share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_the_same_is_found_as_by_hand(
    *, sizes: tuple[int, int, int], distance: Any, shares: list[float], caps: int | None, gone_share: float, seed: int
) -> None:
    """Each entry within its list's threshold and its query's cap is found, no other; distances are rounded up."""
    count, asked, length = sizes
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 256, (3, length))
    near = [np.clip(bases[rng.integers(0, 3, n)] + rng.integers(-9, 10, (n, length)), 0, 255) for n in (count, asked)]
    values, queries = (each.astype(np.uint8) for each in near)
    owners = rng.integers(0, 3, count).astype("<u2")
    largest = 255 * length if distance == "l1" else 255 * length**0.5
    thresholds = [share**2 * largest for share in shares]
    limits = None if caps is None else np.arange(caps, caps + asked)
    gone = np.flatnonzero(rng.random(count) < gone_share)
    lists = VectorLists(VectorIndex.build(values), Origins(owners, np.array([2, 0, 1]), gone), length, distance)
    # A list's number in the index is not its number in the manifest.
    within = np.array([thresholds[1], thresholds[2], thresholds[0]])
    query, part, apart_by, entry = lists.search(queries, within, limits)
    numbers = np.array([1, 2, 0])[part]
    found = sorted(zip(query.tolist(), entry.tolist(), numbers.tolist(), apart_by.tolist(), strict=True))
    expected = []
    for number, query in enumerate(queries.astype(int).tolist()):
        for row, (value, owner) in enumerate(zip(values.astype(int).tolist(), owners.tolist(), strict=True)):
            differences = [abs(one - other) for one, other in zip(query, value, strict=True)]
            apart = sum(differences) if distance == "l1" else sum(each**2 for each in differences) ** 0.5
            if row not in gone and apart <= thresholds[owner] and (limits is None or apart <= limits[number]):
                expected.append((number, row, owner, int(-(-apart // 1))))
    assert found == sorted(expected)


@pytest.fixture
def vectors() -> np.ndarray:
    """Return twenty vectors of 144 bytes."""
    return np.random.default_rng(3).integers(1, 250, (20, 144), dtype=np.uint8)


@pytest.fixture
def built(tmp_path: Path, plugins: Path, list_file: Callable[..., Path], vectors: np.ndarray) -> BuildReport:
    """Build two lists of vectors that share some; the second with a threshold of its own, which is no whole number."""
    rows = [f"toy_grid {row.tobytes().hex()}" for row in vectors]
    one = list_file(*rows[:12], "md5 " + "ab" * 16, "toy_file " + "0f" * 16, name="one.txt")
    two = list_file(*rows[8:], name="two.txt")
    sources = [ListSource("one", "plain", one), ListSource("two", "plain", two)]
    return build(tmp_path / "store", sources, thresholds={"two": {"toy_grid": 10.5}})


def test_each_list_has_its_own_threshold(built: BuildReport, vectors: np.ndarray) -> None:
    """A vector on both lists matches each within that list's own; queries come with caps as other values do."""
    opened = Blocklist.open(built.folder)
    assert [dict(info.thresholds) for info in opened.lists] == [{"toy_file": 2.5, "toy_grid": 700}, {"toy_grid": 10.5}]
    assert dict(opened.near_distances) == {"toy_file": "l2", "toy_grid": "l1"}
    queries = vectors[[9, 9, 15, 0]]
    queries[1:, 0] += 5
    queries[1:3, 1:7] += 1  # eleven in all
    query, owner, distance = opened.match_near("toy_grid", queries)
    found = list(zip(query.tolist(), owner.tolist(), distance.tolist(), strict=True))
    assert found == [(0, 0, 0), (0, 1, 0), (1, 0, 11), (3, 0, 5)]
    assert distance.dtype == np.int64
    assert opened.match_near("toy_grid", queries, [9, 10, 9, 5])[0].tolist() == [0, 0, 3]
    narrow = opened.select({"two": Rule(thresholds={"toy_grid": 11}), "one": Rule(thresholds={"toy_grid": 4})})
    assert narrow.match_near("toy_grid", queries)[1].tolist() == [0, 1, 1, 1]


def test_wrong_questions_are_refused(built: BuildReport, vectors: np.ndarray) -> None:
    """Other lengths and caps below zero are mistakes of the caller."""
    opened = Blocklist.open(built.folder)
    with pytest.raises(ValueError, match="queries have 100 bytes"):
        opened.match_near("toy_grid", vectors[:, :100])
    with pytest.raises(ValueError, match="caps"):
        opened.match_near("toy_grid", vectors[:2], [0, -1])


def test_a_closed_blocklist_raises(built: BuildReport, vectors: np.ndarray) -> None:
    """After closing, vectors are not looked up either."""
    opened = Blocklist.open(built.folder)
    opened.close()
    with pytest.raises(BlocklistError, match="closed"):
        opened.match_near("toy_grid", vectors)


def test_consent_is_needed_beyond_the_default(tmp_path: Path, plugins: Path, list_file: Callable[..., Path]) -> None:
    """What the plug-in's author calls a match is the sound limit; anything below the largest distance takes consent."""
    source = ListSource("l", "plain", list_file("toy_file " + "0f" * 16))
    wanted = {"l": {"toy_file": 30.25}}
    with pytest.raises(
        BlocklistError, match=r"list l, toy_file: an l2 distance of 30.25 .* at most 2.5, or set accept"
    ):
        build(tmp_path / "s", [source], thresholds=wanted)
    build(tmp_path / "s", [source], thresholds=wanted, accept_false_matches=True)
    opened = Blocklist.open(tmp_path / "s")
    query = np.full((1, 16), 15 + 7, np.uint8)
    assert opened.match_near("toy_file", query)[2].tolist() == [28]


def test_any_changed_byte_is_refused(built: BuildReport, tmp_path: Path) -> None:
    """The vectors' files are verified as all others are."""
    folder = tmp_path / "store" / "versions" / built.version
    names = {path.name for path in folder.glob("toy_*")}
    parts = ("values", "entries", "sums", "parts", "owners")
    assert names == {f"{name}.{part}.npy" for name in ("toy_file", "toy_grid") for part in parts}
    for name in sorted(names):
        poke(folder / name, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BlocklistError, match=f"{name} was changed"):
            Blocklist.open(tmp_path / "store")
        poke(folder / name, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    Blocklist.open(tmp_path / "store").close()


def swapped(raw: dict[str, Any]) -> None:
    """Exchange two of an index's files."""
    arrays = raw["vectors"]["toy_grid"][0]["arrays"]
    arrays["sums"], arrays["parts"] = arrays["parts"], arrays["sums"]


def doubled(raw: dict[str, Any]) -> None:
    """Claim that a plug-in's values are bits and vectors at a time; with files enough for both."""
    index = {"bytes": 144, "entries": 1, "max_distance": 5, "widths": [], "arrays": {}, "owners": "toy_file.owners.npy"}
    index["parts"] = [0]
    raw["indexes"]["toy_grid"] = [{**index, "arrays": raw["vectors"].pop("toy_file")[0]["arrays"]}]
    raw["lists"][0]["counts"].pop("toy_file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw["vectors"]["toy_grid"][0].update(bytes=143), "no index of that size"),
        (lambda raw: raw["vectors"]["toy_grid"][0].update(entries=23), "its size is not the index's"),
        (lambda raw: raw["vectors"]["toy_grid"][0].update(distance="l3"), "not a manifest"),
        (lambda raw: raw["vectors"].update({"../up": raw["vectors"].pop("toy_grid")}), "not a manifest"),
        (lambda raw: raw["vectors"].update(pdq=raw["vectors"].pop("toy_grid")), "do not fit"),
        (lambda raw: raw["lists"][0]["counts"].update(toy_grid=11), "counts other values"),
        (lambda raw: raw["lists"][0]["thresholds"].update(toy_grid=-0.5), "not a manifest"),
        (lambda raw: raw["lists"][0]["thresholds"].update(toy_grid=float("inf")), "not a manifest"),
        (lambda raw: raw["lists"][0]["thresholds"].pop("toy_grid"), "do not fit"),
        (swapped, "these arrays are no index: .* do not belong together"),
        (doubled, "toy_grid has two indexes"),
    ],
)
def test_a_version_that_contradicts_itself_is_refused(
    built: BuildReport, tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    """A manifest that does not fit the vectors' files is refused, true digest or not; no plug-in is needed for that."""
    folder = tmp_path / "store" / "versions" / built.version
    raw = json.loads((folder / "manifest.json").read_bytes())
    change(raw)
    poke(folder / "manifest.json", lambda _: json.dumps(raw).encode())
    version = manifests.version_of((folder / "manifest.json").read_bytes())
    folder.rename(folder.parent / version)
    poke(tmp_path / "store" / "current", lambda _: version.encode() + b"\n")
    with pytest.raises(BlocklistError, match=said):
        Blocklist.open(tmp_path / "store")
