"""What a response says of the use of its content, in headers, markup and robots.txt, for the names of this crawler."""

from datetime import UTC, datetime
from functools import cached_property

from cachetools import LRUCache
from scrapy.crawler import Crawler
from scrapy.http import Response

from ingest_guard.dataset.optouts.in_files import read_statements
from ingest_guard.dataset.optouts.robots_txt import RobotsFile
from ingest_guard.dataset.optouts.rules import agent_names
from ingest_guard.dataset.optouts.signals import NONE, UNREAD, Signals, of_headers, of_metas, of_usage_headers, signals
from ingest_guard.pages.reading import PageDocument
from ingest_guard.policy.records import OptOutPolicy
from ingest_guard.urls.hosts import origin_of
from ingest_guard.verdict import ImageFacts

# Of what is remembered of robots.txt: of files that say anything about usage alone.
_MOST_BYTES = 32 << 20


class SignalReader:
    """Read opt-out signals.

    Parameters
    ----------
    crawler
        Its settings and its spider have the names that it sends.
    policy
        Further names, and what the data set is for.

    Attributes
    ----------
    keeps_silent_files
        Whether a robots.txt is remembered that says nothing about usage, for those who want to see its groups.
    """

    keeps_silent_files = False

    def __init__(self, crawler: Crawler, policy: OptOutPolicy) -> None:
        self._crawler = crawler
        self._policy = policy
        self._robots: LRUCache[str, RobotsFile] = LRUCache(_MOST_BYTES, getsizeof=_weight)

    @cached_property
    def sent(self) -> tuple[str, ...]:
        """The User-Agent headers that the crawler sends, and what it looks for in robots.txt."""
        settings, spider = self._crawler.settings, getattr(self._crawler, "spider", None)
        sent = (settings.get("USER_AGENT"), settings.get("ROBOTSTXT_USER_AGENT"), getattr(spider, "user_agent", None))
        return tuple(value for value in sent if isinstance(value, str))

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The names that the crawler sends, in lower case."""
        return agent_names(self.sent)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names by which this crawler is addressed, in lower case."""
        return self.own_names.union(name.lower() for name in self._policy.agents)

    def parse_robots(self, body: bytes) -> RobotsFile:
        """Return what a robots.txt says to this crawler; takes some 50 ms for 500 KiB."""
        return RobotsFile(body, self.own_names, self.names, self._policy.purpose)

    def note_robots(self, url: str, file: RobotsFile | None) -> None:
        """Remember what the robots.txt of an address's host says; None where it says nothing about usage."""
        if file is None and not self._robots:
            return
        origin = origin_of(url) or ""
        if file is None:
            self._robots.pop(origin, None)
        elif self._robots.get(origin) is not file:
            self._robots[origin] = file

    def robots_of(self, url: str) -> RobotsFile | None:
        """Return the robots.txt of an address's host, where it says anything about usage."""
        return self._robots.get(origin_of(url) or "") if self._robots else None

    def read_robots(self, url: str) -> Signals:
        """Return what robots.txt says about an address that it allows; nothing where the file is not known."""
        file = self.robots_of(url)
        return NONE if file is None else signals(*file.signals(url))

    def read_response(self, response: Response) -> Signals:
        """Return what robots.txt and the headers of a response say of it."""
        headers = response.headers
        said = self.read_robots(response.url) if self._robots else NONE
        robots, tdm = headers.getlist("X-Robots-Tag"), headers.getlist("Tdm-Reservation")
        if robots or tdm:
            said = said.and_then(of_headers(robots, tdm, self.names, datetime.now(UTC)))
        usage, signal = headers.getlist("Content-Usage"), headers.getlist("Content-Signal")
        links = headers.getlist("Link")
        if usage or signal or links:
            said = said.and_then(of_usage_headers(usage, signal, links, self._policy.purpose))
        return said

    def add_file(self, said: Signals, image: ImageFacts | None) -> Signals:
        """Return what a response and the metadata of its image say together."""
        if image is None or not image.statements:
            return said
        return said.and_then(signals(*read_statements(image.statements, self._policy.purpose)))

    def add_markup(self, said: Signals, document: PageDocument | None) -> Signals:
        """Return what a response and the markup of its page say together; None is a page that could not be read."""
        if document is None or document.metas_cut:
            said = said.and_then(UNREAD)
        if document is not None and document.metas:
            said = said.and_then(of_metas(document.metas, self.names, datetime.now(UTC), self._policy.purpose))
        return said


def _weight(file: RobotsFile) -> int:
    # No larger than the cache, which would refuse it.
    return min(_MOST_BYTES, file.weight)
