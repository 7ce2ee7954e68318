"""The metrics for Prometheus, served over HTTP while a crawl runs: policy ``metrics``.

Nothing is counted for them: whoever asks gets what statistics and meter hold at that moment, from a thread of the
server's own, and the crawl does not wait. Crawlers of one process with one address and port share a server, which ends
with the last of them.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from scrapy import signals
from scrapy.utils.asyncio import run_in_thread

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.monitoring import snapshot as gauges
from ingest_guard.scrapy_plugin.monitoring.metricset import COUNTERS, GAUGES, LISTS, PREFIX, RESPONSES, SCAN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from ingest_guard.scrapy_plugin.core.state import GuardState

logger = logging.getLogger(__name__)

_LABELS = ("spider", "crawl")
_NUMBERS = itertools.count(1)


class Crawls(Collector):
    """What Prometheus asks: all crawls that are under way at one server."""

    def __init__(self) -> None:
        self._watched: dict[GuardState, str] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, runtime: GuardState) -> None:
        """Tell of a crawl from now on."""
        self._watched[runtime] = str(next(_NUMBERS))

    def remove(self, runtime: GuardState) -> None:
        """Tell of it no more."""
        self._watched.pop(runtime, None)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, of every crawl; called in the server's thread."""
        crawls = [(_labels(runtime, number), runtime) for runtime, number in list(self._watched.items())]
        yield from _counters(crawls)
        yield from _gauges(crawls)
        yield _scans(crawls)


class Metrics:
    """Serves the metrics of one crawl."""

    _servers: dict[tuple[str, int], _Server] = {}  # noqa: RUF012 - one for all crawlers of the process

    def __init__(self, runtime: GuardState) -> None:
        self._runtime = runtime
        self._address = (runtime.policy.metrics.address, runtime.policy.metrics.port)

    @classmethod
    def watch(cls, runtime: GuardState) -> None:
        """Serve from now until the spider is closed.

        Raises
        ------
        SetupError
            The address or the port cannot be used.
        """
        metrics = cls(runtime)
        address, port = metrics._address
        if metrics._address not in cls._servers:
            try:
                cls._servers[metrics._address] = _Server(address, port)
            except OSError as error:
                raise SetupError(
                    f"ingest_guard: metrics cannot be served at {address} port {port} ({error.strerror}); choose "
                    "another metrics.port in the policy, or 0 for none"
                ) from None
            logger.info("ingest_guard serves metrics at http://%s/metrics", _spoken(address, port))
        cls._servers[metrics._address].crawls.add(runtime)
        runtime.crawler.signals.connect(metrics.closed, signal=signals.spider_closed, weak=False)

    async def closed(self) -> None:
        """Serve this crawl no more; the last one ends the server."""
        server = self._servers.get(self._address)
        if server is None:
            return
        server.crawls.remove(self._runtime)
        if not len(server.crawls):
            del self._servers[self._address]
            # It looks up twice a second only; the port is free when this is done.
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


def _labels(runtime: GuardState, number: str) -> list[str]:
    spider = runtime.crawler.spider
    return [spider.name if spider is not None else "", number]


def _counters(crawls: list[tuple[list[str], GuardState]]) -> Iterator[Metric]:
    counted = [(labels, gauges.counts(runtime)) for labels, runtime in crawls]
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
    for labels, runtime in crawls:
        responses.add_metric(labels, gauges.pages(runtime))
    yield responses


def _gauges(crawls: list[tuple[list[str], GuardState]]) -> Iterator[Metric]:
    for each in GAUGES:
        family = GaugeMetricFamily(PREFIX + each.name, each.help, labels=_LABELS)
        for labels, runtime in crawls:
            family.add_metric(labels, each.read(runtime))
        yield family
    name, text, more = LISTS
    entries = GaugeMetricFamily(PREFIX + name, text, labels=[*_LABELS, *more])
    for labels, runtime in crawls:
        sizes: dict[tuple[str, str], int] = {}
        for info in runtime.guard.blocklist.lists:
            key = (info.id, info.version[:12])
            sizes[key] = sizes.get(key, 0) + sum(info.counts.values())
        for key, size in sizes.items():
            entries.add_metric([*labels, *key], size)
    yield entries


def _scans(crawls: list[tuple[list[str], GuardState]]) -> Metric:
    family = HistogramMetricFamily(PREFIX + SCAN[0], SCAN[1], labels=_LABELS)
    for labels, runtime in crawls:
        scans = runtime.meter.scans
        upto = itertools.accumulate(scans.counts)
        bounds = [*(f"{bound:g}" for bound in scans.bounds), "+Inf"]
        family.add_metric(labels, buckets=list(zip(bounds, upto, strict=True)), sum_value=scans.total)
    return family


def _spoken(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
