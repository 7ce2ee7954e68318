"""The self-test: a picture that the blocklist knows is sent through this very crawler's chain, and must not come out.

It runs before the first request, again and again during the crawl, and whenever the blocklist has changed. It is what
notices that a newer Scrapy, or another middleware, has made a way around the guard.
"""

from __future__ import annotations

import base64
import gzip
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from scrapy import Request
from scrapy.http import HtmlResponse, Response
from scrapy.utils.asyncio import create_looping_call
from scrapy.utils.defer import _schedule_coro, ensure_awaitable

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.canary import MOST
from ingest_guard.errors import GuardFailedError
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.verdict import Outcome, Reason

if TYPE_CHECKING:
    _Way: TypeAlias = Callable[[Request, Response], Awaitable[object]]


_URL = "http://ingest-guard.invalid/self-test"
# Another image's worker may die at the wrong moment, or the machine be too busy; but not every time.
_PASSING_FAULTS = (Reason.TIMEOUT, Reason.WORKER_CRASHED, Reason.MEMORY)
_ATTEMPTS = 5


class SelfTest:
    """Sends the canary through the chain of downloader middlewares, as the crawl's own responses go."""

    def __init__(self, state: GuardState) -> None:
        self._state = state
        self._numbers = itertools.cycle(range(1, MOST))
        self._end: Callable[[], object] | None = None
        self._is_running = False

    @property
    def _blocklist(self) -> Blocklist:
        return self._state.guard.blocklist

    async def run(self) -> None:
        """Send every kind of canary through the chain.

        Raises
        ------
        GuardFailedError
            One came out, or was not recognised.
        """
        if not self._blocklist.knows_canary:
            raise GuardFailedError(
                "the blocklist was built by a release that planted no canary in it, and a crawl on it could not test "
                "itself; build it again: ingest-guard blocklist build"
            )
        crawler: Any = self._state.crawler
        downloader = crawler.engine.downloader
        chain = list(downloader.middleware.methods["process_response"])
        for name, make in self._canaries():
            # The gate has to stop it by itself: what comes after it keeps things. And so has the sentinel, where a
            # middleware in between has put it in.
            await self._send(f"{name}, downloaded", make, partial(self._through, chain[:1]))
            await self._send(f"{name}, put in on the way", make, partial(self._through, chain[-1:]))
        if self._state.policy.level == "strict":
            await self._send("a download", lambda: Response(_URL), lambda *_: self._download(downloader))
        self._state.count("self_tests")

    async def again(self) -> None:
        """Run it, and latch the gate where it fails."""
        if self._is_running or self._state.failed:
            return
        self._is_running = True
        try:
            await self.run()
        except GuardFailedError as error:
            self._state.fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test was not passed
            self._state.fail(f"the self-test could not be run ({type(error).__name__})")
        finally:
            self._is_running = False

    def start(self) -> None:
        """Repeat it at the policy's interval; needs a running event loop."""
        ticker = create_looping_call(lambda: _schedule_coro(self.again()))
        ticker.start(self._state.policy.self_test.interval.total_seconds(), now=False)
        self._end = ticker.stop

    def stop(self) -> None:
        """End the repetition."""
        if self._end is not None:
            self._end()
            self._end = None

    def _canaries(self) -> Iterator[tuple[str, Callable[[], Response]]]:
        yield "an image", self._listed
        yield "a compressed image", self._compressed
        yield "an image inside a page", self._in_a_page
        if self._blocklist.knows_canary_by_sight:
            yield "an altered image", self._altered

    def _listed(self) -> Response:
        return Response(_URL, body=self._blocklist.canary())

    def _compressed(self) -> Response:
        body = gzip.compress(self._blocklist.canary(), mtime=0)
        return Response(_URL, headers={"Content-Encoding": "gzip"}, body=body)

    def _in_a_page(self) -> Response:
        return HtmlResponse(_URL, body=b'<p><img src="%b">' % _data_url(self._blocklist.canary()))

    def _altered(self) -> Response:
        # A new one each time: no memory of an earlier scan can answer for it.
        return Response(_URL, body=self._blocklist.canary(next(self._numbers)))

    async def _send(self, name: str, make: Callable[[], Response], way: _Way) -> None:
        """Send a canary on its way until there is an answer; raises GuardFailedError unless that is a match."""
        answer: ImageBlocked | None = None
        for _ in range(_ATTEMPTS):
            answer = await self._answer(name, make(), way)
            if answer.outcome == Outcome.MATCH:
                return
            if answer.reason not in _PASSING_FAULTS:
                break
        said = "nothing" if answer is None else answer.reason or answer.outcome
        raise GuardFailedError(f"the self-test's picture was not recognised ({name}: {said})")

    async def _answer(self, name: str, response: Response, way: _Way) -> ImageBlocked:
        request = Request(_URL, meta={"dont_cache": True, "dont_retry": True, "dont_redirect": True})
        self._state.test_requests.add(request)
        try:
            await way(request, response)
        except ImageBlocked as blocked:
            if response.body:
                raise GuardFailedError(f"the self-test's picture was recognised, and kept ({name})") from None
            return blocked
        except Exception as error:  # noqa: BLE001 - a middleware's own, which may quote anything
            raise GuardFailedError(f"the self-test was stopped by {type(error).__name__} ({name})") from None
        raise GuardFailedError(f"the self-test's picture got through ({name})")

    async def _through(self, chain: Iterable[Callable[..., Any]], request: Request, response: Response) -> None:
        """Hand a response down the chain, as Scrapy itself does."""
        crawler: Any = self._state.crawler
        wanting = crawler.engine.downloader.middleware._mw_methods_requiring_spider  # noqa: SLF001 - Scrapy has no other way to find out
        result: Any = response
        for method in chain:
            extra = {"spider": crawler.spider} if method in wanting else {}
            result = await ensure_awaitable(method(request=request, response=result, **extra))

    async def _download(self, downloader: Any) -> None:
        """Download the canary as a ``data:`` URL, which needs no network: the strict level checks in the handlers."""
        request = Request(_data_url(self._blocklist.canary()).decode())
        self._state.test_requests.add(request)
        await downloader.handlers.download_request_async(request)


def _data_url(data: bytes) -> bytes:
    return b"data:image/bmp;base64," + base64.b64encode(data)
