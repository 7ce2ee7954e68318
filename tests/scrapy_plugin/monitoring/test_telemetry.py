from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest_guard.errors import PolicyError
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring import telemetry as module
from ingest_guard.scrapy_plugin.monitoring.telemetry import Telemetry, append

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy.crawler import Crawler


def test_samples_grow_rarer_and_hosts_come_now_and_then(
    make_crawler: Callable[..., Crawler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a day of ticks every ten seconds, there are some thousand samples and some dozen tables of hosts."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lines: list[bytes] = []
    monkeypatch.setattr(module, "append", lambda _, line: lines.append(line))
    telemetry = Telemetry(GuardState.of(make_crawler()), tmp_path)
    for second in range(0, 86_400, 10):
        now[0] = float(second)
        telemetry.tick()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert 2000 < kinds.count("sample") < 7000
    assert 20 < kinds.count("hosts") < 100
    assert kinds.count("lists") == 1
    assert sum(map(len, lines)) < 6_000_000


def test_a_file_that_cannot_be_written_is_said_once(
    make_crawler: Callable[..., Crawler], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The crawl goes on without its report."""
    (tmp_path / "file").write_text("in the way")
    telemetry = Telemetry(GuardState.of(make_crawler()), tmp_path / "file")
    telemetry.tick()
    telemetry.closed("finished")
    telemetry.stopped()
    assert [record.levelname for record in caplog.records if "telemetry.jsonl" in record.message] == ["WARNING"]


def test_a_crawl_that_never_began_writes_no_end(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """Without a spider that was closed, there is nothing to say."""
    Telemetry(GuardState.of(make_crawler()), tmp_path).stopped()
    assert list(tmp_path.iterdir()) == [tmp_path / "policy.yaml"]


def test_no_host_is_noted_where_none_is_wanted(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """With hosts: 0 there is no table at all."""
    telemetry = Telemetry(GuardState.of(make_crawler("report: {hosts: 0}\n")), tmp_path)
    telemetry.tick()
    assert '"kind":"sample"' in (tmp_path / "telemetry.jsonl").read_text()
    assert '"kind":"hosts"' not in (tmp_path / "telemetry.jsonl").read_text()


def test_samples_have_the_shares_of_domains(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """While the crawl runs, by the names of the statistics, and without the domains' names."""
    state = GuardState.of(make_crawler())
    telemetry = Telemetry(state, tmp_path)
    state.budget.domains.count_scan(state.budget.domains.get("slow.example"), 3.0, None)
    telemetry._sample()
    text = (tmp_path / "telemetry.jsonl").read_text()
    counts = json.loads(text.splitlines()[-1])["counts"]
    assert (counts["domains/worker_seconds"], counts["domains/largest_share"], counts["domains/dropped"]) == (3, 1, 0)
    assert "example" not in text


def test_a_line_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    """What a crash cut off stays by itself."""
    file = tmp_path / "new" / "telemetry.jsonl"
    append(file, b"one\n")
    with file.open("ab") as torn:
        torn.write(b"tor")
    append(file, b"two\n")
    assert file.read_bytes() == b"one\ntor\ntwo\n"


def test_metrics_are_served_at_an_address(make_crawler: Callable[..., Crawler]) -> None:
    """A name is no address: what it stands for may change."""
    with pytest.raises(PolicyError, match=r"key metrics.address: .*expected an IP address of this machine"):
        make_crawler("metrics: {address: localhost}\n")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """With the times of the records, its samples tell more than either: nobody else is to read it by accident."""
    append(tmp_path / "telemetry.jsonl", b"{}\n")
    assert (tmp_path / "telemetry.jsonl").stat().st_mode & 0o777 == 0o600
