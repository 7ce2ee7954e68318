from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, Spider
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from ingest_guard.scrapy_plugin.check import robots
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST = "https://site.example"
_FILE = f"{_HOST}/robots.txt"
_RULES = b"User-agent: *\nDisallow: /private/\n"
_POLICY = "opt_outs: {tdm_file: false}\n"
_ALLOW = "opt_outs: {tdm_file: false, robots_unreachable: allow}\n"


class _Quiet(RobotsTxtMiddleware):
    """A middleware that a project has in place of Scrapy's."""


def _answer(status: int, body: bytes = b"", **headers: str) -> Response:
    return Response(_FILE, status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def _cut_off() -> Response:
    return Response(_FILE, body=_RULES, flags=["dataloss"])


_ANSWERS: dict[str, tuple[Any, str, bool]] = {
    # what is answered, how it is counted, whether the host may be asked
    "rules": (_answer(200, b"User-agent: *\nAllow: /\n"), "read", True),
    "empty": (_answer(200), "read", True),
    "no length": (Response(_FILE, body=b"User-agent: *\nAllow: /\n", flags=["partial"]), "read", True),
    "401": (_answer(401), "none", True),
    "403": (_answer(403, b"User-agent: *\nDisallow: /\n"), "none", True),
    "404": (_answer(404, b"User-agent: *\nDisallow: /\n"), "none", True),
    "410": (_answer(410), "none", True),
    "429": (_answer(429), "none", True),
    "500": (_answer(500, b"User-agent: *\nAllow: /\n"), "server_error", False),
    "502": (_answer(502), "server_error", False),
    "503": (_answer(503), "server_error", False),
    "599": (_answer(599), "server_error", False),
    "refused": (ConnectionRefusedError("no"), "no_answer", False),
    "time": (TimeoutError(), "no_answer", False),
    "another part ignores it": (IgnoreRequest("not here"), "no_answer", False),
    "cut off": (_cut_off(), "no_answer", False),
    "part": (_answer(206, b"User-agent: *\nAllow: /\n"), "no_answer", False),
    "an archive": (_answer(200, b"PK\x03\x04" + bytes(60)), "dropped", False),
    "a redirect without a target": (_answer(301), "none", True),
}


@pytest.fixture
def make_obeying(make_chain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of chains that heed robots.txt, over hosts that have a page and an image each."""

    def make(policy: str = _POLICY, **settings: Any) -> Any:
        chain = make_chain(policy, ROBOTSTXT_OBEY=True, RETRY_ENABLED=False, **settings)
        for name in ("site", "other"):
            for path in ("/", "/private/", "/2", "/3"):
                chain.site.answers[f"https://{name}.example{path}"] = b"<p>A page."
        return chain

    return make


def _asked(chain: Any) -> list[str]:
    return [request.url.removeprefix(_HOST) for request in chain.site.asked]


def _may_ask(chain: Any, path: str = "/") -> bool:
    try:
        return bool(chain.get(f"{_HOST}{path}").body)
    except IgnoreRequest:
        return False


@pytest.mark.parametrize("name", _ANSWERS)
def test_what_an_answer_means(make_obeying: Callable[..., Any], name: str) -> None:
    """Errors of the server, silence and cut answers forbid the host; a file that does not exist allows it."""
    answer, result, allowed = _ANSWERS[name]
    chain = make_obeying()
    # A body that the guard drops is emptied in place.
    chain.site.answers[_FILE] = answer.replace() if isinstance(answer, Response) else answer
    assert _may_ask(chain) is allowed
    assert ("/" in _asked(chain)) is allowed
    assert chain.stats()[f"robots_files/{result}"] == 1
    assert chain.stats().get("robots_unreachable", 0) == int(not allowed)
    assert chain.crawler.stats.get_value("robotstxt/forbidden", 0) == int(not allowed)


@pytest.mark.parametrize("name", [name for name, (_, _, allowed) in _ANSWERS.items() if not allowed])
def test_the_policy_can_keep_scrapys_way(make_obeying: Callable[..., Any], name: str) -> None:
    """With robots_unreachable: allow, a host whose file cannot be had is asked; it is counted all the same."""
    answer, result, _ = _ANSWERS[name]
    chain = make_obeying(_ALLOW)
    # A body that the guard drops is emptied in place.
    chain.site.answers[_FILE] = answer.replace() if isinstance(answer, Response) else answer
    assert _may_ask(chain)
    assert chain.stats()[f"robots_files/{result}"] == 1
    assert "robots_unreachable" not in chain.stats()


def test_rules_are_heeded_for_pages_and_images_alike(make_obeying: Callable[..., Any]) -> None:
    """What a file forbids is not asked for, the rest is, and the file is fetched once."""
    chain = make_obeying()
    chain.site.answers[_FILE] = _RULES
    assert [_may_ask(chain, path) for path in ("/", "/private/", "/2")] == [True, False, True]
    assert _asked(chain) == ["/robots.txt", "/", "/2"]


def test_requests_that_come_at_once_wait_for_one_file(make_obeying: Callable[..., Any]) -> None:
    """Of many requests for a new host, each waits for its file, which is fetched once."""
    chain = make_obeying()
    chain.site.answers[_FILE] = b"User-agent: *\nDisallow: /\n"

    async def all_at_once() -> list[Any]:
        requests = [Request(f"{_HOST}{path}") for path in ("/", "/2", "/3", "/private/")]
        return await asyncio.gather(*map(chain.download, requests), return_exceptions=True)

    assert all(isinstance(each, IgnoreRequest) for each in asyncio.run(all_at_once()))
    assert _asked(chain) == ["/robots.txt"]


@pytest.mark.parametrize(
    ("first", "seconds", "asks_again"),
    [(500, 3599, False), (500, 3601, True), (200, 3601, False), (404, 86_399, False), (404, 86_401, True)],
)
def test_a_file_is_asked_for_again(
    make_obeying: Callable[..., Any], first: int, seconds: float, *, asks_again: bool
) -> None:
    """One that could not be had after an hour, past any cache; one that was read after a day."""
    chain = make_obeying()
    now = [1000.0]
    chain.part("RobotsTxt")._clock = lambda: now[0]
    chain.site.answers[_FILE] = _answer(first)
    _may_ask(chain)
    now[0] += seconds
    chain.site.answers[_FILE] = b"User-agent: *\nDisallow: /2\n"
    assert _may_ask(chain, "/2") is (not asks_again and first != 500)
    asked = [request for request in chain.site.asked if request.url == _FILE]
    assert [request.meta.get("dont_cache", False) for request in asked] == [False, True][: 1 + asks_again]


def test_redirects_to_other_hosts_are_followed(make_obeying: Callable[..., Any]) -> None:
    """A file that lies on another host, off-site for the spider, counts for the host that was asked."""

    class Bound(Spider):
        name = "bound"
        allowed_domains = ("site.example",)

    chain = make_obeying(spider=Bound)
    chain.site.answers[_FILE] = _answer(301, Location="https://other.example/robots.txt")
    chain.site.answers["https://other.example/robots.txt"] = _RULES
    assert [_may_ask(chain, path) for path in ("/", "/private/")] == [True, False]


def test_redirects_without_an_end_are_no_file(make_obeying: Callable[..., Any]) -> None:
    """A host that redirects its file to itself has none."""
    chain = make_obeying()
    chain.site.answers[_FILE] = _answer(302, Location="/robots.txt")
    assert _may_ask(chain)
    assert chain.stats()["robots_files/none"] == 1


def test_a_file_on_a_listed_host_forbids(make_obeying: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect to an address that the guard refuses leaves the file unread, and its host unasked."""
    chain = make_obeying()
    elsewhere = "https://other.example/robots.txt"
    monkeypatch.setattr(chain.state, "lists_with_url", lambda url: ["a"] if url == elsewhere else [])
    chain.site.answers[_FILE] = _answer(301, Location=elsewhere)
    assert not _may_ask(chain)
    assert chain.stats()["robots_files/refused"] == 1
    assert elsewhere not in [request.url for request in chain.site.asked]


def test_each_reason_is_logged_once_without_an_address(
    make_obeying: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """However many hosts cannot be had, the log has one line for each reason, and no host in it."""
    chain = make_obeying()
    for number in range(3):
        chain.site.answers[f"https://h{number}.example/robots.txt"] = _answer(500 if number else 502)
    chain.site.answers["https://gone.example/robots.txt"] = TimeoutError()
    with caplog.at_level(logging.INFO, logger=robots.__name__):
        for host in ("h0", "h1", "h2", "gone"):
            with pytest.raises(IgnoreRequest):
                chain.get(f"https://{host}.example/")
    lines = [record.getMessage() for record in caplog.records if record.name == robots.__name__]
    assert len(lines) == 2
    assert not [line for line in lines if ".example" in line]
    assert [reason in line for reason, line in zip(robots.UNREACHABLE.values(), lines, strict=False)] == [True, True]


def test_what_is_remembered_is_bounded(make_obeying: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of hosts takes no more than so many bytes; a host that was forgotten is asked again."""
    monkeypatch.setattr(robots.RobotsTxt, "MOST_TEXT", 4096)
    chain = make_obeying()
    for number in range(20):
        chain.site.answers[f"https://h{number}.example/"] = b"<p>A page."
        chain.get(f"https://h{number}.example/")
    assert len(chain.part("RobotsTxt")._known) == 4
    chain.get("https://h0.example/")
    assert [request.url for request in chain.site.asked].count("https://h0.example/robots.txt") == 2


def test_a_large_file_is_read_in_part(make_obeying: Callable[..., Any]) -> None:
    """The first 500 KiB of a file count, in whole lines."""
    chain = make_obeying()
    rules = b"User-agent: *\nDisallow: /private/\n"
    filling = b"#\n" * ((500 << 10) // 2)
    chain.site.answers[_FILE] = rules + filling[: -2 * len(rules)] + b"Disallow: /2\n" + filling + b"Disallow: /\n"
    assert [_may_ask(chain, path) for path in ("/", "/private/", "/2")] == [True, False, False]


def test_a_request_may_go_past_robots(make_obeying: Callable[..., Any]) -> None:
    """A request with dont_obey_robotstxt goes out without the file, as in Scrapy."""
    chain = make_obeying()
    chain.site.answers[_FILE] = _answer(500)
    assert chain.get(Request(f"{_HOST}/", meta={"dont_obey_robotstxt": True})).body
    assert _asked(chain) == ["/"]


def test_other_schemes_are_scrapys(make_obeying: Callable[..., Any]) -> None:
    """A host of another scheme whose file cannot be had is treated as Scrapy treats it."""
    chain = make_obeying()
    chain.site.answers["ftp://files.example/robots.txt"] = ConnectionRefusedError()
    chain.site.answers["ftp://files.example/a.txt"] = b"a text"
    assert chain.get("ftp://files.example/a.txt").body == b"a text"


def test_the_guards_exceptions_are_told_apart() -> None:
    """A drop by the guard is counted as such, not as silence of the host."""
    assert robots._ignored(ImageBlocked("not_scannable")) == "dropped"


_OURS, _SCRAPYS = "RobotsTxt", "RobotsTxtMiddleware"
_PATH = "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware"


@pytest.mark.parametrize(
    ("settings", "built"),
    [
        ({}, [_OURS]),
        ({"ROBOTSTXT_OBEY": False}, []),
        ({"DOWNLOADER_MIDDLEWARES": {_PATH: 150}}, [_OURS]),
        ({"DOWNLOADER_MIDDLEWARES": {RobotsTxtMiddleware: 150}}, [_OURS]),
        ({"DOWNLOADER_MIDDLEWARES": {_PATH: None}}, []),
        ({"DOWNLOADER_MIDDLEWARES": {_PATH: None, _Quiet: 100}}, ["_Quiet"]),
    ],
)
def test_only_scrapys_own_middleware_is_replaced(
    make_crawler: Callable[..., Any], settings: dict[str, Any], built: list[str]
) -> None:
    """The add-on takes the place of Scrapy's middleware, at its order; what a project has chosen stays."""
    from scrapy.core.downloader.middleware import DownloaderMiddlewareManager  # noqa: PLC0415 - after the add-on

    crawler = make_crawler(_POLICY, **{"ROBOTSTXT_OBEY": True, **settings})
    names = [type(each).__name__ for each in DownloaderMiddlewareManager.from_crawler(crawler).middlewares]
    assert [name for name in names if name in {_OURS, _SCRAPYS, "_Quiet"}] == built
