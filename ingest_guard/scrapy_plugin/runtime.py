"""The parts of one crawler's guard that work together: built once, for all components that Scrapy loads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ingest_guard.scrapy_plugin.check.list_actions import announce_allowed
from ingest_guard.scrapy_plugin.check.self_test import SelfTest
from ingest_guard.scrapy_plugin.check.swap import Swapper
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.images.fetch import Fetcher
from ingest_guard.scrapy_plugin.images.opt_outs import OptOuts

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class Runtime:
    """The shared state, and what works with it: the opt-outs, the fetcher, the self-test, the hot swap."""

    def __init__(self, state: GuardState) -> None:
        self.state = state
        self.opt_outs = OptOuts(state)
        self.fetcher = Fetcher(state, self.opt_outs)
        self.self_test = SelfTest(state)
        self.swapper = Swapper(state, self.self_test)
        # First of all listeners: from the switch on, nothing may be answered with what an older version has found.
        state.on_version += [self.fetcher.forget, partial(announce_allowed, state)]
        state.on_passed.append(self.fetcher.learn)

    @classmethod
    def of(cls, crawler: Crawler) -> Runtime:
        """Return the crawler's parts, made when first asked for; raises what :meth:`GuardState.of` raises."""
        if crawler not in _RUNTIMES:
            _RUNTIMES[crawler] = cls(GuardState.of(crawler))
        return _RUNTIMES[crawler]

    def close(self) -> None:
        """End everything, and let the crawler go."""
        self.swapper.stop()
        self.self_test.stop()
        self.state.close()
        _RUNTIMES.pop(self.state.crawler, None)


_RUNTIMES: WeakKeyDictionary[Crawler, Runtime] = WeakKeyDictionary()
