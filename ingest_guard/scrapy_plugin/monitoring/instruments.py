"""All that watches a crawl without a say in it: time series for the report, metrics, progress. Each where asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import PROGRESS_SETTING
from ingest_guard.scrapy_plugin.monitoring.telemetry import Telemetry

if TYPE_CHECKING:
    from ingest_guard.scrapy_plugin.core.state import GuardState


def watch(runtime: GuardState) -> None:
    """Switch on what policy and settings ask for.

    Raises
    ------
    SetupError
        Metrics are wanted and cannot be had: their package is not installed, or their port is taken.
    """
    Telemetry.watch(runtime)
    if runtime.crawler.settings.getbool(PROGRESS_SETTING):
        from ingest_guard.scrapy_plugin.monitoring.progress import Progress  # noqa: PLC0415 - only where somebody looks on

        Progress.watch(runtime)
    if runtime.policy.metrics.port:
        try:
            from ingest_guard.scrapy_plugin.monitoring.prometheus import Metrics  # noqa: PLC0415 - its package is an extra
        except ModuleNotFoundError as error:
            raise SetupError(
                f"ingest_guard: the policy asks for metrics, which need {error.name}; install it with: "
                'pip install "ingest-guard[metrics]"'
            ) from None
        Metrics.watch(runtime)
