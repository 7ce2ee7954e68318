from __future__ import annotations

import asyncio
import base64
import functools
import logging
import tempfile
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, signals
from scrapy.core.downloader.handlers import DownloadHandlers
from scrapy.exceptions import DropItem, NotConfigured
from scrapy.http import HtmlResponse, Response
from scrapy.logformatter import LogFormatter
from scrapy.settings import Settings
from scrapy.utils import response as scrapy_response

from ingest_guard import ImageBlocked, IngestGuardError, SetupError
from ingest_guard.scrapy_plugin.check import browsers, handlers, receivers
from ingest_guard.scrapy_plugin.core import redaction as withheld
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.scrub import scrub, strip_extras
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.startup import protections
from ingest_guard.scrapy_plugin.stores import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy_plugin.conftest import Chain
    from support.listed import World

STRICT = "level: strict\n"
HIDDEN = "http://host.example/secret.jpg"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Leave no filter, address or patch behind."""
    yield
    withheld.forget()
    browsers.allow_open_in_browser()
    for installed in list(protections._filters.values()):
        installed.remove()
    protections._filters.clear()
    protections._strict_crawls.clear()


# Scrapy's versions.


@pytest.mark.parametrize("version", ["2.15.0", "2.15.2", "2.17.1", "2.19.9"])
def test_versions_of_scrapy_that_were_tested(version: str) -> None:
    """Patches of a tested minor version count as tested."""
    assert protections.untested_scrapy(version) is None


@pytest.mark.parametrize("version", ["2.14.2", "2.20.0", "2.20rc1", "3.0.0"])
def test_versions_of_scrapy_that_were_not(version: str) -> None:
    """Newer and older ones are told."""
    assert f"Scrapy {version} is not among the versions" in (protections.untested_scrapy(version) or "")


# Who listens.


class Listener:
    """Hears of everything."""

    def hear(self) -> None:
        """Listen."""


def test_who_listens(make_crawler: Callable[..., Crawler]) -> None:
    """Listeners are named by the function that is called, through bound methods and partial functions."""
    crawler = make_crawler(AUTOTHROTTLE_ENABLED=True)
    own, listener = receivers.foreign(crawler), Listener()
    part = functools.partial(listener.hear)
    crawler.signals.connect(listener.hear, signals.bytes_received)
    crawler.signals.connect(part, signals.response_downloaded)
    assert own == []
    name = f"{__name__}.Listener.hear"
    assert receivers.foreign(crawler) == [f"bytes_received: {name}", f"response_downloaded: {name}"]
    assert receivers.foreign(crawler, receivers.CHUNKS) == [f"bytes_received: {name}"]


# Strict handlers.


def test_handlers_are_wrapped() -> None:
    """Each scheme's handler is wrapped once, laziness and all; what is switched off stays off."""
    settings = Settings({"DOWNLOAD_HANDLERS": {"ftp": None}})
    handlers.wrap_handlers(settings, handlers.CheckedHandler)
    chosen = settings.getwithbase("DOWNLOAD_HANDLERS")
    assert chosen.get("ftp") is None
    assert chosen["https"].inner_class.__name__ == "HTTP11DownloadHandler"
    assert chosen["https"].lazy is chosen["https"].inner_class.lazy
    handlers.wrap_handlers(settings, handlers.CheckedHandler)
    assert settings.getwithbase("DOWNLOAD_HANDLERS")["https"].inner_class.__name__ == "HTTP11DownloadHandler"
    handlers.require_wrapped(SimpleNamespace(settings=settings), handlers.CheckedHandler)  # type: ignore[arg-type]
    settings.set("DOWNLOAD_HANDLERS", {"http": "x.Y"}, 200)
    with pytest.raises(SetupError, match=r"the download handler of .*: was changed"):
        handlers.require_wrapped(SimpleNamespace(settings=settings), handlers.CheckedHandler)  # type: ignore[arg-type]


LEVELS = {"default": handlers.PacedHandler, "strict": handlers.CheckedHandler}
LAZINESS: dict[str, dict[str, Any]] = {"lazy": {"lazy": True}, "eager": {"lazy": False}, "says nothing": {}}


class Off:
    """A download handler whose library is not there."""

    lazy = False

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Off:
        """Refuse."""
        del crawler
        raise NotConfigured("no library")


class Buggy(Off):
    """A download handler that cannot be built."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Buggy:
        """Fail."""
        del crawler
        raise ValueError("a bug")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("laziness", LAZINESS)
def test_a_handler_is_loaded_when_it_would_be(make_crawler: Callable[..., Crawler], level: str, laziness: str) -> None:
    """An eager one at once, a lazy one with its first request; one that does not say gets Scrapy's warning, by name."""
    body = {"__module__": "their.package", "download_request": Inner.download_request}
    crawler = make_crawler(
        f"level: {level}\n", DOWNLOAD_HANDLERS={"toy": type("Theirs", (), body | LAZINESS[laziness])}
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = DownloadHandlers(crawler)
    assert ("toy" in found._handlers) is (laziness == "eager")
    assert isinstance(found._get_handler("toy"), LEVELS[level])
    texts = [text for each in caught if "'lazy' attribute" in (text := str(each.message))]
    assert [text.split()[0] for text in texts] in (["their.package.Theirs"] if laziness == "says nothing" else [], [])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("inner", "said"), [(Off, []), (Buggy, [f"Loading \"<class '{__name__}.Buggy'>\""])])
def test_a_handler_that_cannot_be_built_is_called_what_it_is(
    make_crawler: Callable[..., Crawler], caplog: pytest.LogCaptureFixture, level: str, inner: type, said: list[str]
) -> None:
    """Its scheme is not there, and the log names the handler, not what the guard has put around it."""
    found = DownloadHandlers(make_crawler(f"level: {level}\n", DOWNLOAD_HANDLERS={"toy": inner}))
    assert found._get_handler("toy") is None
    errors = [each.getMessage().split(" for scheme ") for each in caplog.records if each.levelno >= logging.ERROR]
    assert [loading for loading, *scheme in errors if scheme == ['"toy"']] == said


class Inner:
    """A download handler that answers as told."""

    lazy = False
    answer: Any = None
    extra = "its own"

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Inner:
        """Build it."""
        del crawler
        return cls()

    async def download_request(self, request: Request) -> Response:
        """Answer."""
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def _handler(chain: Chain, answer: Any) -> handlers.CheckedHandler:
    inner = type("Told", (Inner,), {"answer": answer})
    return handlers._around(inner, handlers.CheckedHandler).from_crawler(chain.crawler)


def test_a_handler_brings_what_passes(chain: Chain, world: World) -> None:
    """It is known again by the gate, and looked at once; a handler without close, and other attributes, are fine."""
    handler = _handler(chain, Response("http://host.example/a.jpg", body=world.clean))
    request = Request("http://host.example/a.jpg")
    response = asyncio.run(handler.download_request(request))
    again = asyncio.run(chain.part("Gate").process_response(request, response))
    assert again is response
    assert response.body == world.clean
    assert chain.stats()["checked"] == 1
    assert handler.extra == "its own"
    asyncio.run(handler.close())


def test_a_body_that_was_exchanged_behind_the_handler_is_checked(chain: Chain, world: World) -> None:
    """What the handler vouched for is that very body."""
    handler = _handler(chain, Response("http://host.example/a.jpg", body=world.clean))
    request = Request("http://host.example/a.jpg")
    response = asyncio.run(handler.download_request(request))
    response._set_body(world.exact)
    with pytest.raises(ImageBlocked):
        asyncio.run(chain.part("Gate").process_response(request, response))


def test_a_handler_keeps_a_match(chain: Chain, world: World) -> None:
    """A match is emptied and raised; so is what an exception carries."""
    response = Response("http://host.example/a.jpg", body=world.exact)
    with pytest.raises(ImageBlocked):
        asyncio.run(_handler(chain, response).download_request(Request("http://host.example/a.jpg")))
    assert response.body == b""
    error = ValueError("x")
    error.response = carried = Response("http://host.example/", body=b"bytes")  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="x"):
        asyncio.run(_handler(chain, error).download_request(Request("http://host.example/")))
    assert carried.body == b""


def test_a_listener_that_came_during_a_download(chain: Chain, world: World) -> None:
    """It may have heard pieces: the guard latches, and the response is emptied."""
    response = Response("http://host.example/a.jpg", body=world.clean)
    handler, listener = _handler(chain, response), Listener()

    async def download(request: Request) -> Response:
        chain.crawler.signals.connect(listener.hear, signals.headers_received)
        return response

    handler._inner.download_request = download  # type: ignore[attr-defined]
    with pytest.raises(ImageBlocked):
        asyncio.run(handler.download_request(Request("http://host.example/a.jpg")))
    assert (chain.state.failed, response.body) == (True, b"")
    chain.runtime.close()


# Providers' extras.


class Provided(HtmlResponse):
    """A response with a provider's raw answer."""

    def __init__(self, *args: Any, raw: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._raw_api_response = raw

    @property
    def raw_api_response(self) -> Any:
        """Return the raw answer, read-only as at a provider's."""
        return self._raw_api_response


def _raw(body: bytes) -> dict[str, Any]:
    return {
        "httpResponseBody": base64.b64encode(body).decode(),
        "screenshot": base64.b64encode(b"a picture").decode(),
        "networkCapture": [{"url": "x", "httpResponseBody": "not base64!"}],
        "product": {"name": "y"},
    }


def test_pictures_in_a_raw_answer_are_removed(chain: Chain) -> None:
    """A screenshot, and bodies of other requests, were checked by nobody; a copy of what was checked stays."""
    raw = _raw(b"<p>page")
    chain.site.answers["http://host.example/"] = Provided("http://host.example/", body=b"<p>page", raw=raw)
    response = chain.get("http://host.example/")
    assert response.raw_api_response["httpResponseBody"]  # type: ignore[attr-defined]
    assert raw["screenshot"] is None
    assert raw["networkCapture"] == [{"url": "x", "httpResponseBody": None}]
    assert raw["product"] == {"name": "y"}
    assert chain.stats()["extras_removed"] == 2
    assert strip_extras(response) == 0


def test_a_raw_answer_goes_with_its_body(world: World) -> None:
    """Whatever else a response of somebody else's class holds is emptied with it, behind read-only properties too."""
    response = Provided("http://host.example/", body=world.exact, raw=_raw(world.exact))
    scrub(response)
    assert (response.body, response.raw_api_response, response.url) == (b"", None, "http://host.example/")


# Browsers.


class FakeBrowserHandler:
    """Looks like scrapy-playwright's."""


FakeBrowserHandler.__module__ = "scrapy_playwright.handler"


def _aborting(request: Any) -> bool:
    return request.resource_type == "image"


async def _aborting_later(request: Any) -> bool:
    return request.resource_type == "image"


async def _asking(request: Any) -> bool:
    await asyncio.sleep(0)
    return True


def _browser(**settings: Any) -> Settings:
    return Settings({"DOWNLOAD_HANDLERS": {"https": FakeBrowserHandler}, **settings})


def test_a_browser_fetches_no_pictures() -> None:
    """Unless the project says otherwise, its requests for pictures are aborted; other crawls are left alone."""
    settings = _browser()
    browsers.secure(settings, strict=True)
    abort = settings["PLAYWRIGHT_ABORT_REQUEST"]
    assert [abort(SimpleNamespace(resource_type=kind)) for kind in ("image", "media", "document")] == [
        True,
        True,
        False,
    ]
    plain = Settings({"DOWNLOAD_HANDLERS": {"x": "no.such.Handler", "y": "scrapy_playwright.absent.Handler"}})
    assert browsers.renders_pages(plain)
    assert not browsers.renders_pages(Settings({"DOWNLOAD_HANDLERS": {"x": "no.such.Handler"}}))


@pytest.mark.parametrize(
    "abort", [_aborting, _aborting_later, "ingest_guard.scrapy_plugin.check.browsers.abort_pictures"]
)
def test_a_projects_own_rule_for_pictures(abort: Any) -> None:
    """One that aborts pictures is kept."""
    settings = _browser(PLAYWRIGHT_ABORT_REQUEST=abort)
    browsers.secure(settings, strict=True)
    assert settings["PLAYWRIGHT_ABORT_REQUEST"] == abort


@pytest.mark.parametrize("abort", [lambda _: False, _asking, "no.such.function", lambda request: request.absent])
def test_a_rule_that_lets_pictures_through(abort: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The strict level does not start with it; the default level warns."""
    settings = _browser(PLAYWRIGHT_ABORT_REQUEST=abort)
    with pytest.raises(SetupError, match="does not abort requests for pictures"):
        browsers.secure(settings, strict=True)
    browsers.secure(settings, strict=False)
    assert "does not abort requests for pictures" in caplog.text


def test_a_browsers_own_cache() -> None:
    """A folder of the browser's own holds what it has fetched."""
    settings = _browser(PLAYWRIGHT_CONTEXTS={"kept": {"user_data_dir": "x"}, "other": {}})
    with pytest.raises(SetupError, match=r"has a user_data_dir \(kept\)"):
        browsers.secure(settings, strict=True)


_SCREENSHOT = SimpleNamespace(method="screenshot")


@pytest.mark.parametrize(
    "meta",
    [
        {"playwright_include_page": True},
        {"playwright_page_methods": [_SCREENSHOT]},
        {"playwright_page_methods": {"x": _SCREENSHOT}},
    ],
)
def test_requests_for_a_browsers_page(make_chain: Callable[..., Chain], meta: dict[str, Any]) -> None:
    """They are refused in the strict level alone."""
    with pytest.raises(RequestRefused, match="browser_page"):
        make_chain(STRICT).get(Request("http://host.example/", meta=meta))


def test_other_page_methods_are_fine(make_chain: Callable[..., Chain]) -> None:
    """A click shows nobody a picture; in the default level everything goes."""
    meta = {"playwright_page_methods": [SimpleNamespace(method="click")]}
    assert make_chain(STRICT).get(Request("http://host.example/", meta=meta)).status == 404


def test_open_in_browser() -> None:
    """It raises before it writes, and works again afterwards."""
    browsers.forbid_open_in_browser()
    with pytest.raises(IngestGuardError, match="open_in_browser would leave"):
        scrapy_response.open_in_browser(HtmlResponse("http://host.example/", body=b"x"), _openfunc=print)
    browsers.allow_open_in_browser()
    assert scrapy_response.tempfile is tempfile  # type: ignore[attr-defined]


# Ends.


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_end_of_the_process_latches_the_guard(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, error: BaseException, world: World
) -> None:
    """Scrapy would wait for ever: what was being checked is dropped, and everything from then on."""

    async def end(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("ingest_guard.scrapy_plugin.check.judge.inspect", end)
    chain.site.answers["http://host.example/a.jpg"] = world.clean
    with pytest.raises(ImageBlocked) as caught:
        chain.get("http://host.example/a.jpg")
    assert str(caught.value.reason) == "guard_failed"
    assert chain.state.failed
    chain.runtime.close()


def test_an_end_in_a_pipeline_latches_the_guard(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for items, which are emptied."""
    part = chain.part("CheckPipeline")

    async def end(item: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(part, "_process", end)
    item = {"image_url": "http://host.example/a.jpg"}
    with pytest.raises(DropItem):
        chain.process(item)
    assert (item, chain.state.failed) == ({}, True)
    chain.runtime.close()


# The moments of a crawl.


def test_a_crawl_runs_on_asyncio(make_crawler: Callable[..., Crawler], monkeypatch: pytest.MonkeyPatch) -> None:
    """On another reactor the guard would wait for ever; the error says what to set."""
    crawler = make_crawler()
    policy = GuardState.of(crawler).policy
    crawler.settings.frozen = False
    protections.require(crawler, policy)
    monkeypatch.setattr(protections, "is_asyncio_available", lambda: False)
    with pytest.raises(SetupError, match=r"AsyncioSelectorReactor.*TWISTED_REACTOR_ENABLED = False"):
        protections.require(crawler, policy)


def test_what_is_built_is_looked_at(make_crawler: Callable[..., Crawler], caplog: pytest.LogCaptureFixture) -> None:
    """In the default level listeners are named in a warning, in the strict one they stop the start."""
    crawler, listener = make_crawler(), Listener()
    crawler.signals.connect(listener.hear, signals.bytes_received)
    protections.require_built(GuardState.of(crawler))
    assert f"go to bytes_received: {__name__}.Listener.hear" in caplog.text
    crawler = make_crawler(STRICT)
    crawler.signals.connect(listener.hear, signals.bytes_received)
    with pytest.raises(SetupError, match="remove that extension"):
        protections.require_built(GuardState.of(crawler))


def test_a_formatter_that_was_exchanged(make_crawler: Callable[..., Crawler]) -> None:
    """The strict level does not start without the guard's formatter."""
    crawler = make_crawler(STRICT)
    crawler.settings.frozen = False
    handlers.wrap_handlers(crawler.settings, handlers.CheckedHandler)
    protections.require_built(GuardState.of(crawler))
    crawler.logformatter = LogFormatter()
    with pytest.raises(SetupError, match="LOG_FORMATTER was changed"):
        protections.require_built(GuardState.of(crawler))


def test_beginning_and_end(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """Stores are marked, the log is filtered, and all of it comes off; the process of a test is left as it is."""
    crawler = make_crawler(STRICT, FILES_STORE=str(tmp_path / "files"))
    state = GuardState.of(crawler)
    crawler.engine = SimpleNamespace()  # type: ignore[assignment]
    protections.begin(state)
    assert (tmp_path / "files" / stores.MARKER).exists()
    with pytest.raises(IngestGuardError):
        scrapy_response.tempfile.mkstemp()  # type: ignore[attr-defined]
    protections.end(state)
    assert scrapy_response.tempfile is tempfile  # type: ignore[attr-defined]
    assert protections._filters == {}


@pytest.mark.parametrize("name", protections.DOORS)
def test_doors_in_the_strict_level(make_crawler: Callable[..., Crawler], name: str) -> None:
    """A project that switches one on does not start."""
    with pytest.raises(SetupError, match=f"{name} is on"):
        make_crawler(STRICT, **{name: True})
