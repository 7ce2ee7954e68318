from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.blocklists import make_blocklist
from support.rechecks import SIZES, brute_force, flipped, record, value

from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.tables.columns import find_columns
from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES
from ingest_guard.dataset.tables.lines import RowBatch
from ingest_guard.dataset.tables.parquet import ArrowBatch
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from ingest_guard.dataset.recheck.plan import Opened

LISTED = [(name, value(number, name)) for number in range(6) for name in SIZES]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Open a list of a few values."""
    return Plan(Policy(blocklist=make_blocklist(tmp_path_factory.mktemp("list") / "b", {"l": LISTED}))).open()


def found(rows: list[dict[str, Any]], opened: Opened, *, arrow: bool) -> set[str]:
    """Return the uids that the comparison finds."""
    columns = find_columns(list(rows[0]), {*EXACT_SIZES, *opened.comparer.near}, {}, "a table")
    columns = columns.only(columns.prints, addresses=False, hashes=True)
    if arrow:
        names = [*columns.prints.values(), "pdq_quality"]
        batch = pa.RecordBatch.from_pylist(
            [{"first": True}] * 2 + [{name: row[name] for name in names} for row in rows],
            pa.schema(
                [("first", pa.bool_()), *((n, pa.int32() if n == "pdq_quality" else pa.string()) for n in names)]
            ),
        )
        prints = opened.reader(columns).read(ArrowBatch(batch.slice(2)))
    else:
        prints = opened.reader(columns).read(RowBatch(rows))
    return {rows[hit.row]["uid"] for hit in opened.comparer.compare(prints)}


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw records, many of them with values of the list or near to them, some with none or nonsense."""
    made = []
    for number in range(100, 100 + draw(st.integers(1, 8))):
        changes: dict[str, Any] = {}
        for name in SIZES:
            kind = draw(st.sampled_from(["own", "own", "listed", "near", "none", "junk", "upper"]))
            entry = value(draw(st.integers(0, 5)), name)
            bits = draw(st.integers(0, 40))
            others = {
                "listed": entry,
                "near": flipped(entry, bits),
                "none": None,
                "junk": "z" * 7,
                "upper": entry.upper(),
            }
            if kind in others:
                changes[name] = others[kind]
        changes["pdq_quality"] = draw(st.none() | st.integers(0, 100))
        made.append(record(number, **changes))
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=records())
def test_finds_what_brute_force_finds(opened: Opened, rows: list[dict[str, Any]]) -> None:
    """The very same records go as by comparing each value with each entry, from rows and from Arrow."""
    clean = [{**row, **{name: None for name in SIZES if row[name] == "z" * 7}} for row in rows]
    expected = brute_force(clean, LISTED)
    assert found(rows, opened, arrow=False) == expected
    assert found(rows, opened, arrow=True) == expected


def test_low_quality_has_a_smaller_radius(opened: Opened) -> None:
    """A PDQ value of quality under 50 is compared within 12 bits, one of unknown quality as one of a high one."""
    rows = [
        record(200 + number, pdq=flipped(value(0, "pdq"), bits), pdq_quality=quality)
        for number, (bits, quality) in enumerate([(12, 49), (13, 49), (31, 50), (32, 50), (31, None), (13, 0)])
    ]
    for arrow in (False, True):
        assert found(rows, opened, arrow=arrow) == {rows[number]["uid"] for number in (0, 2, 4)}


def entry(algorithm: str, view: str, text: str | None, quality: int | None = None) -> dict[str, Any]:
    """Return an entry of the column of all frames and views."""
    return {"algorithm": algorithm, "frame": 1, "view": view, "value": text, "quality": quality}


def test_all_frames_and_views_are_compared(opened: Opened) -> None:
    """With record_hashes: all, each view is compared within its own radius, as in a crawl; what is no value is not."""
    base = value(0, "pdq")
    rows = [
        record(300, hashes=[entry("pdq", "mirror", flipped(base, 23), 90)]),
        record(301, hashes=[entry("pdq", "mirror", flipped(base, 24), 90)]),
        record(302, hashes=[entry("pdq", "black/inverse", flipped(base, 15)), entry("pdq", "native", "junk")]),
        record(303, hashes=[entry("pdq", "inverse", flipped(base, 16))]),
        record(304, hashes=[entry("pdq", "native", flipped(base, 31), 50)]),
        record(305, hashes=[entry("pdq", "native", flipped(base, 31), 49), entry("unheard", "native", base)]),
        record(306, hashes=None),
        record(307, hashes=[]),
    ]
    kind = pa.list_(
        pa.struct(
            [
                *((n, pa.string()) for n in ("algorithm", "view", "value")),
                ("frame", pa.int32()),
                ("quality", pa.int32()),
            ]
        )
    )
    columns = find_columns([*SIZES, "hashes"], {*EXACT_SIZES, "pdq"}, {}, "a table")
    names = [*columns.prints.values(), "hashes"]
    schema = pa.schema([(name, kind if name == "hashes" else pa.string()) for name in names])
    batch = pa.RecordBatch.from_pylist([{name: row[name] for name in names} for row in rows], schema)
    for prints in (
        opened.reader(columns).read(ArrowBatch(batch)),
        opened.reader(columns).read(RowBatch(rows)),
    ):
        assert sorted({hit.row for hit in opened.comparer.compare(prints)}) == [0, 2, 4]
        assert np.unique(np.concatenate(prints.all_views)).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.binary(),
        pa.binary(16),
        pa.null(),
    ],
)
def test_types_of_columns(opened: Opened, kind: pa.DataType) -> None:
    """Digests are read from texts of each kind and from bytes; a column without any value has none."""
    texts = [value(7, "md5"), None, value(0, "md5")]
    is_bytes = pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)
    read = [text and bytes.fromhex(text) for text in texts] if is_bytes else texts
    column = pa.array(
        [None] * 3 if pa.types.is_null(kind) else read, kind if not pa.types.is_dictionary(kind) else pa.string()
    )
    if pa.types.is_dictionary(kind):
        column = column.dictionary_encode()
    columns = find_columns(["md5"], {"md5"}, {}, "a table")
    prints = opened.reader(columns).read(ArrowBatch(pa.RecordBatch.from_arrays([column], ["md5"])))
    rows = [hit.row for hit in opened.comparer.compare(prints)]
    assert rows == ([] if pa.types.is_null(kind) else [2])
    assert prints.unread == {"md5": 0}


def test_a_plugins_vectors_and_policies(tmp_path: Path) -> None:
    """A policy's thresholds, severities and allow-list count as in a crawl."""
    store = make_blocklist(tmp_path / "b", {"l": LISTED, "m": [("md5", value(0, "md5"))]})
    allowed = tmp_path / "allowed.txt"
    allowed.write_text(f"md5 {value(1, 'md5')}\npdq {value(2, 'pdq')}\n")
    policy = Policy.model_validate(
        {
            "blocklist": store,
            "lists": {"l": {"thresholds": {"pdq": 5}, "algorithms": ("pdq", "md5")}},
            "allow": {"files": (allowed,)},
        }
    )
    rows = [
        record(400, pdq=flipped(value(0, "pdq"), 5)),
        record(401, pdq=flipped(value(0, "pdq"), 6)),
        record(402, md5=value(1, "md5")),
        record(403, pdq=value(2, "pdq")),
        record(404, sha1=value(1, "sha1")),
        record(405, md5=value(0, "md5")),
    ]
    with_policy = Plan(policy).open()
    for arrow in (False, True):
        assert found(rows, with_policy, arrow=arrow) == {rows[0]["uid"], rows[5]["uid"]}
