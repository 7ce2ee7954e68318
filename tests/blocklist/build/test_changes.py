from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from blocklist import journals
from blocklist.journals import Record, source

from ingest_guard.blocklist.build import build as builds
from ingest_guard.blocklist.build import collect
from ingest_guard.blocklist.build.build import build
from ingest_guard.blocklist.build.changes import compare
from ingest_guard.blocklist.build.report import Change
from ingest_guard.blocklist.build.update import update
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def toy_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the toy format known."""
    for module in (collect, builds):
        monkeypatch.setattr(module, "reader", lambda _: journals.read)


def made(folder: Path, *records: Record, confirm: bool = True, key: bytes | None = None) -> Path:
    """Build a store; return its version's folder."""
    report = build(folder, [source(folder.parent / "records", records)], confirm=confirm, key=key, accept=True)
    return folder / "versions" / report.version


def test_what_came_and_what_went_is_counted(tmp_path: Path) -> None:
    """Per list, severity and algorithm: how many A and B hold, and how many both; never which."""
    a = made(tmp_path / "s", Record("a", "A1", (("md5", 0), ("md5", 1), ("pdq", 0))), Record("b", None, (("md5", 2),)))
    records = [Record("a", "A1", (("md5", 1), ("md5", 3), ("md5", 4), ("pdq", 1)))]
    update(tmp_path / "s", [source(tmp_path / "more", records)], accept=True)
    found = compare(a, tmp_path / "s")
    assert found.changes == {
        ("mine", None, "md5"): Change(1, 1, 1),
        ("mine", "A1", "md5"): Change(2, 3, 1),
        ("mine", "A1", "pdq"): Change(1, 1, 0),
    }
    assert compare(tmp_path / "s", a).changes["mine", "A1", "md5"] == Change(3, 2, 1)
    told = found.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["changes"][1] == {
        "list": "mine",
        "severity": "A1",
        "algorithm": "md5",
        "before": 2,
        "after": 3,
        "added": 2,
        "removed": 1,
        "kept": 1,
    }
    assert "mine, A1, md5: +2 -1 =1" in found.lines()
    text = json.dumps(told) + repr(found) + "\n".join(found.lines())
    assert not any(value.hex() in text for value in journals.MD5)


def test_parts_that_only_one_of_them_has(tmp_path: Path) -> None:
    """A part, or an algorithm, that only one version holds came or went as a whole."""
    a = made(tmp_path / "s", Record("a", "A1", (("md5", 0), ("pdq", 0))))
    b = made(tmp_path / "s", Record("a", "B2", (("md5", 0),)))
    assert compare(a, b).changes == {
        ("mine", "A1", "md5"): Change(1, 0, 0),
        ("mine", "A1", "pdq"): Change(1, 0, 0),
        ("mine", "B2", "md5"): Change(0, 1, 0),
    }


def test_where_nobody_can_tell(tmp_path: Path) -> None:
    """Without tables, or with different keys, counts are all there is; near values can be told apart all the same."""
    record = Record("a", None, (("md5", 0), ("pdq", 0)))
    a, b = (made(tmp_path / name, record, confirm=False) for name in "st")
    assert compare(a, b).changes == {("mine", None, "md5"): Change(1, 1), ("mine", None, "pdq"): Change(1, 1, 1)}
    c, d = (made(tmp_path / name, record, key=bytes([number]) * 32) for number, name in enumerate("uv"))
    for one, other in ((c, d), (a, c)):
        assert {change.kept for change in compare(one, other).changes.values()} == {None}
    assert "mine, NONE, md5: 1 -> 1" in compare(a, c).lines()
    assert compare(c, c).changes["mine", None, "md5"] == Change(1, 1, 1)


def test_both_must_open(tmp_path: Path) -> None:
    """A version that is not there is an error."""
    a = made(tmp_path / "s", Record("a", None, (("md5", 0),)))
    with pytest.raises(BlocklistError, match="does not exist"):
        compare(a, tmp_path / "gone")
