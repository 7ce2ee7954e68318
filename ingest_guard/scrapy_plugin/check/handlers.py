"""The crawl's download handlers, each with another one around it that the guard has put there.

In the strict level what a handler brings is checked right there: before the signal ``response_downloaded``, and before
a ``StopDownload`` can carry the response away. The gate further on knows the very response again, by its identity and
its body's, and lets it through. Nothing that travels with a request can stand in for that.
"""

import inspect
from typing import Any, ClassVar, Self, cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import BaseSettings
from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.check import receivers
from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.check.judge import judge
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_exception
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.verdict import Reason

# Above the command line: this is written last, from what all others have said.
_PRIORITY = 100


class PacedHandler:
    """A download handler around another one, which starts its downloads as fast as what they bring can be looked at.

    Its subclasses, one for each scheme, name the inner one.
    """

    inner_class: ClassVar[Any] = None

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._state = GuardState.of(crawler)
        self._inner = build_from_crawler(load_object(self.inner_class), crawler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the inner handler, and this one around it; NotConfigured means, as ever, that a scheme is not there."""
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        """Download, when there is room for it."""
        admission = self._state.admission
        await admission.begin(request)
        try:
            response = await self._download(request)
        except BaseException as error:
            admission.end(request)
            scrub_exception(error)
            raise
        admission.came(request, len(response.body))
        return response

    async def close(self) -> None:
        """Close the inner handler."""
        if (close := getattr(self._inner, "close", None)) is not None:
            await ensure_awaitable(close())

    async def _download(self, request: Request) -> Response:
        inner = cast("Any", self._inner)
        if inspect.iscoroutinefunction(inner.download_request):
            response: Response = await inner.download_request(request)
        else:
            # The older kind of handler takes the spider and returns a Deferred.
            response = await ensure_awaitable(inner.download_request(request, self._crawler.spider))
        return response

    def __getattr__(self, name: str) -> Any:
        """Whatever else a handler has is the inner one's."""
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)


class CheckedHandler(PacedHandler):
    """The strict level's: it also checks what the inner handler brings."""

    async def download_request(self, request: Request) -> Response:
        """Download, check, and return what may pass; raise ImageBlocked otherwise."""
        self._require_no_listener()
        response = await super().download_request(request)
        try:
            self._require_no_listener()
        except ImageBlocked:
            scrub(response)
            raise
        checked: Response = await self._check(request, response)
        self._state.handled[checked] = checked.body
        return checked

    @fenced
    async def _check(self, request: Request, response: Response) -> Response:
        with self._state.admission.ended(request):
            return await judge(self._state, request, response)

    def _require_no_listener(self) -> None:
        """Latch shut where something listens to the pieces of downloads since the start."""
        if found := receivers.foreign(self._crawler, receivers.CHUNKS):
            self._state.fail(f"unchecked pieces of downloads go to {', '.join(found)}")
        if self._state.failed:
            raise ImageBlocked("not_scannable", Reason.GUARD_FAILED)


def wrap_handlers(settings: BaseSettings, kind: type[PacedHandler]) -> None:
    """Put a handler of a kind around the handler of every scheme, in the final settings of a crawl."""
    handlers = settings.getwithbase("DOWNLOAD_HANDLERS")
    if all(path is None or is_wrapped(path, kind) for path in handlers.values()):
        return
    # Older versions of Scrapy leave out of the merged setting what a project has switched off.
    off = {scheme: None for scheme, path in settings.getdict("DOWNLOAD_HANDLERS").items() if path is None}
    wrapped = off | {
        scheme: path if path is None or is_wrapped(path, kind) else _around(path, kind)
        for scheme, path in handlers.items()
    }
    settings.set("DOWNLOAD_HANDLERS", wrapped, _PRIORITY)


def require_wrapped(crawler: Crawler, kind: type[PacedHandler]) -> None:
    """Raise SetupError unless every scheme of a started crawl goes through a handler of a kind."""
    for scheme, path in crawler.settings.getwithbase("DOWNLOAD_HANDLERS").items():
        if path is not None and not is_wrapped(path, kind):
            raise SetupError(
                f"ingest_guard: the download handler of {scheme}: was changed after the guard had wrapped it "
                "(DOWNLOAD_HANDLERS); set it in the settings, not in an extension"
            )


def is_wrapped(path: Any, kind: type[PacedHandler]) -> bool:
    """Return whether a handler in the settings is of a kind."""
    return isinstance(path, type) and issubclass(path, kind)


def _around(path: Any, kind: type[PacedHandler]) -> type[PacedHandler]:
    """Return a class of a kind around a handler.

    It is called what the handler is called, and loaded when the handler would be: what Scrapy logs and warns about is
    for the handler's author. A handler that does not say whether it is lazy gets Scrapy's own default, and its warning.
    """
    inner = load_object(path)
    facts = {
        name: value
        for name in ("__module__", "__qualname__", "lazy")
        if (value := getattr(inner, name, None)) is not None
    }
    return type(getattr(inner, "__name__", kind.__name__), (kind,), {**facts, "inner_class": inner})
