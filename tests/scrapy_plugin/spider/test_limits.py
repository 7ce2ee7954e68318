from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, signals
from scrapy.settings import Settings
from scrapy.signalmanager import SignalManager

from ingest_guard import SetupError
from ingest_guard.scrapy_plugin.spider import limits, no_pages
from ingest_guard.scrapy_plugin.spider.limits import Hosts, PendingLimit, host_of
from ingest_guard.scrapy_plugin.spider.seeds import Seeds
from ingest_guard.scrapy_plugin.spider.spider import ImageTextSpider
from ingest_guard.scrapy_plugin.stores.stores import cache_folders

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://example.org/x", True),
        ("https://sub.example.org:8000/", True),
        ("https://www.example.org/", True),
        ("http://notexample.org/", False),
        ("http://example.org.evil/", False),
        ("ftp://example.org/", False),
        ("http://[broken/", False),
        ("http:///x", False),
    ],
)
def test_allowed_hosts(url: str, *, allowed: bool) -> None:
    """A domain and all below it; www. makes no difference; only http and https."""
    assert Hosts(["www.Example.org."], 0).allows(url) is allowed
    assert Hosts(["*"], 0).allows(url) is (host_of(url) is not None)


@pytest.mark.parametrize(
    "domain", ["b\u00fccher.example", "xn--bcher-kva.example", "*.B\u00dcCHER.example", "https://b\u00fccher.example/"]
)
def test_a_domain_in_its_own_letters_is_the_one_in_punycode(domain: str) -> None:
    """However the domain and the address are written."""
    allowed = Hosts([domain], 0)
    assert allowed.domains == {"xn--bcher-kva.example"}
    assert allowed.allows("http://xn--bcher-kva.example/")
    assert allowed.allows("http://www.B\u00fccher.example./")
    assert not allowed.allows("http://bucher.example/")


@pytest.mark.parametrize("domain", ["example.org/path", "", "ftp://example.org", "two words", "*.*"])
def test_what_is_no_domain_is_an_error(domain: str) -> None:
    """No page would ever be of it."""
    with pytest.raises(SetupError, match="is no domain, so no page could be fetched there; write a host"):
        Hosts([domain], 0)


def test_pages_of_one_host_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each host apart; hosts that were not asked for long are forgotten."""
    monkeypatch.setattr(limits, "_REMEMBERED_HOSTS", 2)
    hosts = Hosts(["*"], 2)
    assert [hosts.has_room("http://a/x") for _ in range(3)] == [True, True, False]
    assert hosts.has_room("http://b/x")
    assert all(Hosts(["*"], 0).has_room("http://a/") for _ in range(9))
    hosts.has_room("http://c/")
    assert len(hosts._asked) <= 2
    assert hosts.has_room("http://a/x")


def crawler() -> Any:
    """Return as much of a crawler as a limit needs."""
    counts: dict[str, int] = {}
    stats = SimpleNamespace(get_value=counts.get, get_stats=lambda: counts, counts=counts)
    return SimpleNamespace(stats=stats, signals=SignalManager())


def test_a_limit_waits_until_there_is_room() -> None:
    """It looks again whenever a request has left, or the scheduler is empty."""

    async def scenario() -> list[str]:
        of, done = crawler(), []
        limit = PendingLimit(of, 2)
        of.stats.counts.update({"scheduler/enqueued": 3, "scheduler/dequeued": 1})

        async def wait() -> None:
            await limit.wait_for_room()
            done.append("room")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert limit.is_full()
        of.signals.send_catch_log(signals.request_left_downloader)
        await asyncio.sleep(0)
        assert done == []
        of.stats.counts["scheduler/dequeued"] = 2
        of.signals.send_catch_log(signals.scheduler_empty)
        await waiting
        of.signals.send_catch_log(signals.scheduler_empty)
        return done

    assert asyncio.run(scenario()) == ["room"]


def test_a_limit_without_bound_is_never_full() -> None:
    """Requests that wait on disk cost no memory."""
    of = crawler()
    of.stats.counts["scheduler/enqueued"] = 10**9
    assert not PendingLimit(of, 0).is_full()


def test_seeds_of_a_file(tmp_path: Path) -> None:
    """A line is an address; comments, blanks and a byte order mark are passed over; what is none is counted."""
    file = tmp_path / "seeds"
    file.write_text(
        "\ufeffhttp://a.example/\n\n # x\nexample.org/path\nhttp://two words/\nftp://c/\nmailto:x@y\n", "utf-8"
    )
    seeds = Seeds(str(file))
    for _ in range(2):
        assert list(seeds) == ["http://a.example/", "https://example.org/path"]
        assert seeds.unusable == 3
    assert Seeds(file).hosts() == {"a.example", "example.org"}


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_seeds_in_other_encodings(tmp_path: Path, codec: str, end: str) -> None:
    """A file that PowerShell or an editor wrote in UTF-16 has the same seeds as one in UTF-8."""
    file = tmp_path / "seeds.txt"
    file.write_bytes(end.join(["# ours", "https://a.example/", "b\u00fccher.example", ""]).encode(codec))
    seeds = Seeds(file)
    assert list(seeds) == ["https://a.example/", "https://xn--bcher-kva.example"]
    assert seeds.unusable == 0


def test_seeds_in_their_own_letters_are_asked_for_as_browsers_do() -> None:
    """A Request of their own letters would be for what IDNA 2003 makes of them."""
    seeds = Seeds(["http://b\u00fccher.example/\u00fc", "stra\u00dfe.example", "http://xn--bcher-kva.example/"])
    assert list(seeds) == [
        "http://xn--bcher-kva.example/\u00fc",
        "https://xn--strae-oqa.example",
        "http://xn--bcher-kva.example/",
    ]
    assert seeds.hosts() == {"xn--bcher-kva.example", "xn--strae-oqa.example"}


def test_sitemaps_lead_to_the_host_that_browsers_ask_for() -> None:
    """A Request of an entry's own letters would be for what IDNA 2003 makes of them."""
    spider = ImageTextSpider("http://stra\u00dfe.example/")
    spider.crawler = crawler()
    spider.settings = Settings()
    spider.__dict__["_filters"] = SimpleNamespace(blocks_host=lambda _: False)
    entries = spider.sitemap_filter([{"loc": " http://stra\u00dfe.example/b "}, {"loc": "http://strasse.example/b"}])
    assert list(entries) == [{"loc": "http://xn--strae-oqa.example/b"}]


@pytest.mark.parametrize("bad", ["http://e.example:80a/", "http://[e"])
def test_a_seed_that_no_request_can_be_made_of_does_not_end_the_others(bad: str) -> None:
    """It is counted and passed over: an error among the seeds would end the crawl early, and well."""
    seeds = Seeds(["http://a.example/", bad, "http://b.example/"])
    assert [Request(url).url for url in seeds] == ["http://a.example/", "http://b.example/"]
    assert seeds.unusable == 1
    assert list(ImageTextSpider("http://a.example/").sitemap_filter([{"loc": bad}])) == []


@pytest.mark.parametrize("odd", ["https://-x:n\\.--:b@@-", "http://%a1]x[::#b"])
def test_what_a_request_is_made_of_is_for_scrapy_to_say(odd: str) -> None:
    """Some versions make one of an odd address, some do not; no other seed depends on that."""
    seeds = Seeds(["http://a.example/", odd, "http://b.example/"])
    made = [Request(url).url for url in seeds]
    assert (made[0], made[-1]) == ("http://a.example/", "http://b.example/")
    assert len(made) + seeds.unusable == 3


def test_seeds_as_text_or_list() -> None:
    """With blanks or commas between them."""
    assert list(Seeds("http://a/x, http://b/,c.example")) == ["http://a/x", "http://b/", "https://c.example"]
    assert list(Seeds("c.example")) == ["https://c.example"]
    assert list(Seeds(["http://a/x", "http://b/"])) == ["http://a/x", "http://b/"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("missing.txt", "cannot be read"),
        ("./missing", "cannot be read"),
        ("", "no address"),
        (["ftp://x/"], "1 lines are none"),
    ],
)
def test_without_seeds_there_is_no_crawl(source: Any, why: str) -> None:
    """The error says what to write."""
    with pytest.raises(SetupError, match=why):
        Seeds(source).hosts()


def test_what_a_spider_is_told() -> None:
    """Arguments of the command line are texts."""
    spider = ImageTextSpider(seeds="http://a.example/", domains="b.example, c.example", depth="2", sitemap="no")
    assert spider.hosts.domains == {"b.example", "c.example"}
    assert (spider.depth, spider.sitemap, spider.pages_per_host) == (2, False, 10_000)
    assert ImageTextSpider(seeds="http://a.example/", sitemap="yes", pages_per_host="7").pages_per_host == 7
    assert ImageTextSpider(seeds="http://www.a.example/", sitemap=True).hosts.domains == {"a.example"}
    assert type(
        "Ours", (ImageTextSpider,), {"start_urls": ["http://x/"], "allowed_domains": ["y"]}
    )().hosts.domains == {"y"}


def test_seeds_that_lie_elsewhere_are_a_fault_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """None in the domains: no crawl. Some of them: they are counted and said, and the others are asked for."""
    from scrapy.utils.test import get_crawler  # noqa: PLC0415 - as below

    made = get_crawler(ImageTextSpider)
    with pytest.raises(SetupError, match="no seed lies in the domains"):
        ImageTextSpider.from_crawler(made, seeds="http://a.example/ http://b.example/", domains="c.example")
    spider = ImageTextSpider("http://a.example/ http://sub.c.example/ http://b.example/", domains="c.example")
    spider.require_seeds()
    spider.crawler = crawler()
    counted: list[str] = []
    spider.__dict__["_state"] = SimpleNamespace(count=lambda key, by=1: counted.extend([key] * by))

    async def asked() -> list[str]:
        return [request.url async for request in spider.start()]

    assert asyncio.run(asked()) == ["http://sub.c.example/"]
    assert counted == ["spider/seeds_elsewhere"] * 2
    assert "Of the seeds, 2 lie in none of the domains" in caplog.text


def test_scrapys_own_off_site_rules_know_the_domains() -> None:
    """They see redirects before these are fetched; with * or very many domains the spider looks by itself."""
    from scrapy.utils.test import get_crawler  # noqa: PLC0415 - it installs a reactor when it is imported

    made = get_crawler(ImageTextSpider)
    of = ImageTextSpider.from_crawler
    assert of(made, seeds="http://a.example/").allowed_domains == ["a.example"]
    own = of(made, seeds="http://b\u00fccher.example/", domains="B\u00dcCHER.example").allowed_domains
    assert own == ["xn--bcher-kva.example"]
    assert of(made, seeds="http://a.example/", domains="*").allowed_domains == []
    assert of(made, seeds=[f"http://{number}.example/" for number in range(1001)]).allowed_domains == []


@pytest.mark.parametrize(
    ("reason", "pages", "is_told"), [("finished", 0, True), ("finished", 3, False), ("shutdown", 0, False)]
)
def test_a_crawl_without_a_page_says_so(
    reason: str, pages: int, caplog: pytest.LogCaptureFixture, *, is_told: bool
) -> None:
    """It ends well, as Scrapy sees it; only a line in the log tells that no host has answered."""
    spider = ImageTextSpider("http://a.example/")
    spider.crawler = crawler()
    spider.crawler.stats.counts["ingest_guard/spider/pages"] = pages
    spider.closed(reason)
    assert ("No page could be read" in caplog.text) is is_told


_REASONS = {
    "ingest_guard/spider/seeds_unusable": "lines of the seeds that are no address",
    "ingest_guard/spider/seeds_elsewhere": "lie in none of the domains",
    "ingest_guard/robots_unreachable": "robots.txt of their host cannot be had",
    "robotstxt/forbidden": "that robots.txt forbids",
    "offsite/filtered": "outside of the domains",
    "ingest_guard/refused/url_list": "the guard refused",
    "downloader/exception_type_count/twisted.internet.error.DNSLookupError": "without an answer",
    "httperror/response_ignored_count": "errors",
    "ingest_guard/not_scannable": "the guard dropped",
    "ingest_guard/spider/pages_unread": "too costly",
    "ingest_guard/spider/pages_elsewhere": "where a redirect led",
    "ingest_guard/spider/not_pages": "no HTML page",
}


@pytest.mark.parametrize("name", _REASONS)
def test_each_reason_for_an_empty_crawl_has_its_count(name: str) -> None:
    """What was counted is said, and nothing else."""
    stats = {"finish_reason": "finished", "downloader/request_count": 1234, name: 1234}
    if name.endswith("robots_unreachable"):
        stats["robotstxt/forbidden"] = 1234
    (found,) = no_pages.reasons(stats)
    assert found.endswith(": 1,234")
    assert _REASONS[name] in found
    assert found in no_pages.sentence(stats)


def test_refusals_are_no_silence_of_a_host() -> None:
    """A request that a middleware refused, or an answer that the guard dropped, is not counted as unanswered."""
    names = ("scrapy.exceptions.IgnoreRequest", "ingest_guard.scrapy_plugin.core.exceptions.ImageBlocked")
    stats = {f"downloader/exception_type_count/{name}": 3 for name in names}
    assert no_pages.reasons(stats) == []
    assert no_pages.sentence(stats) == "No page could be read: nothing was counted that says why; the log may"


def test_the_projects_settings_win() -> None:
    """The defaults of the spider are those of a good guest, where nobody says anything else."""
    from scrapy.settings import Settings  # noqa: PLC0415 - as above

    settings = Settings({"ROBOTSTXT_OBEY": False})
    ImageTextSpider.update_settings(settings)
    assert settings.getbool("ROBOTSTXT_OBEY") is False
    assert settings.getbool("AUTOTHROTTLE_ENABLED") is True
    assert settings["USER_AGENT"].startswith("ingest_guard/")


def test_outside_of_a_project_there_is_no_place_for_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl of seeds is started anywhere; that Scrapy has no folder for a cache there must not stop it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "ingest_guard.scrapy_plugin.spider.standalone")
    assert cache_folders(Settings()) == []
    assert cache_folders(Settings({"HTTPCACHE_DIR": str(tmp_path / "cache")})) == [tmp_path / "cache"]


@pytest.mark.parametrize("unseen", ["\xa0", "\u200b", "\ufeff", "\0", "\u2060", " \t"])
def test_what_cannot_be_seen_is_no_part_of_a_seed(unseen: str, tmp_path: Path) -> None:
    """Around an address it is left out; inside, the line is none."""
    file = tmp_path / "seeds.txt"
    file.write_text(f"https://a.example/\n{unseen}https://b.example/x{unseen}\nhttps://c.example/{unseen}x\n", "utf-8")
    seeds = Seeds(file)
    assert list(seeds) == ["https://a.example/", "https://b.example/x"]
    assert seeds.unusable == 1
