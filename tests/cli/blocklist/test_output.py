from __future__ import annotations

import io
import json
import stat
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ingest_guard.blocklist.build.report import BuildReport, Change, ListReport, Rows
from ingest_guard.cli.blocklist import output
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path

MANY = Rows(123_456, list(range(1_000_001, 1_000_011)))


def report() -> BuildReport:
    """Return a report with large numbers, long words and square brackets, as a file's name may have."""
    mine = ListReport(
        "a-list-with-a-long-name-as-operators-like-to-give-them-to-their-files",
        "map=[bold].yaml",
        "/a/folder/[red]/" + "x" * 80,
        rows=12_345_678,
        accepted=Counter(md5=10_000_000, pdq=2_000_000),
        severities={"A1": Counter(md5=10_000_000), "NONE": Counter(pdq=2_000_000)},
        rejected={"bad_length": MANY},
        unsupported=Counter(video=7),
        removed=17,
        superseded=Counter(md5=18),
        degenerate={"pdq": Rows(1, [7])},
        duplicates=Counter(md5=19),
        changes={"md5": Change(10_000_001, 10_000_000, 9_999_990), "pdq": Change(1, 2_000_000)},
        allowed=Counter(pdq=21),
        error_rates={"md5": 1.02e-9},
    )
    plain = ListReport("b", "plain", "b.txt", rows=1, accepted=Counter(md5=1))
    return BuildReport("store", "ab" * 32, "now", [mine, plain], ["cd" * 32], None, Counter(old=4))


def shown(width: int) -> list[str]:
    """Return the report as printed, without the ends of lines."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    output.show(report(), console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_table_has_everything() -> None:
    """Each count stands beside what it is of."""
    lines = [" ".join(line.split()) for line in shown(80)]
    for line in (
        "rows read 12,345,678",
        "accepted 12,000,000 100.0% of all entries",
        "md5 10,000,000 false hits: 1e-09",
        "of severity A1 md5 10,000,000",
        "not compared video 7",
        "withdrawn records 17",
        "replaced, withdrawn md5 18",
        "refused, degenerate pdq 1 row 7",
        "duplicates md5 19",
        "allowed pdq 21",
        "since last version md5 +10 -11 =9,999,990",
        "since last version pdq 1 -> 2,000,000",
        "old gone since the last version, with 4 entries",
        "store: version abababababab of now",
        "1 older version(s) removed",
    ):
        assert line in lines
    text = "".join(shown(80))
    assert "map=[bold].yaml, /a/folder/[red]/" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [80, 60])
def test_table_fits(width: int) -> None:
    """No line of a table is longer than the terminal; names and paths stay whole to be copied."""
    tables = [line for line in shown(width) if line.startswith("  ")]
    assert max(map(len, tables)) <= width
    assert any("bad_length" in line and "123,456" in line for line in tables)


def test_written_report_is_for_its_owner(tmp_path: Path) -> None:
    """It replaces the old one as a whole, is readable by its owner alone, and leaves nothing else."""
    file = tmp_path / "report.json"
    file.write_text("old")
    file.chmod(0o644)
    output.write(report().to_json(), file)
    assert json.loads(file.read_text())["lists"][0]["rows"] == 12_345_678
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_report_that_cannot_be_written(tmp_path: Path) -> None:
    """The error says so, and no half of one is left."""
    with pytest.raises(BlocklistError, match=r"report .*gone.* cannot be written: No such file.*name a file"):
        output.write({}, tmp_path / "gone" / "report.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BlocklistError, match="Is a directory"):
        output.write({}, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
