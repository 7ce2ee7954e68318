from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin import monitoring
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring.prometheus import (
    COUNTERS,
    GAUGES,
    LISTS,
    PREFIX,
    RESPONSES,
    SCAN,
    Crawls,
    Metrics,
)
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

_ROOT = Path(__file__).parents[3]
_DOCUMENTED = (_ROOT / "docs" / "report.md").read_text(encoding="utf-8")
_DASHBOARD = json.loads((_ROOT / "settings" / "grafana.json").read_text(encoding="utf-8"))


@pytest.fixture
def port() -> int:
    """Return a port that nobody uses just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def metric_names() -> set[str]:
    """Return the names under which Prometheus keeps the metrics."""
    counters = {f"{PREFIX}{each.name}_total" for each in COUNTERS} | {f"{PREFIX}{RESPONSES[0]}_total"}
    others = {f"{PREFIX}{name}" for name in GAUGES} | {PREFIX + LISTS[0]}
    return counters | others | {f"{PREFIX}{SCAN[0]}_{end}" for end in ("bucket", "sum", "count")}


def ask(port: int) -> dict[str, Any]:
    """Return name -> samples of what is served."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_two_crawlers_share_a_server_that_ends_with_the_last(make_crawler: Callable[..., Crawler], port: int) -> None:
    """Both are told apart; the first one's end leaves the other's metrics, and the second one's frees the port."""
    policy = f"metrics: {{port: {port}}}\n"
    states = [GuardState.of(make_crawler(policy if not number else "")) for number in range(2)]
    served = [Metrics(state) for state in states]
    # Built with the crawler, they serve already.
    for state, number in zip(states, (3, 4), strict=True):
        state.count("checked", number)
    values = [sample.value for sample in ask(port)["ingest_guard_checked"].samples]
    assert sorted(values) == [3, 4]
    asyncio.run(served[0].closed())
    assert [sample.value for sample in ask(port)["ingest_guard_checked"].samples] == [4]
    asyncio.run(served[1].closed())
    asyncio.run(served[1].closed())
    with pytest.raises(URLError):
        ask(port)
    Metrics.watch(states[0])
    assert ask(port)
    asyncio.run(served[0].closed())


def test_all_that_is_served_is_documented(make_crawler: Callable[..., Crawler]) -> None:
    """Each metric of a crawl with every kind of count has its row in docs/report.md, and no other has one."""
    state = GuardState.of(make_crawler())
    for each in COUNTERS:
        state.count(each.stat + ("some" if each.label else ""))
    state.meter.note_scan(0.01)
    crawls = Crawls()
    crawls.add(state)
    assert len(crawls) == 1
    served = {sample.name.removesuffix("_created") for metric in crawls.collect() for sample in metric.samples}
    assert served == metric_names()
    documented = set(re.findall(r"^\| `(ingest_guard_\w+)", _DOCUMENTED, re.MULTILINE))
    assert {name for name in served if not name.endswith(("_bucket", "_sum", "_count"))} | {
        "ingest_guard_scan_seconds"
    } == documented


def test_a_counter_tells_what_was_counted(make_crawler: Callable[..., Crawler]) -> None:
    """The value, the label and the buckets are those of the crawl."""
    state = GuardState.of(make_crawler())
    state.count("matched/looks", 2)
    for seconds in (0.0005, 0.0005, 99.0):
        state.meter.note_scan(seconds)
    crawls = Crawls()
    crawls.add(state)
    samples = [sample for metric in crawls.collect() for sample in metric.samples]
    [matched] = [sample for sample in samples if sample.name == "ingest_guard_matched_by_list_total"]
    assert (matched.labels["list"], matched.value) == ("looks", 2)
    buckets = [sample.value for sample in samples if sample.name == "ingest_guard_scan_seconds_bucket"]
    assert (buckets[0], buckets[-2], buckets[-1]) == (2, 2, 3)


def panels(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all panels, those inside of rows too."""
    return [each for panel in found for each in (panel, *panels(panel.get("panels", [])))]


def test_the_shares_of_domains_are_served_while_they_change(make_crawler: Callable[..., Crawler]) -> None:
    """The statistics have them at the end only; no label names a domain."""
    state = GuardState.of(make_crawler())
    domains = state.budget.domains
    crawls = Crawls()
    crawls.add(state)
    for name, seconds, reason in (("a.example", 3.0, None), ("b.example", 1.0, Reason.TIMEOUT)):
        domains.count_scan(domains.get(name), seconds, reason)
    domains.drop()
    samples = [sample for metric in crawls.collect() for sample in metric.samples]
    found = {each.name: each.value for each in samples if each.name.startswith("ingest_guard_domain_")}
    assert found == {
        "ingest_guard_domain_worker_seconds_total": 4,
        "ingest_guard_domain_failed_scans_total": 1,
        "ingest_guard_domain_failed_seconds_total": 1,
        "ingest_guard_domain_closings_total": 0,
        "ingest_guard_domain_dropped_images_total": 1,
        "ingest_guard_domain_held_fetches_total": 0,
        "ingest_guard_domain_largest_share": 0.75,
    }
    assert not any("example" in value for each in samples for value in each.labels.values())


def test_the_dashboard_uses_what_there_is() -> None:
    """Each panel has a query, a title and a data source that is asked for, and names documented metrics alone."""
    shown = [panel for panel in panels(_DASHBOARD["panels"]) if panel["type"] != "row"]
    assert len(shown) >= 10
    assert len({panel["id"] for panel in panels(_DASHBOARD["panels"])}) == len(panels(_DASHBOARD["panels"]))
    used: set[str] = set()
    for panel in shown:
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert {"x", "y", "w", "h"} == set(panel["gridPos"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["targets"]
        for target in panel["targets"]:
            names = set(re.findall(r"\bingest_guard_\w+", target["expr"]))
            assert names
            assert target["expr"].count("(") == target["expr"].count(")")
            used |= names
    assert used <= metric_names()
    variables = {each["name"]: each for each in _DASHBOARD["templating"]["list"]}
    assert set(variables) == {"datasource", "spider"}
    assert set(re.findall(r"ingest_guard_\w+", variables["spider"]["query"]["query"])) <= metric_names()


def test_alerts_are_about_metrics_that_there_are() -> None:
    """Each rule of settings/alerts.yaml has a name, words for a person, and metrics that are served."""
    (group,) = yaml.safe_load((_ROOT / "settings" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) == 3
    for rule in group["rules"]:
        names = set(re.findall(r"\bingest_guard_\w+", rule["expr"]))
        assert names
        assert names <= metric_names()
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_without_prometheus_client_the_extra_is_named(
    make_crawler: Callable[..., Crawler], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for metrics and has not installed them is told how."""
    state = GuardState.of(make_crawler())
    wanted = state.policy.metrics.model_copy(update={"port": port})
    state.policy = state.policy.model_copy(update={"metrics": wanted})
    monkeypatch.delitem(sys.modules, "ingest_guard.scrapy_plugin.monitoring.prometheus")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SetupError, match=r'pip install "ingest-guard\[metrics\]"'):
        monitoring.watch(state)


def test_nothing_is_served_unless_wanted(make_crawler: Callable[..., Crawler]) -> None:
    """By default there is no server, no progress and no file."""
    state = GuardState.of(make_crawler())
    monitoring.watch(state)
    assert Metrics._servers == {}
