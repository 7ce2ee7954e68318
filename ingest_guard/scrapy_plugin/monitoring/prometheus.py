"""The metrics for Prometheus, served over HTTP while a crawl runs: policy ``metrics``.

Nothing is counted for them: a request gets what statistics and meter hold at that moment, from a thread of the server's
own, and the crawl does not wait. Crawlers of one process with the same address and port share a server, which ends with
the last of them.

Labels are ``spider``, ``crawl`` (its number in this process, from 1) and, for some, one more. No label names a host or
an address. A match shows only as the id of its list and the algorithm.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from scrapy import signals
from scrapy.utils.asyncio import run_in_thread

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring import snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

PREFIX = "ingest_guard_"
_LABELS = ("spider", "crawl")
_NUMBERS = itertools.count(1)


class Counter(NamedTuple):
    """A counter. With a label, it has all statistics that begin with ``stat``, labelled with the rest of the name."""

    name: str
    stat: str
    help: str
    label: str = ""


COUNTERS = (
    Counter("checked", "checked", "Responses with an image or another binary in them"),
    Counter("no_known_match", "no_known_match", "Of these, passed"),
    Counter("matched", "matched", "Of these, dropped for a match"),
    Counter("matched_by_list", "matched/", "The same, for each list that knew it", "list"),
    Counter("matched_by_algorithm", "matched_by/", "The same, for each algorithm that found it", "algorithm"),
    Counter("held", "held", "Of these, dropped for a match on lists that only hold"),
    Counter("not_scannable", "not_scannable", "Of these, dropped because they could not be scanned"),
    Counter("not_scannable_by_reason", "not_scannable/", "The same, by reason", "reason"),
    Counter("not_an_image", "not_an_image", "Other responses: text, empty"),
    Counter("response_bytes", "bytes", "Bytes of all responses, as sent"),
    Counter("records", "records", "Records that left"),
    Counter("duplicates", "duplicates", "Records left out because they are there already"),
    Counter("extracted_images", "extract/images", "Images found in pages"),
    Counter("opted_out", "opted_out/", "Images and pages left out because their hosts ask for that", "reason"),
    Counter("filtered", "filtered/", "Images left out by the policy's filters", "filter"),
    Counter("refused", "refused/", "Requests that were not let out", "reason"),
    Counter("items_dropped", "items_dropped/", "Items that made no record", "reason"),
    Counter("images_dropped", "images_dropped/", "Images of items that made no record", "result"),
    Counter("scans_spared", "scans_spared", "Images that were not scanned again"),
    Counter("errors", "errors", "Faults of the guard itself"),
    Counter("flood_alarms", "flood_alarms", "Entries that matched suspiciously many different images"),
    Counter("domain_worker_seconds", "domains/worker_seconds", "Time that workers have spent on images"),
    Counter("domain_failed_scans", "domains/failed_scans", "Scans that counted against their domain"),
    Counter("domain_failed_seconds", "domains/failed_seconds", "The workers' time for them"),
    Counter("domain_closings", "domains/closings", "Times that a domain was closed"),
    Counter("domain_dropped_images", "domains/dropped", "Images dropped because their domain was closed"),
    Counter("domain_held_fetches", "domains/held_fetches", "Fetches that waited: their domain had enough under way"),
    Counter("matched_by_grade", "matched_grade/", "Responses dropped for a match, by how sure it is", "grade"),
    Counter("held_by_grade", "held_grade/", "The same, of those that are only held", "grade"),
    Counter("incidents_written", "incidents/written", "Entries that this crawl wrote into the log of incidents"),
    Counter("list_changes", "swap/done", "Changes to a new version of the blocklist"),
    Counter("list_changes_refused", "swap/refused", "Attempts to change that were refused"),
)

GAUGES = {
    "scanning_images": "Images being scanned",
    "scanning_bytes": "Their bytes",
    "waiting_images": "Images that wait for a scan",
    "downloading_requests": "Requests being downloaded",
    "scheduled_requests": "Requests not yet begun",
    "domain_largest_share": "Share of the workers' time of the domain that took most, 0 to 1",
    "blocklist_age_seconds": "Age of the blocklist in use",
    "blocklist_max_age_seconds": "How old it may be",
    "crawler_memory_bytes": "Memory of the crawl's own process",
    "worker_memory_peak_bytes": "The most that one worker had",
    "incidents_waiting": "Entries in the log of incidents that have not expired",
    "failed": "1 where the guard has latched shut",
}
SCAN = ("scan_seconds", "Time of a scan, with the wait for a worker")
LISTS = ("blocklist_entries", "Entries of each list in use, by its version", ("list", "version"))
RESPONSES = ("responses", "Responses that the downloader has brought")


class Crawls(Collector):
    """Collects the metrics of all crawls that share a server."""

    def __init__(self) -> None:
        self._watched: dict[GuardState, str] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, state: GuardState) -> None:
        """Include a crawl from now on."""
        self._watched[state] = str(next(_NUMBERS))

    def remove(self, state: GuardState) -> None:
        """Leave it out from now on."""
        self._watched.pop(state, None)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, of every crawl; called in the server's thread."""
        crawls = [(_labels(state, number), state) for state, number in list(self._watched.items())]
        yield from _counters(crawls)
        yield from _gauges(crawls)
        yield _scans(crawls)


class Metrics:
    """Serves the metrics of one crawl."""

    _servers: dict[tuple[str, int], _Server] = {}  # noqa: RUF012 - one for all crawlers of the process

    def __init__(self, state: GuardState) -> None:
        self._state = state
        self._address = (state.policy.metrics.address, state.policy.metrics.port)

    @classmethod
    def watch(cls, state: GuardState) -> None:
        """Serve from now until the spider is closed.

        Raises
        ------
        SetupError
            The address or the port cannot be used.
        """
        metrics = cls(state)
        address, port = metrics._address
        if metrics._address not in cls._servers:
            try:
                cls._servers[metrics._address] = _Server(address, port)
            except OSError as error:
                raise SetupError(
                    f"ingest_guard: metrics cannot be served at {address} port {port} ({error.strerror}); choose "
                    "another metrics.port in the policy, or 0 for none"
                ) from None
            logger.info("ingest_guard serves metrics at http://%s/metrics", _format_address(address, port))
        cls._servers[metrics._address].crawls.add(state)
        state.crawler.signals.connect(metrics.closed, signal=signals.spider_closed, weak=False)

    async def closed(self) -> None:
        """Serve this crawl no more; the last one ends the server."""
        server = self._servers.get(self._address)
        if server is None:
            return
        server.crawls.remove(self._state)
        if not len(server.crawls):
            del self._servers[self._address]
            # The server looks only twice a second whether it is to end; the port is free when this is done.
            await run_in_thread(server.close)


class _Server:
    def __init__(self, address: str, port: int) -> None:
        registry = CollectorRegistry()
        self.crawls = Crawls()
        registry.register(self.crawls)
        self._server, self._thread = start_http_server(port, address, registry)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _labels(state: GuardState, number: str) -> list[str]:
    spider = state.crawler.spider
    return [spider.name if spider is not None else "", number]


def _counters(crawls: list[tuple[list[str], GuardState]]) -> Iterator[Metric]:
    counted = [(labels, snapshot.counts(state)) for labels, state in crawls]
    for each in COUNTERS:
        family = CounterMetricFamily(
            PREFIX + each.name, each.help, labels=[*_LABELS, *([each.label] if each.label else [])]
        )
        for labels, counts in counted:
            if each.label:
                for name, value in counts.items():
                    if name.startswith(each.stat):
                        family.add_metric([*labels, name.removeprefix(each.stat)], value)
            else:
                family.add_metric(labels, counts.get(each.stat, 0))
        yield family
    responses = CounterMetricFamily(PREFIX + RESPONSES[0], RESPONSES[1], labels=_LABELS)
    for labels, state in crawls:
        responses.add_metric(labels, snapshot.responses(state))
    yield responses


def _measure(state: GuardState) -> dict[str, float]:
    """Return the value of each gauge."""
    queues, memory = snapshot.queues(state), snapshot.memory(state)
    return {
        "scanning_images": queues["scanning"],
        "scanning_bytes": queues["scanning_bytes"],
        "waiting_images": queues["waiting"],
        "downloading_requests": queues["downloading"],
        "scheduled_requests": queues["scheduled"],
        "domain_largest_share": state.budget.domains.statistics()["largest_share"],
        "blocklist_age_seconds": snapshot.list_age(state),
        "blocklist_max_age_seconds": state.policy.max_age.total_seconds(),
        "crawler_memory_bytes": memory["crawler"],
        "worker_memory_peak_bytes": memory["worker_peak"],
        "incidents_waiting": 0 if state.incidents is None else state.incidents.waiting,
        "failed": float(state.failed),
    }


def _gauges(crawls: list[tuple[list[str], GuardState]]) -> Iterator[Metric]:
    measured = [(labels, _measure(state)) for labels, state in crawls]
    for name, text in GAUGES.items():
        family = GaugeMetricFamily(PREFIX + name, text, labels=_LABELS)
        for labels, values in measured:
            family.add_metric(labels, values[name])
        yield family
    name, text, more = LISTS
    entries = GaugeMetricFamily(PREFIX + name, text, labels=[*_LABELS, *more])
    for labels, state in crawls:
        sizes: dict[tuple[str, str], int] = {}
        for info in state.guard.blocklist.lists:
            key = (info.id, info.version[:12])
            sizes[key] = sizes.get(key, 0) + sum(info.counts.values())
        for key, size in sizes.items():
            entries.add_metric([*labels, *key], size)
    yield entries


def _scans(crawls: list[tuple[list[str], GuardState]]) -> Metric:
    family = HistogramMetricFamily(PREFIX + SCAN[0], SCAN[1], labels=_LABELS)
    for labels, state in crawls:
        scans = state.meter.scans
        upto = itertools.accumulate(scans.counts)
        bounds = [*(f"{bound:g}" for bound in scans.bounds), "+Inf"]
        family.add_metric(labels, buckets=list(zip(bounds, upto, strict=True)), sum_value=scans.total)
    return family


def _format_address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
