from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, Spider
from scrapy.exceptions import DropItem, IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.settings import Settings
from support.listed import LISTED_URL, World

from ingest_guard.dataset.optouts.tdmrep import WELL_KNOWN
from ingest_guard.policy.policy import Policy
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.scrapy_plugin.explanation import KEPT_OUT, explain
from ingest_guard.scrapy_plugin.images import host_files
from ingest_guard.scrapy_plugin.images.tdm_files import TdmFiles
from ingest_guard.scrapy_plugin.startup import protections
from ingest_guard.urls.hosts import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy_plugin.conftest import Chain, Site

ORIGIN = "https://site.example"
PAGE = f"{ORIGIN}/a/page.html"
URL = f"{ORIGIN}/a/picture.jpg"
FILE = ORIGIN + WELL_KNOWN
INSIDE, PRIVATE = "http://10.0.0.1/", "http://10.0.0.5/picture.jpg"
RESERVED, FREE = b'[{"location": "/", "tdm-reservation": 1}]', b'[{"location": "/", "tdm-reservation": 0}]'
ON = "opt_outs: {robots_txt: false}\n"


@pytest.fixture
def on(make_chain: Callable[..., Chain], site: Site, world: World) -> Chain:
    """Return a chain that heeds everything but robots.txt, in front of a site with one clean image."""
    site.answers[URL] = world.clean
    return make_chain(ON)


def fetch(chain: Chain, url: str = URL, page: str | None = PAGE) -> Any:
    """Fetch one image for a record."""
    return asyncio.run(chain.runtime.fetcher.fetch(url, page))


def asked(site: Site) -> list[str]:
    """Return the addresses that were asked for, in order."""
    return [request.url for request in site.asked]


def answer(url: str, body: bytes, status: int = 200, **headers: str) -> Response:
    """Return an answer with headers; underscores in their names are hyphens."""
    return Response(url, status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("file", "counted", "result"),
    [
        (lambda: RESERVED, "read", "opted_out"),
        (lambda: FREE, "read", "no_known_match"),
        (lambda: answer(FILE, b"no", 404), "none", "no_known_match"),
        (lambda: answer(FILE, RESERVED, 410), "none", "no_known_match"),
        (lambda: answer(FILE, RESERVED, 500), "failed", "no_known_match"),
        (lambda: answer(FILE, RESERVED, 206), "failed", "no_known_match"),
        (lambda: answer(FILE, b"<!doctype html><p>a page for everything", 200), "invalid", "no_known_match"),
        (lambda: answer(FILE, b"", 200), "invalid", "no_known_match"),
        (lambda: OSError("no such host"), "failed", "no_known_match"),
        (lambda: IgnoreRequest("Forbidden by robots.txt"), "refused", "no_known_match"),
    ],
)
def test_every_end_of_asking_for_the_file(
    on: Chain, site: Site, file: Callable[[], Any], counted: str, result: str
) -> None:
    """Only a file that can be read reserves anything; each end is counted once. A failure is tried again once."""
    site.answers[FILE] = file()
    fetched = fetch(on)
    assert fetched.result == result
    assert fetched.opted_out == ("tdm_file" if result == "opted_out" else None)
    asked_before = asked(site).count(FILE)
    assert asked_before == (2 if counted == "failed" and "206" not in str(site.answers[FILE]) else 1)
    fetch(on, f"{ORIGIN}/another.jpg")
    assert asked(site).count(FILE) == asked_before
    assert {key: value for key, value in on.stats().items() if "tdm" in key} == {f"tdm_files/{counted}": 1}


def test_an_image_as_the_file(on: Chain, site: Site, world: World) -> None:
    """A listed image in the file's place is a match, as everywhere."""
    site.answers[FILE] = world.exact
    assert fetch(on).result == "no_known_match"
    assert on.stats()["matched"] == 1
    assert on.stats()["tdm_files/refused"] == 1


def test_the_file_comes_before_the_images(on: Chain, site: Site, world: World) -> None:
    """Of many images that come at once, none is asked for before the file, which is asked for once."""
    urls = [f"{ORIGIN}/{number}.jpg" for number in range(8)]
    site.answers.update(dict.fromkeys(urls, world.clean), **{FILE: FREE})

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(on.runtime.fetcher.fetch(url, PAGE) for url in urls))

    assert {fetched.result for fetched in asyncio.run(all_at_once())} == {"no_known_match"}
    assert asked(site)[0] == FILE
    assert sorted(asked(site)[1:]) == urls


def test_what_the_file_reserves_is_not_asked_for(on: Chain, site: Site) -> None:
    """Neither the image, nor anything but the file, and as the guard asks for everything: past the cache, any host."""
    site.answers[FILE] = RESERVED
    assert fetch(on).result == "opted_out"
    (request,) = site.asked
    assert request.url == FILE
    assert request.meta["dont_cache"] is request.meta["allow_offsite"] is True
    assert request.meta["download_timeout"] == 30
    assert request.meta["download_maxsize"] < 1 << 20


def test_a_host_that_takes_its_time(make_chain: Callable[..., Chain], site: Site, world: World) -> None:
    """An image waits no longer than the policy says; what comes later counts for later images."""
    chain = make_chain("opt_outs: {robots_txt: false, tdm_wait: 0.05s}\n")
    urls = [f"{ORIGIN}/{number}.jpg" for number in range(3)]
    site.answers.update(dict.fromkeys(urls, world.clean))
    download, came = site.download, asyncio.Event()

    async def slow(request: Request) -> Response:
        if request.url == FILE:
            await came.wait()
            return Response(FILE, body=RESERVED)
        return await download(request)

    site.download = slow  # type: ignore[method-assign]

    async def crawl() -> list[str]:
        first = await asyncio.gather(*(chain.runtime.fetcher.fetch(url, PAGE) for url in urls[:2]))
        came.set()
        later = await chain.runtime.fetcher.fetch(urls[2], PAGE)
        return [fetched.result for fetched in (*first, later)]

    assert asyncio.run(crawl()) == ["no_known_match", "no_known_match", "opted_out"]
    assert chain.stats()["tdm_files_late"] >= 1
    assert chain.stats()["tdm_files/read"] == 1


def test_nobody_outside_reaches_inside(on: Chain, site: Site, world: World) -> None:
    """For a public page, no private host is asked for a file; for a page inside, it is, afterwards too."""
    site.answers.update({PRIVATE: world.clean, f"http://10.0.0.5{WELL_KNOWN}": RESERVED})
    assert fetch(on, PRIVATE).result == "refused"
    assert site.asked == []
    assert reason_of(on, "ftp://site.example/") is None
    assert asyncio.run(TdmFiles(on.state).reserved(PRIVATE, is_inside=False)) is None
    assert site.asked == []
    assert fetch(on, PRIVATE, INSIDE).result == "opted_out"


def test_a_file_that_redirects_inside(on: Chain, site: Site) -> None:
    """The rules for private addresses hold for redirects of the file."""
    site.answers[FILE] = answer(FILE, b"", 302, Location="http://10.0.0.5/secret")
    assert fetch(on).result == "no_known_match"
    assert "http://10.0.0.5/secret" not in asked(site)
    assert on.stats()["tdm_files/refused"] == 1


def test_what_is_refused_is_no_reason_to_talk_to_its_host(on: Chain, site: Site) -> None:
    """Nobody is asked for the file of a listed address's host."""
    assert fetch(on, LISTED_URL).result == "refused"
    assert site.asked == []
    assert on.stats()["refused/url_list"] == 1


def test_redirects_of_an_image(on: Chain, site: Site, world: World) -> None:
    """Each step counts: what its header says, and the file of each host on the way."""
    far, other = "https://far.example/x.jpg", f"{ORIGIN}/other.jpg"
    site.answers.update({far: world.clean, f"https://far.example{WELL_KNOWN}": RESERVED})
    site.answers[URL] = answer(URL, b"", 302, Location=far)
    assert fetch(on).opted_out == "tdm_file"
    site.answers[far] = lambda _: answer(far, world.clean, tdm_reservation="0")
    site.answers[other] = answer(other, b"", 301, Location=far)
    assert fetch(on, other).result == "no_known_match"
    said = f"{ORIGIN}/said.jpg"
    site.answers[said] = answer(said, b"", 301, Location=far, X_Robots_Tag="noml")
    assert fetch(on, said).opted_out == "noml"


@pytest.mark.parametrize("status", [404, 500])
def test_headers_of_errors_say_nothing(on: Chain, site: Site, world: World, status: int) -> None:
    """A page that says that there is nothing has noindex, as a rule; the image that comes at a second try counts."""
    answers = iter([answer(URL, b"gone", status, X_Robots_Tag="noindex"), answer(URL, world.clean)])
    site.answers[URL] = lambda _: next(answers)
    assert fetch(on).result == ("status" if status == 404 else "no_known_match")


def test_a_match_is_a_match(on: Chain, site: Site, world: World) -> None:
    """An opt-out takes nothing away from the check."""
    site.answers[URL] = answer(URL, world.exact, X_Robots_Tag="noai")
    assert fetch(on).result == "match"
    assert on.stats()["matched"] == 1


@pytest.mark.parametrize(
    ("headers", "file", "reason"),
    [
        ({"X_Robots_Tag": "noai"}, FREE, "noai"),
        ({"tdm_reservation": "1"}, FREE, "tdm_reservation"),
        ({"tdm_reservation": "0"}, RESERVED, None),
        ({}, RESERVED, "tdm_file"),
        ({}, FREE, None),
    ],
)
def test_an_image_that_the_spider_asked_for(
    on: Chain, site: Site, world: World, *, headers: dict[str, str], file: bytes, reason: str | None
) -> None:
    """What was learnt of it comes with what its headers said; of its host's file, once an item names it."""
    site.answers.update({URL: answer(URL, world.clean, **headers), FILE: file})
    assert on.get(URL).body == world.clean
    assert asked(site) == [URL]
    fetched = fetch(on)
    assert (fetched.result, fetched.opted_out) == ("opted_out" if reason else "no_known_match", reason)
    assert fetch(on) is fetched
    assert asked(site).count(URL) == 1


def test_a_copied_ticket_gets_no_image(on: Chain, site: Site, world: World) -> None:
    """A ticket for a text is good for what anybody gets: texts. Images stay at the gate."""
    site.answers[PAGE] = b"<!doctype html><p>text"
    meta = {META_KEY: Ticket(for_text=True)}
    assert on.get(Request(PAGE, meta=meta)).body == b"<!doctype html><p>text"
    assert on.get(Request(URL, meta=meta)).body == b""


def page(url: str = PAGE, markup: str = "", **headers: str) -> Response:
    """Return a page with headers and markup."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return HtmlResponse(url, headers=told, body=f"<!doctype html>{markup}<p>text".encode())


def reason_of(chain: Chain, url: str | None = PAGE, *named: str | None) -> str | None:
    """Return why images of a page are not recorded."""
    signal = asyncio.run(chain.runtime.opt_outs.of_page(url, named))
    return None if signal is None else signal.name


@pytest.mark.parametrize(
    ("response", "file", "reason"),
    [
        (page, b"", None),
        (lambda: page(X_Robots_Tag="noai"), b"", "noai"),
        (lambda: page(markup="<meta name=robots content=noimageai>"), b"", "noimageai"),
        (lambda: page(markup="<meta name=tdm-reservation content=1>", tdm_reservation="0"), FREE, "tdm_reservation"),
        (lambda: page(markup="<meta name=tdm-reservation content=0>", tdm_reservation="1"), RESERVED, None),
        (lambda: page(tdm_reservation="0"), RESERVED, None),
        (lambda: page(tdm_reservation="2"), RESERVED, "tdm_file"),
        (page, RESERVED, "tdm_file"),
        (lambda: Response(PAGE, body=b"<meta name=robots content=noai>"), b"", None),
    ],
)
def test_what_a_page_says(
    on: Chain, site: Site, response: Callable[[], Response], file: bytes, reason: str | None
) -> None:
    """Markup before headers before the file; only what a spider can read as a page has markup."""
    site.answers.update({PAGE: response(), FILE: file})
    on.get(PAGE)
    assert reason_of(on) == reason
    assert reason_of(on, PAGE + "#part") == reason


def test_a_page_counts_as_it_was_last(on: Chain, site: Site) -> None:
    """When it is fetched again and says nothing more, nothing is against it."""
    site.answers.update({PAGE: page(X_Robots_Tag="noai"), FILE: FREE})
    on.get(PAGE)
    assert reason_of(on) == "noai"
    site.answers[PAGE] = page()
    on.get(PAGE)
    on.get(f"{ORIGIN}/other")
    assert reason_of(on) is None


def test_pages_that_an_item_names(on: Chain, site: Site) -> None:
    """What they said when they were fetched counts, and the file of a host that was asked before; no other is asked."""
    site.answers[PAGE] = page(X_Robots_Tag="noai")
    on.get(PAGE)
    assert reason_of(on, None, PAGE) == "noai"
    assert reason_of(on, None, "https://far.example/", None) is None
    assert asked(site) == [PAGE]
    site.answers[f"https://far.example{WELL_KNOWN}"] = RESERVED
    assert reason_of(on, "https://far.example/") == "tdm_file"
    assert reason_of(on, None, "https://far.example/x") == "tdm_file"
    near = b'[{"location": "/reserved/", "tdm-reservation": 1}]'
    site.answers[f"https://near.example{WELL_KNOWN}"] = near
    assert reason_of(on, "https://near.example/", "https://near.example/reserved/x") == "tdm_file"


def test_items_of_a_page_that_has_opted_out(on: Chain, site: Site) -> None:
    """They are dropped, emptied, and each of their images is counted; none is asked for."""
    site.answers[PAGE] = page(X_Robots_Tag="noindex")
    on.get(PAGE)
    item = {"image_urls": [URL, f"{ORIGIN}/other.jpg"], "page_url": PAGE, "alt": "SECRET"}
    with pytest.raises(DropItem):
        on.process(item)
    assert item == {}
    assert asked(site) == [PAGE]
    assert on.stats()["items_dropped/opted_out"] == 1
    assert on.stats()["opted_out/noindex"] == 2


def test_an_item_that_comes_to_name_such_a_page_later(on: Chain, site: Site) -> None:
    """The last pipeline looks again: others may have changed the item."""
    site.answers[PAGE] = page(X_Robots_Tag="noai")
    on.get(PAGE)
    with pytest.raises(DropItem):
        asyncio.run(on.part("RecordPipeline").process_item({"image_url": URL, "page_url": PAGE}))
    assert on.stats()["opted_out/noai"] == 1


def test_whole_pages_are_not_fetched_for_nothing(make_chain: Callable[..., Chain], site: Site, world: World) -> None:
    """Where pages are held until their images are checked, those of one that has opted out are not asked for."""
    chain = make_chain(ON + "lists: {looks: {action: drop_page}}\n")
    site.answers.update({PAGE: page(X_Robots_Tag="noai"), URL: world.clean})
    response = chain.get(PAGE)
    from ingest_guard.scrapy_plugin.spidermiddlewares import LinkGuard  # noqa: PLC0415 - as Scrapy loads it

    async def output() -> list[Any]:
        async def result() -> Any:
            yield {"image_url": URL}

        return [each async for each in LinkGuard(chain.crawler).process_spider_output(response, result())]

    assert len(asyncio.run(output())) == 1
    assert asked(site) == [PAGE]


def test_names_of_this_crawl(make_chain: Callable[..., Chain]) -> None:
    """Those of the settings, of the spider, and of the policy."""

    class Named(Spider):
        name = "named"
        user_agent = "SpiderBot/1"

    chain = make_chain(
        "opt_outs: {agents: [Friend]}\n",
        spider=Named,
        USER_AGENT="SetBot/2 (+https://x.example)",
        ROBOTSTXT_USER_AGENT="rb",
    )
    assert chain.state.signals.names == {"spiderbot", "setbot", "rb", "friend"}


def test_memory_for_files_is_bounded(on: Chain, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts beyond a number, and long files before that, push out the oldest, which is asked again."""
    files = TdmFiles(on.state)
    site.answers.update({f"https://{name}.example{WELL_KNOWN}": RESERVED for name in "abcd"})

    def look(*names: str) -> list[str]:
        site.asked.clear()
        for name in names:
            assert asyncio.run(files.reserved(f"https://{name}.example/x", is_inside=False))
        return [url.split("//")[1][0] for url in asked(site)]

    monkeypatch.setattr(host_files, "_MOST_HOSTS", 2)
    assert look("a", "b", "a", "c", "a", "b") == ["a", "b", "c", "b"]
    monkeypatch.setattr(host_files, "_MOST_HOSTS", 100)
    monkeypatch.setattr(host_files, "_MOST_TEXT", 3)
    files = TdmFiles(on.state)
    assert look("a", "b") == ["a", "b"]
    assert look("b", "c", "d", "d", "a") == ["c", "d", "a"]
    assert look("a", "d", "c") == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://user:pw@Site.example:8443/x", "https://site.example:8443"),
        ("HTTP://site.example", "http://site.example"),
        ("ftp://site.example/", None),
        ("file:///etc/passwd", None),
        ("data:,x", None),
        ("", None),
        ("https:///x", None),
        ("https://[broken", None),
    ],
)
def test_origins(url: str, origin: str | None) -> None:
    """Only web addresses have a file."""
    assert origin_of(url) == origin


def policy(tmp_path: Path, text: str = "") -> Policy:
    """Return a policy."""
    file = tmp_path / "policy.yaml"
    file.write_text(f"blocklist: lists\n{text}")
    return Policy.load(file)


@pytest.mark.parametrize(
    ("said", "text", "obeyed"),
    [
        ({}, "", True),
        ({}, "opt_outs: {robots_txt: false}\n", False),
        ({"ROBOTSTXT_OBEY": False}, "", False),
        ({"ROBOTSTXT_OBEY": True}, "opt_outs: {robots_txt: false}\n", True),
    ],
)
def test_robots_txt_by_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, said: dict[str, Any], text: str, obeyed: bool
) -> None:
    """It is obeyed unless the policy leaves it to Scrapy, or the project has said otherwise; that is told."""
    settings = Settings(said)
    with caplog.at_level(logging.INFO):
        protections.obey_by_default(settings, policy(tmp_path, text))
    assert settings.getbool("ROBOTSTXT_OBEY") is obeyed
    assert ("no robots.txt is heeded" in caplog.text) == (said == {"ROBOTSTXT_OBEY": False})


def test_what_doctor_tells(tmp_path: Path) -> None:
    """Which opt-outs are off, and who has said so; nothing where all are heeded."""
    assert list(protections.unheeded_opt_outs([Settings(), Settings({"ROBOTSTXT_OBEY": True})], policy(tmp_path))) == []
    (told,) = protections.unheeded_opt_outs([Settings({"ROBOTSTXT_OBEY": False})], policy(tmp_path))
    unseen = "no robots.txt is heeded, and what it says about use is not seen"
    assert told == f"ROBOTSTXT_OBEY is off in the settings: {unseen}"
    off = policy(tmp_path, "opt_outs: {robots_txt: false, noai: false, tdm_file: false}\n")
    first, second = protections.unheeded_opt_outs([Settings()], off)
    assert first == "opt-outs that the policy switches off (opt_outs): noai, tdm_file"
    assert second == f"opt_outs.robots_txt is off in the policy: {unseen}"


@pytest.mark.parametrize("ours", [True, False])
def test_a_projects_own_middleware_for_robots_txt(tmp_path: Path, *, ours: bool) -> None:
    """Doctor says that what robots.txt says about use is not seen; not where the guard's own one is in place."""
    parts = {"scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None}
    if ours:
        parts["ingest_guard.scrapy_plugin.check.robots.RobotsTxt"] = 100
    settings = Settings({"ROBOTSTXT_OBEY": True, "DOWNLOADER_MIDDLEWARES": parts})
    found = list(protections.unheeded_opt_outs([settings], policy(tmp_path)))
    others = "this project has another middleware for robots.txt"
    assert [text.partition(" than ")[0] for text in found] == ([] if ours else [others])


AI_ON = "opt_outs: {robots_txt: false, tdm_file: false, ai_txt: true}\n"
AI_FILE = f"{ORIGIN}/ai.txt"
NO_JPEGS = b"User-Agent: *\nDisallow: *.jpg\n"


@pytest.fixture
def ai_on(make_chain: Callable[..., Chain], site: Site, world: World) -> Chain:
    """Return a chain that heeds ai.txt, in front of a site with one clean image."""
    site.answers[URL] = world.clean
    return make_chain(AI_ON)


def ai_counts(chain: Chain) -> dict[str, int]:
    """Return what is counted of ai.txt."""
    return {key: value for key, value in chain.stats().items() if "ai_" in key}


@pytest.mark.parametrize(
    ("file", "counted", "result"),
    [
        (lambda: NO_JPEGS, "read", "opted_out"),
        (lambda: b"User-Agent: *\nAllow: /\n", "read", "no_known_match"),
        (lambda: b"User-Agent: *\nDisallow: *.png\n", "read", "no_known_match"),
        (lambda: b"User-Agent: *\nDisallow: /\n" + b"# more\n" * 9000, "read", "opted_out"),
        (lambda: answer(AI_FILE, NO_JPEGS, 404), "none", "no_known_match"),
        (lambda: answer(AI_FILE, NO_JPEGS, 206), "failed", "no_known_match"),
        (lambda: b"<!doctype html><p>a page for everything", "invalid", "no_known_match"),
        (lambda: OSError("no such host"), "failed", "no_known_match"),
        (lambda: IgnoreRequest("Forbidden by robots.txt"), "refused", "no_known_match"),
    ],
)
def test_every_end_of_asking_for_ai_txt(
    ai_on: Chain, site: Site, file: Callable[[], Any], counted: str, result: str
) -> None:
    """It is asked for once a host and run, before the image; what it forbids is not asked for."""
    site.answers[AI_FILE] = file()
    fetched = fetch(ai_on)
    assert (fetched.result, fetched.opted_out) == (result, "ai_txt" if result == "opted_out" else None)
    assert asked(site)[0] == AI_FILE
    assert (URL in asked(site)) == (result == "no_known_match")
    before = asked(site).count(AI_FILE)
    fetch(ai_on, f"{ORIGIN}/another.jpg")
    assert asked(site).count(AI_FILE) == before
    assert ai_counts(ai_on) == {f"ai_files/{counted}": 1}


def test_ai_txt_is_off_by_default(on: Chain, site: Site) -> None:
    """It is not asked for, and doctor has nothing to say about that."""
    site.answers[AI_FILE] = NO_JPEGS
    assert fetch(on).result == "no_known_match"
    assert AI_FILE not in asked(site)
    assert ai_counts(on) == {}


def test_ai_txt_is_that_of_the_media_host(make_chain: Callable[..., Chain], site: Site, world: World) -> None:
    """That of the page says nothing about an image elsewhere; those of hosts that redirect to it count."""
    chain = make_chain(AI_ON)
    far, moved = "https://far.example/x.jpg", f"{ORIGIN}/moved"
    site.answers.update({far: world.clean, URL: world.clean, moved: answer(moved, b"", 302, Location=far)})
    site.answers["https://far.example/ai.txt"] = NO_JPEGS
    assert reason_of(chain, "https://far.example/page") is None
    assert asked(site) == []
    assert fetch(chain, URL, "https://far.example/page").result == "no_known_match"
    assert fetch(chain, moved).opted_out == "ai_txt"
    answered = asyncio.run(explain(chain.runtime, far))
    assert (answered.outcome, answered.reason, answered.key) == (KEPT_OUT, "ai_txt", "opt_outs.ai_txt: true")
    assert [(place, said.said) for place, said in answered.said] == [("ai.txt", "Disallow: *.jpg")]


def test_ai_txt_of_an_image_that_the_spider_has_fetched(
    make_chain: Callable[..., Chain], site: Site, world: World
) -> None:
    """It is asked for before a record is made; what the image's header frees by another protocol stays free."""
    chain = make_chain("opt_outs: {robots_txt: false, ai_txt: true}\n")
    other = f"{ORIGIN}/other.png"
    for url in (URL, other):
        site.answers[url] = answer(url, world.clean, tdm_reservation="0")
        chain.get(url)
    site.answers.update({AI_FILE: NO_JPEGS, FILE: RESERVED})
    assert fetch(chain).opted_out == "ai_txt"
    assert fetch(chain, other).result == "no_known_match"
    assert FILE not in asked(site)


def test_a_listed_image_that_ai_txt_forbids_is_a_match(
    make_chain: Callable[..., Chain], site: Site, world: World
) -> None:
    """One that came by a redirect, or by the spider, is counted as what it is."""
    chain = make_chain(AI_ON)
    far = "https://far.example/x.jpg"
    site.answers.update({far: world.exact, URL: answer(URL, b"", 302, Location=far)})
    site.answers["https://far.example/ai.txt"] = NO_JPEGS
    assert fetch(chain).result == "match"
    assert "opted_out/ai_txt" not in chain.stats()


def test_an_address_inside_is_not_asked_for_somebody_outside(on: Chain, site: Site) -> None:
    """Nor is that taken for an answer: who is inside still gets the file."""
    file = "http://10.0.0.5/.well-known/tdmrep.json"
    site.answers[file] = b'[{"location": "/", "tdm-reservation": 1}]'
    before = on.runtime.opt_outs.before_fetching
    url = "http://10.0.0.5/picture.jpg"
    assert asyncio.run(before(url, is_inside=False)) is None
    assert not site.asked
    signal = asyncio.run(before(url, is_inside=True))
    assert (signal.name, signal.source, signal.decision) == ("tdm_file", "tdmrep.json", "no")
    assert signal.digest == hashlib.sha256(site.answers[file]).hexdigest()
    assert file in [request.url for request in site.asked]
