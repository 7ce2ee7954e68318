"""The strict level's download handlers: each of the crawl's own is wrapped, and what it brings is checked right there.

So the check comes before the signal ``response_downloaded`` and before anybody can hold a ``StopDownload`` with a
response in it. The check is the gate's own; the gate further on knows the very response again, by its identity and its
body's, and lets it through. Nothing that travels with a request can stand in for that.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin import receivers
from ingest_guard.scrapy_plugin.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.gate import Gate
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.scrapy_plugin.scrub import scrub, scrub_exception
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.settings import BaseSettings
    from typing_extensions import Self

# Above the command line: this is written last, from what all others have said.
_PRIORITY = 100


class CheckedHandler:
    """A download handler around another one. Its subclasses, one for each scheme, name that one."""

    lazy: bool = True
    inner_class: ClassVar[Any] = None

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._runtime = Runtime.of(crawler)
        self._gate = Gate(self._runtime)
        self._inner = build_from_crawler(load_object(self.inner_class), crawler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the inner handler, and this one around it; NotConfigured means, as ever, that a scheme is not there."""
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        """Download, check, and return what may pass; raise ImageBlocked otherwise."""
        self._require_nobody_listens()
        try:
            response: Response = await self._download(request)
        except Exception as error:
            scrub_exception(error)
            raise
        try:
            self._require_nobody_listens()
        except ImageBlocked:
            scrub(response)
            raise
        response = await self._gate.process_response(request, response)
        self._runtime.handled[response] = response.body
        return response

    def __getattr__(self, name: str) -> Any:
        """Whatever else a handler has is the inner one's."""
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    async def close(self) -> None:
        """Close the inner handler."""
        if (close := getattr(self._inner, "close", None)) is not None:
            await ensure_awaitable(close())

    async def _download(self, request: Request) -> Any:
        inner = cast("Any", self._inner)
        if inspect.iscoroutinefunction(inner.download_request):
            return await inner.download_request(request)
        # The older kind of handler takes the spider and returns a Deferred.
        return await ensure_awaitable(inner.download_request(request, self._crawler.spider))

    def _require_nobody_listens(self) -> None:
        """Latch shut where somebody has connected to the pieces of downloads since the start."""
        if found := receivers.foreign(self._crawler, receivers.CHUNKS):
            self._runtime.fail(f"unchecked pieces of downloads go to {', '.join(found)}")
        if self._runtime.latched:
            raise ImageBlocked("not_scannable", Reason.GUARD_FAILED)


def wrap_handlers(settings: BaseSettings) -> None:
    """Put a :class:`CheckedHandler` around the handler of every scheme, in the final settings of a crawl."""
    # Older versions of Scrapy leave out of the merged setting what a project has switched off.
    off = {scheme: None for scheme, path in settings.getdict("DOWNLOAD_HANDLERS").items() if path is None}
    wrapped = off | {
        scheme: path if path is None or _is_wrapped(path) else _wrapper(path)
        for scheme, path in settings.getwithbase("DOWNLOAD_HANDLERS").items()
    }
    settings.set("DOWNLOAD_HANDLERS", wrapped, _PRIORITY)


def _wrapper(path: Any) -> type[CheckedHandler]:
    inner = load_object(path)
    name = f"Checked{getattr(inner, '__name__', 'Handler')}"
    return type(name, (CheckedHandler,), {"lazy": getattr(inner, "lazy", True), "inner_class": inner})


def require_wrapped(crawler: Crawler) -> None:
    """Raise SetupError unless every scheme of a started crawl goes through a :class:`CheckedHandler`."""
    for scheme, path in crawler.settings.getwithbase("DOWNLOAD_HANDLERS").items():
        if path is not None and not _is_wrapped(path):
            raise SetupError(
                f"ingest_guard: the download handler of {scheme}: was changed after the guard had wrapped it "
                "(DOWNLOAD_HANDLERS); set it in the settings, not in an extension"
            )


def _is_wrapped(path: Any) -> bool:
    return isinstance(path, type) and issubclass(path, CheckedHandler)
