from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist import journals
from blocklist.journals import MD5, PDQ, Model, Record, source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build import build as builds
from ingest_guard.blocklist.build import collect
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.blocklist.parts.contents import stored_values
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store import draft as publish
from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.errors import BlocklistError, ListFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def toy_format() -> Iterator[None]:
    """Make the toy format known."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (collect, builds):
            before = module.reader
            patched.setattr(
                module, "reader", lambda name, before=before: journals.read if name == "toy" else before(name)
            )
        yield


def stored(folder: Path) -> dict[tuple[str | None, str], set[bytes]]:
    """Return the values that the current version stores of the one list, by severity and algorithm."""
    loaded = load(folder)
    found: dict[tuple[str | None, str], set[bytes]] = {}
    for number, entry in enumerate(loaded.manifest.lists):
        if entry.id == CANARY:
            continue
        for name, count in entry.counts.items():
            values = stored_values(loaded, number, name, 0)
            assert values is not None
            assert len(values) == len(values.all()) == count
            if count:
                found[entry.severity, name] = {row.tobytes() for row in values.all()}
    return found


def check(folder: Path, model: Model, key: bytes | None) -> None:
    """Hold the current version against the model: what is stored, what matches, and nothing else."""
    expected = model.held()
    by_part: dict[tuple[str | None, str], int] = {}
    for severity, name, _ in expected:
        by_part[severity, name] = by_part.get((severity, name), 0) + 1
    found = stored(folder)
    assert {part: len(values) for part, values in found.items()} == by_part
    with Blocklist.open(folder, key=key, allow_empty=True) as opened:
        for value in MD5:
            listed = any(each[1:] == ("md5", value) for each in expected)
            assert bool(opened.match_exact({"md5": value.hex()})) == listed
        query, part, distance, entry = opened.find_near("pdq", np.frombuffer(b"".join(PDQ), np.uint8).reshape(-1, 32))
        near = {(opened.lists[p].severity, "pdq", PDQ[q]) for q, p in zip(query.tolist(), part.tolist(), strict=True)}
        assert near == {value for value in expected if value[1] == "pdq"}
        assert not distance.any()
        assert len(set(entry.tolist())) == len(entry) == by_part_of(by_part, "pdq")


def by_part_of(by_part: dict[tuple[str | None, str], int], name: str) -> int:
    """Return the values of an algorithm in all parts."""
    return sum(count for (_, each), count in by_part.items() if each == name)


VALUES = st.lists(st.tuples(st.sampled_from(["md5", "pdq"]), st.integers(0, 5)), min_size=1, max_size=3).map(tuple)
SEVERITIES = st.sampled_from([None, "A1", "B2"])
KEYED = st.builds(Record, st.sampled_from("abcd"), SEVERITIES, VALUES) | st.builds(
    Record, st.sampled_from("abcd"), removed=st.just(value=True)
)
LOOSE = st.builds(Record, st.none(), SEVERITIES, VALUES)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    first=st.lists(KEYED | LOOSE, min_size=1, max_size=6),
    later=st.lists(st.lists(KEYED | LOOSE, min_size=1, max_size=5) | st.none(), max_size=4),
    key=st.sampled_from([None, KEY]),
)
def test_updates_do_what_the_book_says(
    first: list[Record], later: list[list[Record] | None], key: bytes | None
) -> None:
    """After each update and compaction, what is listed is what records that count now hold, and what had no key."""
    with TemporaryDirectory() as name:
        folder, model = Path(name) / "store", Model()
        # What no test record takes out: lists must not be empty here.
        always = Record(None, None, (("md5", 11), ("pdq", 11)))
        model.apply([always, *first])
        build(folder, [source(Path(name) / "first", [always, *first])], confirm=True, key=key)
        check(folder, model, key)
        for records in later:
            before = load(folder).manifest
            if records is None:
                compact(folder)
                after = load(folder).manifest
                assert {e.id: e.version for e in after.operators_lists} == {
                    e.id: e.version for e in before.operators_lists if e.counts.keys() and sum(e.counts.values())
                } or len(after.operators_lists) > 1
            else:
                held_before = model.held()
                model.apply(records)
                report = update(folder, [source(Path(name) / "more", records)], key=key, accept=True)
                after = load(folder).manifest
                changed = model.held() ^ held_before
                versions = [{e.severity: e.version for e in each.operators_lists} for each in (before, after)]
                assert {s for s in versions[0] if versions[0][s] != versions[1][s]} == {
                    value[0] for value in changed if value[0] in versions[0]
                }
                (told,) = report.lists
                assert told.accepted.total() == len(model.held() - held_before)
                assert sum(change.removed or 0 for change in told.changes.values()) == len(held_before - model.held())
            check(folder, model, key)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=st.lists(LOOSE, min_size=1, max_size=6),
    later=st.lists(st.tuples(st.lists(LOOSE, max_size=4), st.lists(LOOSE, max_size=4)), max_size=3),
)
def test_values_are_taken_out_by_value(first: list[Record], later: list[tuple[list[Record], list[Record]]]) -> None:
    """What is named to go goes from all severities; what comes in the same update stays."""
    with TemporaryDirectory() as name:
        folder, model = Path(name) / "store", Model()
        model.apply(first)
        build(folder, [source(Path(name) / "first", first)], confirm=True)
        for came, went in later:
            model.take_out({value[1:] for record in went for value in record.held()})
            model.apply(came)
            update(
                folder,
                [source(Path(name) / "came", came)],
                removals=[source(Path(name) / "went", went)],
                accept=True,
            )
            check(folder, model, None)


@pytest.fixture
def keyed(tmp_path: Path) -> Path:
    """Build a store with a table of keys: two records with a value in common, one with another severity."""
    records = [
        Record("a", "A1", (("md5", 0), ("pdq", 0))),
        Record("b", "A1", (("md5", 0), ("md5", 1))),
        Record("c", "B2", (("md5", 2),)),
        Record(None, "A1", (("md5", 3),)),
    ]
    build(tmp_path / "store", [source(tmp_path / "first", records)], confirm=True)
    return tmp_path / "store"


def listed(folder: Path) -> list[int]:
    """Return which of the pool's MD5 match."""
    with Blocklist.open(folder) as opened:
        return [number for number, value in enumerate(MD5) if opened.match_exact({"md5": value.hex()})]


def more(folder: Path, *records: Record, **options: Any) -> Any:
    """Update a store with records."""
    return update(folder, [source(folder.parent / "more", records)], **{"accept": True, **options})


def test_a_value_goes_with_the_last_of_its_records(keyed: Path) -> None:
    """A value that two records of the base, or one of it and a later one, have in common goes with the last of them."""
    more(keyed, Record("a", removed=True))
    assert listed(keyed) == [0, 1, 2, 3]
    more(keyed, Record("d", "A1", (("md5", 0), ("md5", 9))))
    more(keyed, Record("b", removed=True))
    assert listed(keyed) == [0, 2, 3, 9]
    compact(keyed)
    assert listed(keyed) == [0, 2, 3, 9]
    more(keyed, Record("d", removed=True))
    assert listed(keyed) == [2, 3]
    more(keyed, Record("c", "B2", (("md5", 3),)), Record("unheard of", removed=True))
    assert listed(keyed) == [3]


def test_several_updates_make_one_layer(keyed: Path) -> None:
    """However often a store is updated, there is a base and one layer of changes, and the base's files are links."""
    before = {path.name: path.stat().st_ino for path in load(keyed).where.iterdir()}
    for number in range(4, 10):
        more(keyed, Record(str(number), "A1", (("md5", number), ("pdq", number))))
    manifest = load(keyed).manifest
    (first, *_) = manifest.lists
    assert len(first.exact["md5"].layers) == len(manifest.indexes["pdq"]) == 2
    after = {path.name: path.stat().st_ino for path in load(keyed).where.iterdir()}
    shared = set(before) - {"manifest.json"}
    assert shared <= set(after)
    assert all(before[name] == after[name] for name in shared)
    compact(keyed)
    manifest = load(keyed).manifest
    assert len(manifest.lists[0].exact["md5"].layers) == len(manifest.indexes["pdq"]) == 1
    assert listed(keyed) == list(range(10))


def test_entry_numbers_stay_within_a_version(keyed: Path) -> None:
    """Whoever opens a version finds the same entry under the same number."""
    more(keyed, Record("x", "A1", (("pdq", 5), ("pdq", 6))))
    queries = np.frombuffer(b"".join(PDQ), np.uint8).reshape(-1, 32)
    one, other = (Blocklist.open(keyed).find_near("pdq", queries) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    # Those of the base, the canary's one of them, and then what came.
    assert sorted(one[3].tolist()) == [0, 2, 3]


def test_an_update_without_changes_is_a_new_version_of_the_same(keyed: Path) -> None:
    """Nothing new is good news all the same: the version is a younger one, its lists' versions are what they were."""
    before = load(keyed)
    report = more(keyed, Record(None, "A1", (("md5", 3),)))
    after = load(keyed)
    assert report.parent == before.version != after.version
    assert after.manifest.created > before.manifest.created
    assert [e.version for e in after.manifest.lists] == [e.version for e in before.manifest.lists]
    assert dict(report.lists[0].duplicates) == {"md5": 1}
    assert not report.lists[0].accepted


def test_where_links_cannot_be_made_files_are_copied(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links costs a copy; another error of it leaves the old version."""

    def refuse(number: int) -> Callable[..., None]:
        def run(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return run

    monkeypatch.setattr(Path, "hardlink_to", refuse(1))
    more(keyed, Record("x", "A1", (("md5", 7),)))
    assert listed(keyed) == [0, 1, 2, 3, 7]
    assert {path.stat().st_nlink for path in load(keyed).where.iterdir()} == {1}
    version = load(keyed).version
    monkeypatch.setattr(Path, "hardlink_to", refuse(28))
    with pytest.raises(BlocklistError, match=r"No space left.*left as it was"):
        more(keyed, Record("x", "A1", (("md5", 8),)))
    assert load(keyed).version == version


def test_a_damaged_base_is_found_out(keyed: Path) -> None:
    """An update of a version whose base was changed is refused; the store is left as it was, without remains."""
    version = load(keyed).version
    path = keyed / "versions" / version / "mine.A1.md5.values.npy"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    path.chmod(0o444)
    with pytest.raises(BlocklistError, match=r"values\.npy was changed"):
        more(keyed, Record("x", "A1", (("md5", 7),)))
    assert [path.name for path in (keyed / "versions").iterdir()] == [version]


def test_a_damaged_delta_is_found_out(keyed: Path) -> None:
    """What an earlier update wrote, and this one would merge, is verified first."""
    more(keyed, Record("x", "A1", (("md5", 7),)))
    (path,) = load(keyed).where.glob("*.delta.values.npy")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    path.chmod(0o444)
    with pytest.raises(BlocklistError, match=r"delta\.values\.npy was changed"):
        more(keyed, Record("x", "A1", (("md5", 8),)))


def test_without_tables_values_come_but_do_not_go(tmp_path: Path) -> None:
    """Filters alone take additions, one more filter an update; near values come and go; other removals are refused."""
    folder = tmp_path / "store"
    build(folder, [source(tmp_path / "first", [Record("a", None, (("md5", 0), ("pdq", 0)))])])
    for number in (1, 2):
        report = more(folder, Record("b", None, (("md5", 0), ("md5", number), ("pdq", number))))
        assert dict(report.lists[0].accepted) == {"md5": 1, "pdq": 1}
    assert len(load(folder).manifest.lists[0].exact["md5"].layers) == 3
    with pytest.raises(BlocklistError, match=r"1 records were withdrawn.*--confirm.*--accept"):
        more(folder, Record("a", removed=True), Record(None, None, (("md5", 5),)), accept=False)
    more(folder, Record("a", removed=True), Record(None, None, (("md5", 5),)))
    gone = source(tmp_path / "gone", [Record(None, None, (("pdq", 0), ("pdq", 1)))])
    update(folder, [], removals=[gone], accept=True)
    assert listed(folder) == [0, 1, 2, 5]
    gone = source(tmp_path / "gone", [Record(None, None, (("md5", 0),))])
    with pytest.raises(BlocklistError, match="md5 values cannot be taken out of a filter"):
        update(folder, [], removals=[gone], accept=True)
    compact(folder)
    assert listed(folder) == [0, 1, 2, 5]
    assert len(load(folder).manifest.lists[0].exact["md5"].layers) == 4
    query = np.frombuffer(b"".join(PDQ), np.uint8).reshape(-1, 32)
    assert Blocklist.open(folder).match_near("pdq", query)[0].tolist() == [2]


def test_filters_that_cannot_be_merged_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where filters pile up, an update says that it is time to build again."""
    monkeypatch.setattr("ingest_guard.blocklist.build.layers.MAX_FILTERS", 2)
    folder = tmp_path / "store"
    build(folder, [source(tmp_path / "first", [Record(None, None, (("md5", 0),))])])
    more(folder, Record(None, None, (("md5", 1),)))
    with pytest.raises(BlocklistError, match=r"updated 2 times.*build it again, best with --confirm"):
        more(folder, Record(None, None, (("md5", 2),)))
    assert listed(folder) == [0, 1]


def test_new_severities_and_algorithms_come_with_an_update(tmp_path: Path) -> None:
    """A part, or an algorithm, that the base did not have becomes a base of its own."""
    folder = tmp_path / "store"
    build(folder, [source(tmp_path / "first", [Record("a", None, (("md5", 0),))])], confirm=True)
    more(folder, Record("b", "A1", (("md5", 1), ("pdq", 1))))
    opened = Blocklist.open(folder)
    assert [(info.id, info.severity) for info in opened.lists] == [("mine", None), ("mine", "A1")]
    assert dict(opened.lists[1].thresholds) == {"pdq": 31}
    assert not list(load(folder).where.glob("*.delta.*"))
    more(folder, Record("b", removed=True))
    assert listed(folder) == [0]
    compact(folder)
    assert [entry.severity for entry in load(folder).manifest.operators_lists] == [None]
    assert Blocklist.open(folder).near_algorithms == frozenset()


def test_what_cannot_be_updated_is_refused(keyed: Path, tmp_path: Path) -> None:
    """An unknown list, no file at all, too many bad rows, a list that shrinks, a key for an unsealed store: errors."""
    with pytest.raises(BlocklistError, match="holds no list 'other'; it holds: mine"):
        update(keyed, [source(tmp_path / "x", [], "other")])
    with pytest.raises(BlocklistError, match="nothing to update from"):
        update(keyed, [])
    (tmp_path / "bad").write_text("md5 xyz\n", encoding="ascii")
    with pytest.raises(ListFormatError, match="1 of 1 rows cannot be used"):
        update(keyed, [ListSource("mine", "plain", tmp_path / "bad")])
    with pytest.raises(BlocklistError, match=r"list mine: 2 entries, where the current version holds 5.*--accept"):
        more(keyed, *(Record(key, removed=True) for key in "abc"), Record(None, "A1", (("md5", 8),)), accept=False)
    with pytest.raises(BlocklistError, match="is not sealed"):
        more(keyed, Record("x", None, (("md5", 8),)), key=KEY)
    with pytest.raises(BlocklistError, match="holds no blocklist"):
        update(tmp_path / "nowhere", [source(tmp_path / "x", [])])
    assert listed(keyed) == [0, 1, 2, 3]


def test_a_key_table_that_is_none_is_refused(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of keys of another type, or that names rows beyond the values, is an error, not a wrong answer."""
    loaded_array = type(load(keyed)).array
    for wrong in (np.zeros(4, "<u8"), np.zeros((2, 2), "<i8"), np.full((2, 2), 99, "<u8")):
        monkeypatch.setattr("ingest_guard.blocklist.parts.load.Loaded.array", lambda *_, wrong=wrong: wrong)
        with pytest.raises(BlocklistError, match=r"keys of records|rows that there are not"):
            more(keyed, Record("a", removed=True))
    monkeypatch.setattr("ingest_guard.blocklist.parts.load.Loaded.array", loaded_array)
    more(keyed, Record("a", removed=True))


def test_compacting_an_untouched_store_takes_everything_over(keyed: Path) -> None:
    """Where there is nothing to merge, all files are links."""
    before = {path.stat().st_ino for path in load(keyed).where.iterdir() if path.name != "manifest.json"}
    report = compact(keyed)
    after = {path.stat().st_ino for path in load(keyed).where.iterdir() if path.name != "manifest.json"}
    assert before == after
    assert report.lists == []
    with pytest.raises(BlocklistError, match="holds no blocklist"):
        compact(keyed.parent / "nowhere")


def test_builders_of_all_kinds_keep_each_other_out(keyed: Path) -> None:
    """While one is at work, an update and a compaction are turned away as a build is."""
    with publish.locked(keyed):
        for run in (lambda: more(keyed, Record("x", None, (("md5", 8),))), lambda: compact(keyed)):
            with pytest.raises(BlocklistError, match="another build is at work"):
                run()


def test_lists_change_one_by_one(tmp_path: Path) -> None:
    """What one list's update wrote stays when another list is updated, and each list's tombstones are its own."""
    folder = tmp_path / "store"
    one = [Record(str(n), None, (("pdq", n), ("md5", n))) for n in range(3)]
    two = [Record(str(n), None, (("pdq", n), ("md5", n))) for n in range(2, 6)]
    build(folder, [source(tmp_path / "1", one, "one"), source(tmp_path / "2", two, "two")], confirm=True)

    def change(list_id: str, *records: Record) -> None:
        update(folder, [source(tmp_path / "more", records, list_id)], accept=True)

    def near() -> list[tuple[int, str]]:
        with Blocklist.open(folder) as opened:
            query, part, _ = opened.match_near("pdq", np.frombuffer(b"".join(PDQ), np.uint8).reshape(-1, 32))
            return sorted((q, opened.lists[p].id) for q, p in zip(query.tolist(), part.tolist(), strict=True))

    change("one", Record("a", None, (("pdq", 8),)))
    change("two", Record("b", None, (("pdq", 9),)), Record("2", removed=True))
    change("one", Record("0", removed=True))
    expected = [(1, "one"), (2, "one"), (3, "two"), (4, "two"), (5, "two"), (8, "one"), (9, "two")]
    assert near() == expected
    change("two", Record("b", removed=True))
    change("one", Record("a", removed=True))
    assert near() == expected[:-2]
    assert len(load(folder).manifest.indexes["pdq"]) == 1
    change("one", Record("0", None, (("pdq", 0),)))
    assert near() == [(0, "one"), *expected[:-2]]
    compact(folder)
    assert near() == [(0, "one"), *expected[:-2]]


def test_byte_vectors_come_and_go(tmp_path: Path, plugins: Path, list_file: Callable[..., Path]) -> None:
    """Byte vectors of a hasher plug-in are updated and compacted as bits are."""
    rows = np.random.default_rng(3).integers(1, 250, (6, 144), dtype=np.uint8)
    folder = tmp_path / "store"

    def plain(numbers: list[int], name: str) -> list[ListSource]:
        lines = [f"toy_grid {rows[number].tobytes().hex()}" for number in numbers]
        return [ListSource("l", "plain", list_file(*lines, name=name))]

    def found() -> list[int]:
        with Blocklist.open(folder) as opened:
            return sorted(opened.match_near("toy_grid", rows)[0].tolist())

    build(folder, plain([0, 1, 2], "first"))
    update(folder, plain([3, 4], "more"), removals=plain([1], "gone"), accept=True)
    assert found() == [0, 2, 3, 4]
    update(folder, plain([5, 1], "more"), removals=plain([3], "gone"), accept=True)
    assert found() == [0, 1, 2, 4, 5]
    compact(folder)
    assert found() == [0, 1, 2, 4, 5]
