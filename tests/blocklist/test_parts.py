from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from blocklist import journals
from blocklist.helpers import poke
from blocklist.journals import MD5, Record, source

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build import build as builds
from ingest_guard.blocklist.build import collect
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.update import update
from ingest_guard.blocklist.parts.exact import ExactValues, Layer
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Build a store of records; return the report."""
    for module in (collect, builds):
        monkeypatch.setattr(module, "reader", lambda _: journals.read)

    def run(*records: Record, list_id: str = "mine", **options: Any) -> Any:
        return build(tmp_path / "s", [source(tmp_path / "records", records, list_id)], **options)

    return run


def some(count: int, severity: str | None = None) -> list[Record]:
    """Return records of one MD5 each."""
    return [Record(str(number), severity, (("md5", number),)) for number in range(count)]


def test_the_last_record_of_a_key_counts(tmp_path: Path, made: Callable[..., Any]) -> None:
    """Earlier values of a key do not count, nor those of a record withdrawn later; the report says how many."""
    report = made(
        Record(None, None, (("md5", 9),)),
        Record("a", "A1", (("md5", 0), ("pdq", 0))),
        Record("b", "A1", (("md5", 1),)),
        Record("a", "B2", (("md5", 2),)),
        Record("b", removed=True),
        Record("c", removed=True),
        Record("c", None, (("md5", 3), ("md5", 9))),
        Record("d"),
        confirm=True,
    )
    (told,) = report.lists
    assert (told.rows, told.removed, dict(told.unsupported)) == (8, 2, {"other": 1})
    assert dict(told.accepted) == {"md5": 3}
    assert {name: dict(counts) for name, counts in told.severities.items()} == {"NONE": {"md5": 2}, "B2": {"md5": 1}}
    assert dict(told.superseded) == {"md5": 2, "pdq": 1}
    assert dict(told.duplicates) == {"md5": 1}
    assert [(e.severity, e.counts) for e in load(tmp_path / "s").manifest.operators_lists] == [
        (None, {"md5": 2}),
        ("B2", {"md5": 1}),
    ]


def test_files_of_parts_that_would_be_named_alike(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """A list named as another's part is named does not get in its way."""
    sources = []
    with pytest.MonkeyPatch.context() as patched:
        for module in (collect, builds):
            patched.setattr(module, "reader", lambda _: journals.read)
        sources.append(source(tmp_path / "one", some(2, "A1"), "x"))
        sources.append(source(tmp_path / "two", some(3), "x.a1"))
        build(tmp_path / "s", sources)
    opened = Blocklist.open(tmp_path / "s")
    assert opened.match_exact({"md5": MD5[0].hex()}) == [("x", "md5"), ("x.a1", "md5")]
    assert opened.match_exact({"md5": MD5[2].hex()}) == [("x.a1", "md5")]


def test_changes_since_the_current_version(made: Callable[..., Any]) -> None:
    """A build says what came and what went where tables tell, and how many there were where they do not."""
    assert made(*some(10), confirm=True).lists[0].changes == {}
    report = made(*some(9), Record("z", None, (("md5", 11), ("pdq", 1))), confirm=True)
    assert (report.lists[0].changes["md5"].added, report.lists[0].changes["md5"].removed) == (1, 1)
    assert report.lists[0].changes["pdq"].to_json()["before"] == 0
    report = made(*some(10), confirm=False)
    assert report.lists[0].changes["md5"].kept == 9
    assert made(*some(10)).lists[0].changes["md5"].kept is None
    assert made(*some(10), key=bytes(32)).lists[0].changes["md5"].kept is None


def test_a_list_that_shrinks_needs_consent(tmp_path: Path, made: Callable[..., Any]) -> None:
    """More than a share of a list lost, or all of it, is an error unless accepted, and nothing is written."""
    version = made(*some(10)).version
    with pytest.raises(
        BlocklistError, match=r"list mine: 7 entries, where the current version holds 10: more than 20%"
    ):
        made(*some(7))
    with pytest.raises(BlocklistError, match=r"list mine is not in this build.*holds 10 entries.*--accept"):
        made(*some(10), list_id="other")
    assert load(tmp_path / "s").version == version
    made(*some(8))
    made(*some(4), max_shrink=0.5)
    report = made(*some(9), list_id="other", accept=True)
    assert dict(report.gone) == {"mine": 4}
    made(*some(1), list_id="other", accept=True)


def test_rejected_rows_by_share(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """How much may be rejected can be chosen."""
    path = list_file(*(f"md5 {value.hex()}" for value in MD5[:9]), "md5 xyz")
    with pytest.raises(BlocklistError, match="1 of 10 rows cannot be used"):
        build(tmp_path / "s", [ListSource("x", "plain", path)], max_rejected=0.09)
    build(tmp_path / "s", [ListSource("x", "plain", path)], max_rejected=0.1)


def test_a_damaged_version_does_not_stop_a_build(tmp_path: Path, made: Callable[..., Any]) -> None:
    """What a build is there to replace need not open."""
    version = made(*some(3)).version
    poke(tmp_path / "s" / "versions" / version / "manifest.json", lambda _: b"{}")
    report = made(*some(1))
    assert report.parent is None
    assert load(tmp_path / "s").version == report.version


def test_a_filters_false_hit_is_not_confirmed(tmp_path: Path, made: Callable[..., Any]) -> None:
    """Where tables are kept, what a filter takes for listed and is not does not match."""
    made(*some(3), confirm=True)
    exact = load(tmp_path / "s").exact[0, "md5"]
    (layer,) = exact.layers

    class TakesAnything:
        count = 3

        def __contains__(self, key: str) -> bool:
            return True

    for table, expected in ((layer.table, [True, True, True, False]), (None, [True] * 4)):
        blind = ExactValues((Layer(TakesAnything(), table),), exact.gone)  # type: ignore[arg-type]
        assert [value in blind for value in MD5[:4]] == expected


def test_domains_match_what_lies_below(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """A listed domain matches its host and all below it, whatever the scheme; not its parent, nor a namesake."""
    path = list_file("domain bad.example.org", "url https://example.org/x")
    build(tmp_path / "s", [ListSource("l", "plain", path)])
    opened = Blocklist.open(tmp_path / "s")
    asked = [
        "http://bad.example.org/",
        "https://a.b.BAD.example.org:8080/x?y",
        "http://example.org/",
        "http://notbad.example.org/",
    ]
    assert [opened.match_url(url) for url in asked] == [["l"], ["l"], [], []]
    assert opened.match_url("https://example.org/x") == ["l"]
    assert opened.match_url("//") == []


def swap_gone(raw: dict[str, Any]) -> None:
    """Pass a table of keys off as one of rows."""
    entry = raw["lists"][0]
    entry["exact"]["md5"]["gone"], entry["keys"]["md5"]["voided"] = (
        entry["keys"]["md5"]["voided"],
        entry["exact"]["md5"]["gone"],
    )


def drop_tables(raw: dict[str, Any]) -> None:
    """Keep tombstones where the table that they belong to is not."""
    (layer, *_) = raw["lists"][0]["exact"]["md5"]["layers"]
    # Each file must belong to something.
    raw["lists"][0]["keys"]["sha1"] = {"base": layer["values"]}
    layer["values"] = None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw["lists"][0]["exact"]["md5"].update(gone=None), "belongs"),
        (lambda raw: raw["lists"][0]["exact"]["md5"]["layers"][0].update(count=9), "size is not the filter's"),
        (lambda raw: raw["indexes"]["pdq"][0].update(parts=[7]), "lists that there are not"),
        (lambda raw: raw["indexes"]["pdq"][0].update(parts=[0, 0]), "lists that there are not"),
        (lambda raw: raw["lists"][0]["counts"].update(md5=4), "counts other values"),
        (swap_gone, "no list of rows"),
        (drop_tables, "rows of a table are gone"),
    ],
)
def test_a_layered_version_that_contradicts_itself_is_refused(
    tmp_path: Path, made: Callable[..., Any], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    """A manifest with a true digest that does not fit the files of an update is refused."""
    made(*some(6), Record("x", None, (("pdq", 0), ("pdq", 1), ("pdq", 2), ("pdq", 3))), confirm=True)
    records = [Record("5", removed=True), Record("x", None, (("pdq", 0), ("pdq", 1), ("pdq", 2), ("md5", 9)))]
    update(tmp_path / "s", [source(tmp_path / "more", records)], accept=True)
    folder = load(tmp_path / "s").where
    raw = json.loads((folder / "manifest.json").read_bytes())
    change(raw)
    poke(folder / "manifest.json", lambda _: json.dumps(raw).encode())
    newest = manifests.version_of((folder / "manifest.json").read_bytes())
    folder.rename(folder.parent / newest)
    poke(tmp_path / "s" / "current", lambda _: newest.encode() + b"\n")
    with pytest.raises(BlocklistError, match=said):
        Blocklist.open(tmp_path / "s")
