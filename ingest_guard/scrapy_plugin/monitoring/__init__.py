"""What a running crawl shows: telemetry for the report, progress in a terminal, metrics for Prometheus."""

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import EXPLAIN_SETTING, PROGRESS_SETTING
from ingest_guard.scrapy_plugin.core.state import GuardState


def watch(state: GuardState) -> None:
    """Start what policy and settings ask for. Only that is imported: progress needs rich, metrics need an extra.

    Raises
    ------
    SetupError
        The policy asks for metrics, and their package is not installed or their port is in use.
    """
    from ingest_guard.scrapy_plugin.monitoring.loop_watch import LoopWatch  # noqa: PLC0415 - as above
    from ingest_guard.scrapy_plugin.monitoring.telemetry import Telemetry  # noqa: PLC0415 - as above

    if state.policy.report.loop_stalls:
        LoopWatch.watch(state)
    Telemetry.watch(state)
    if state.crawler.settings.getbool(PROGRESS_SETTING):
        from ingest_guard.scrapy_plugin.monitoring.progress import Progress  # noqa: PLC0415 - as above

        Progress.watch(state)
    if state.policy.metrics.port and not state.crawler.settings.getbool(EXPLAIN_SETTING):
        try:
            from ingest_guard.scrapy_plugin.monitoring.prometheus import Metrics  # noqa: PLC0415 - as above
        except ModuleNotFoundError as error:
            raise SetupError(
                f"ingest_guard: the policy asks for metrics, which need {error.name}; install it with: "
                'pip install "ingest-guard[metrics]"'
            ) from None
        Metrics.watch(state)
