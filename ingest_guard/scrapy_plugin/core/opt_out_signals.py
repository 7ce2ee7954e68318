"""What a response says of the use of its content, in headers and markup, for the names of this crawler."""

from datetime import UTC, datetime
from functools import cached_property

from scrapy.crawler import Crawler
from scrapy.http import Response

from ingest_guard.dataset.optouts.rules import agent_names
from ingest_guard.dataset.optouts.signals import NONE, UNREAD, Signals, of_headers, of_metas
from ingest_guard.pages.reading import PageDocument


class SignalReader:
    """Read opt-out signals.

    Parameters
    ----------
    crawler
        Its settings and its spider have the names that it sends.
    agents
        Further names, from the policy.
    """

    def __init__(self, crawler: Crawler, agents: tuple[str, ...]) -> None:
        self._crawler = crawler
        self._agents = agents

    @cached_property
    def names(self) -> frozenset[str]:
        """The names by which this crawler is addressed, in lower case."""
        settings, spider = self._crawler.settings, getattr(self._crawler, "spider", None)
        sent = (settings.get("USER_AGENT"), settings.get("ROBOTSTXT_USER_AGENT"), getattr(spider, "user_agent", None))
        return agent_names((value for value in sent if isinstance(value, str)), self._agents)

    def read_headers(self, response: Response) -> Signals:
        """Return what the headers of a response say."""
        robots = response.headers.getlist("X-Robots-Tag")
        tdm = response.headers.getlist("Tdm-Reservation")
        return of_headers(robots, tdm, self.names, datetime.now(UTC)) if robots or tdm else NONE

    def add_markup(self, signals: Signals, document: PageDocument | None) -> Signals:
        """Return what the headers and the markup of a page say together; None is a page that could not be read."""
        if document is None or document.metas_cut:
            signals = signals.and_then(UNREAD)
        if document is not None and document.metas:
            signals = signals.and_then(of_metas(document.metas, self.names, datetime.now(UTC)))
        return signals
