from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.course import write_course

from ingest_guard.dataset.report.outcomes import host_table
from ingest_guard.dataset.report.telemetry import Run, read_telemetry
from ingest_guard.dataset.report.timeline import Timeline

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
_FIELDS = ("elapsed", "counts", "queues", "scan", "bounds", "hosts", "others", "lists", "formats", "distinct")
_KINDS = ("start", "sample", "lists", "hosts", "end", "x")
_LINE = st.fixed_dictionaries(
    {"run": st.sampled_from(["a", "b"]), "kind": st.sampled_from(_KINDS)}, optional=dict.fromkeys(_FIELDS, _JSON)
)


@settings(max_examples=50)
@given(st.lists(_LINE, max_size=8))
def test_any_lines_can_be_read(tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]) -> None:
    """Whatever a line says, reading it and joining the runs raises nothing."""
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    runs = read_telemetry(file)
    line = Timeline(runs)
    assert line.seconds >= 0
    assert all(value >= 0 for _, value in line.rate(["checked"], 50))
    host_table(runs)


def test_runs_are_joined(tmp_path: Path) -> None:
    """What a resumed crawl counts is added to what was counted before, and its time goes on from there."""
    runs = read_telemetry(write_course(tmp_path, hours=1, hosts=20))
    line = Timeline(runs)
    assert len(runs) == 2
    assert line.resumed == [runs[0].samples[-1].elapsed]
    assert abs(line.seconds - 3600) < 1
    assert line.totals["checked"] == sum(run.samples[-1].counts["checked"] for run in runs)
    assert sum(line.histogram("text")[1]) == sum(sum(run.samples[-1].histograms["text"]) for run in runs)
    assert all(
        later.counts["checked"] >= earlier.counts["checked"]
        for earlier, later in zip(line.moments, line.moments[1:], strict=False)
    )
    whole = sum(value * gap for (_, value), gap in zip(line.rate(["checked"], 10**6), _gaps(line), strict=True))
    assert abs(whole - line.totals["checked"]) <= line.moments[0].counts["checked"] + 1


def _gaps(line: Timeline) -> list[float]:
    return [later.at - earlier.at for earlier, later in line._steps(10**6)]


def test_a_long_run_is_thinned_out_and_keeps_its_end(tmp_path: Path) -> None:
    """However many samples there are, a thousand or so are kept, spread over the whole, and the last one."""
    file = tmp_path / "telemetry.jsonl"
    file.write_text(
        "".join(f'{{"run":"a","kind":"sample","elapsed":{n},"counts":{{"checked":{n}}}}}\n' for n in range(50_000))
    )
    [run] = read_telemetry(file)
    assert 400 < len(run.samples) < 1100
    assert run.samples[-1].elapsed == 49_999
    gaps = [b.elapsed - a.elapsed for a, b in zip(run.samples, run.samples[1:], strict=False)]
    assert max(gaps) <= 128
    line = Timeline([run])
    assert len(line.thinned(100)) <= 100
    assert line.thinned(100)[-1].at == 49_999


def test_a_missing_file_has_no_runs(tmp_path: Path) -> None:
    """A folder without a telemetry is no error."""
    assert read_telemetry(tmp_path / "telemetry.jsonl") == []
    assert Timeline([]).totals == {}


def _run_with(hosts: list[list[Any]], others: list[Any]) -> Run:
    return Run("a", hosts={"hosts": hosts, "others": others, "distinct": len(hosts)})


def test_drops_are_shown_only_where_every_run_tells_them() -> None:
    """One run that does not tell its drops takes the column away from all."""
    telling = _run_with([["a.example", 5, 10, 2], ["b.example", 1, 1, 0]], [0, 0, 0])
    silent = _run_with([["a.example", 3, 10, None]], [0, 0, None])
    table = host_table([telling])
    assert table is not None
    assert table.head[-1] == "Dropped"
    assert table.rows[0].cells == ("5", "10 B", "2")
    table = host_table([telling, silent])
    assert table is not None
    assert table.head == ("Host", "Passed", "Size")
    assert table.rows[0].cells == ("8", "20 B")
    assert "not told" in table.note


def test_many_hosts_are_cut_off_and_added_up() -> None:
    """Of a thousand hosts, the page shows some hundreds and the sum of the others."""
    table = host_table([_run_with([[f"h{n}", 1000 - n, 1, 0] for n in range(1000)], [7, 7, 0])])
    assert table is not None
    assert len(table.rows) == 15
    assert len(table.rows) + len(table.more) == 501
    assert table.more[-1].name == "All other hosts"
    assert table.more[-1].cells[0] == f"{sum(range(1, 501)) + 7:,}"
    assert host_table([]) is None
