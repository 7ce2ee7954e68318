"""Preferences about use in a crawl's chain: robots.txt, headers and markup, and what explain says of them."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import DropItem, IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.robotstxt import ProtegoRobotParser
from support.listed import LISTED_URL, World
from support.robots_hosts import PATHS, make_host

from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.scrapy_plugin.explanation import FREE, KEPT_OUT, UNKNOWN, Explanation, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scrapy_plugin.conftest import Chain, Site

HOST = "https://site.example"
ROBOTS, PAGE, URL = f"{HOST}/robots.txt", f"{HOST}/page", f"{HOST}/img/a.jpg"
POLICY = "opt_outs: {tdm_file: false}\n"
AGENTS = "opt_outs: {tdm_file: false, agents: [CCBot]}\n"
RSL_LINK = '</l.xml>; rel="license"; type="application/rsl+xml"'
NO_USAGE = b"User-agent: *\nContent-Usage: train-ai=n\n"


@pytest.fixture
def make_reading(make_chain: Callable[..., Chain], site: Site, world: World) -> Callable[..., Chain]:
    """Return a maker of chains that read robots.txt, in front of a page with an image."""

    def make(policy: str = POLICY, **settings: Any) -> Chain:
        site.answers.setdefault(URL, world.clean)
        html = {"Content-Type": "text/html"}
        site.answers.setdefault(PAGE, lambda _: HtmlResponse(PAGE, body=b"<p>A page.", headers=html))
        return make_chain(policy, ROBOTSTXT_OBEY=True, RETRY_ENABLED=False, USER_AGENT="MyBot/1.0", **settings)

    return make


def fetched(chain: Chain, url: str = URL) -> Any:
    """Fetch one image for a record."""
    return asyncio.run(chain.runtime.fetcher.fetch(url, PAGE))


def explained(chain: Chain, url: str) -> Explanation:
    """Return what explain says of an address."""
    return asyncio.run(explain(chain.runtime, url))


def asked(site: Site) -> list[str]:
    """Return the paths that were asked for."""
    return [request.url.removeprefix(HOST) for request in site.asked]


_ROBOTS: dict[str, tuple[bytes, str | None]] = {
    "usage": (NO_USAGE, "content_usage"),
    "signal": (b"User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /\n", "content_signal"),
    "licence": (b"License: https://e.example/l.xml\n", "rsl_license"),
    "meant": (b"User-agent: *\nContent-Usage: train-genai=n\n", "informal_usage"),
    "free": (b"User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /img/ train-ai=y\n", None),
    "of others": (b"User-agent: otherbot\nContent-Usage: train-ai=n\n", None),
    "silent": (b"User-agent: *\nDisallow: /private/\n", None),
}


def hosts(rows: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each row of a table with a host of its own."""
    for number, row in enumerate(rows):
        yield row, f"https://h{number}.example"


def test_what_robots_txt_reserves_is_not_asked_for(
    make_reading: Callable[..., Chain], site: Site, world: World
) -> None:
    """An image for a record is not asked for; the signal that says so comes along."""
    chain, found = make_reading(), {}
    for row, host in hosts(_ROBOTS):
        site.answers.update({f"{host}/robots.txt": _ROBOTS[row][0], f"{host}/img/a.jpg": world.clean})
        result = fetched(chain, f"{host}/img/a.jpg")
        found[row] = result.opted_out
        is_asked = f"{host}/img/a.jpg" in [request.url for request in site.asked]
        assert is_asked is (result.opted_out is None)
        if result.opted_out:
            assert (result.result, result.signal.source, result.signal.decision) == ("opted_out", "robots.txt", "no")
    assert found == {row: reason for row, (_, reason) in _ROBOTS.items()}


@pytest.mark.parametrize("name", ["content_usage", "content_signal", "rsl_license", "informal_usage"])
def test_each_can_be_switched_off(make_reading: Callable[..., Chain], site: Site, name: str) -> None:
    """With its key false, a signal keeps nothing out of the records."""
    site.answers[ROBOTS] = next(robots for robots, reason in _ROBOTS.values() if reason == name)
    assert fetched(make_reading(f"opt_outs: {{tdm_file: false, {name}: false}}\n")).result == "no_known_match"


def test_the_purpose_is_the_policys(make_reading: Callable[..., Chain], site: Site) -> None:
    """A preference about training keeps nothing out of a data set for search, and one about search does."""
    site.answers[ROBOTS] = NO_USAGE + b"Content-Signal: /img/ search=no\n"
    result = fetched(make_reading("opt_outs: {tdm_file: false, purpose: [search]}\n"))
    assert result.opted_out == "content_signal"


def test_the_spider_gets_what_robots_txt_reserves(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """Pages and images that it asks for; no item of them makes a record, and the reason is counted."""
    site.answers[ROBOTS] = NO_USAGE
    chain = make_reading()
    assert chain.get(PAGE).body
    assert chain.get(URL).body == world.clean
    assert fetched(chain).opted_out == "content_usage"
    other = "https://other.example/b.jpg"
    site.answers[other] = world.clean
    with pytest.raises(DropItem):
        chain.process({"image_url": other, "alt": "A picture", "page_url": PAGE})
    assert chain.stats()["opted_out/content_usage"] == 1
    assert chain.stats()["items_dropped/opted_out"] == 1


def test_a_redirect_to_a_host_that_reserves_its_images(make_reading: Callable[..., Chain], site: Site) -> None:
    """Each step of a redirect is asked about; the image at its end is not fetched."""
    moved, target = f"{HOST}/moved.jpg", "https://other.example/b.jpg"
    site.answers[moved] = lambda _: Response(moved, 302, headers={"Location": target})
    site.answers["https://other.example/robots.txt"] = NO_USAGE
    result = fetched(make_reading(), moved)
    assert (result.opted_out, result.said) == ("content_usage", (result.signal,))
    assert target not in [request.url for request in site.asked]


def test_what_an_image_said_comes_along(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """Also where it keeps nothing out: what was said, where, and what it decides."""
    site.answers[ROBOTS] = b"User-agent: *\nContent-Signal: search=no, ai-train=yes\n"
    site.answers[URL] = lambda _: Response(URL, body=world.clean, headers={"Content-Usage": "train-ai=maybe"})
    result = fetched(make_reading())
    assert [(each.source, each.name, each.decision) for each in result.said] == [
        ("robots.txt", "content_signal", "yes"),
        ("header", "content_usage", "unknown"),
    ]


def test_a_page_that_an_item_names(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """What is known of its host's robots.txt counts, although the page itself was not fetched; nothing is asked for."""
    other = "https://other.example"
    site.answers[f"{other}/robots.txt"] = b"User-agent: *\nContent-Usage: /gallery/ train-ai=n\n"
    site.answers[f"{other}/free.jpg"] = world.clean
    chain = make_reading()
    item = {"image_url": URL, "alt": "A picture", "page_url": f"{other}/gallery/1"}
    assert chain.process(dict(item))
    fetched(chain, f"{other}/free.jpg")
    before = len(site.asked)
    with pytest.raises(DropItem):
        chain.process({**item, "alt": "Another text"})
    assert chain.stats()["opted_out/content_usage"] == 1
    assert len(site.asked) == before


_HEADERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "usage": ({"Content-Usage": "train-ai=n"}, "content_usage"),
    "usage in two lines": ({"Content-Usage": ["search=y", "train-ai=n"]}, "content_usage"),
    "a yes": ({"Content-Usage": "train-ai=y"}, None),
    "signal": ({"Content-Signal": "ai-train=no, search=yes"}, "content_signal"),
    "licence": ({"Link": RSL_LINK}, "rsl_license"),
    "another link": ({"Link": "</style.css>; rel=preload"}, None),
    "meant": ({"Content-Usage": "Train-AI=n"}, "informal_usage"),
    "noai goes first": ({"X-Robots-Tag": "noai", "Content-Usage": "train-ai=n"}, "noai"),
}


def test_headers_of_images_and_pages(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """Of the image's own response, of a redirect to it, and of its page."""
    chain, found = make_reading(), {}
    for row, host in hosts(_HEADERS):
        headers, image, moved, page = _HEADERS[row][0], f"{host}/a.jpg", f"{host}/moved.jpg", f"{host}/page"
        site.answers[image] = Response(image, body=world.clean, headers=headers)
        site.answers[moved] = Response(moved, 302, headers={"Location": f"{host}/plain.jpg", **headers})
        site.answers[f"{host}/plain.jpg"] = world.clean
        site.answers[page] = HtmlResponse(page, body=b"<p>A page.", headers=headers)
        chain.get(page)
        of_page = asyncio.run(chain.runtime.opt_outs.of_page(page))
        found[row] = [fetched(chain, image).opted_out, fetched(chain, moved).opted_out, of_page and of_page.name]
    assert found == {row: [reason] * 3 for row, (_, reason) in _HEADERS.items()}


_MARKUP: dict[str, tuple[str, str | None]] = {
    "link": ("<link rel=license type=application/rsl+xml href=/l.xml>", "rsl_license"),
    "link in other words": (
        "<LINK HREF='l.xml' REL='copyright License' TYPE='Application/RSL+XML; a=b'/>",
        "rsl_license",
    ),
    "an escaped type": ("<link rel=license title='a>b' type='application/&#114;sl&#x2b;xml' href=x>", "rsl_license"),
    "a script": ("<script type='application/rsl+xml'><rsl></rsl></script>", "rsl_license"),
    "a header in markup": (f"<meta http-equiv=Link content='{RSL_LINK}'>", "rsl_license"),
    "another licence": ("<link rel=license href=https://creativecommons.org/licenses/by/4.0/>", None),
    "another type": ("<link rel=license type=text/html href=/terms>", None),
    "a comment": ("<!-- <link rel=license type=application/rsl+xml href=/l.xml> -->", None),
    "inside a script": ("<script>'<link rel=license type=application/rsl+xml href=/l.xml>'</script>", None),
    "usage in markup": ("<meta http-equiv=Content-Usage content='train-ai=n'>", "informal_usage"),
    "a signal in markup": ("<meta name=content-signal content='ai-train=no'>", "informal_usage"),
    "a yes in markup": ("<meta name=content-signal content='ai-train=yes'>", None),
}


def test_markup(make_reading: Callable[..., Chain], site: Site) -> None:
    """A page names a licence by an element; preferences that no draft has in markup are meant all the same."""
    chain, found = make_reading(), {}
    for row, host in hosts(_MARKUP):
        page, body = f"{host}/page", f"<head>{_MARKUP[row][0]}</head><p>A page.".encode()
        site.answers[page] = lambda _, page=page, body=body: HtmlResponse(page, body=body)
        chain.get(page)
        signal = asyncio.run(chain.runtime.opt_outs.of_page(page))
        found[row] = signal and signal.name
        assert signal is None or signal.source == "page"
        answer = explained(chain, page)
        assert (answer.outcome, answer.reason) == (KEPT_OUT if signal else FREE, found[row])
    assert found == {row: reason for row, (_, reason) in _MARKUP.items()}


def test_a_page_as_xml(make_reading: Callable[..., Chain], site: Site) -> None:
    """Prefixes and elements that close themselves name a licence, too."""
    body = (
        b'<x:html xmlns:x="http://www.w3.org/1999/xhtml"><x:head><x:title/>'
        b'<x:link rel="license" type="application/rsl+xml" href="/l.xml"/></x:head></x:html>'
    )
    headers = {"Content-Type": "application/xhtml+xml"}
    site.answers[PAGE] = lambda _: HtmlResponse(PAGE, body=body, headers=headers)
    chain = make_reading()
    chain.get(PAGE)
    assert asyncio.run(chain.runtime.opt_outs.of_page(PAGE)).name == "rsl_license"


@pytest.mark.parametrize(
    ("policy", "allowed"), [(POLICY, True), (AGENTS, False)], ids=["our own names", "names of others"]
)
def test_groups_of_others_that_count_as_ours(
    make_reading: Callable[..., Chain], site: Site, policy: str, *, allowed: bool
) -> None:
    """What a host keeps from a crawler like this one is kept from it, where the policy names that one."""
    site.answers[ROBOTS] = b"User-agent: *\nAllow: /\n\nUser-agent: CCBot\nDisallow: /img/\n"
    chain = make_reading(policy)
    assert (fetched(chain).opted_out is None) is allowed
    assert chain.crawler.stats.get_value("robotstxt/forbidden", 0) == (0 if allowed else 1)
    assert chain.get(PAGE).body
    if not allowed:
        answer = explained(chain, URL.replace("a.jpg", "b.jpg"))
        assert (answer.reason, answer.key) == ("robots_txt", "opt_outs.agents: CCBot")


def test_files_of_hosts_are_asked_for_all_the_same(make_reading: Callable[..., Chain], site: Site) -> None:
    """The tdmrep.json of a host whose robots.txt has a preference is fetched: it is no image."""
    site.answers[ROBOTS] = NO_USAGE
    chain = make_reading("opt_outs: {content_usage: true}\n")
    request = Request(f"{HOST}/.well-known/tdmrep.json", meta={META_KEY: Ticket(for_text=True)})
    assert chain.get(request).status == 404
    assert fetched(chain).opted_out == "content_usage"


def test_a_large_file_is_not_read_on_the_event_loop(
    make_reading: Callable[..., Chain], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both readers of it run in a thread; a small one is not worth it."""
    threads: list[tuple[int, bool]] = []
    good = ProtegoRobotParser.from_crawler

    def note(crawler: Any, body: bytes) -> Any:
        threads.append((len(body), threading.current_thread() is threading.main_thread()))
        return good(crawler, body)

    chain = make_reading()
    monkeypatch.setattr(ProtegoRobotParser, "from_crawler", note)
    site.answers[ROBOTS] = NO_USAGE + b"# \n" * 10_000
    assert fetched(chain).opted_out == "content_usage"
    site.answers["https://small.example/robots.txt"] = NO_USAGE
    assert fetched(chain, "https://small.example/a.jpg").opted_out == "content_usage"
    assert [is_main for _, is_main in threads] == [False, True]


def test_a_file_of_many_names_and_rules_takes_no_time(make_reading: Callable[..., Chain], site: Site) -> None:
    """Ten thousand names of others with ten thousand rules: our own group still decides."""
    names = b"".join(b"User-agent: b%d\n" % n for n in range(10_000))
    rules = b"".join(b"Disallow: /%d\n" % n for n in range(10_000))
    site.answers[ROBOTS] = b"User-agent: MyBot\nDisallow: /img/\n\n" + names + rules
    chain = make_reading()
    assert fetched(chain).opted_out == "robots_txt"
    assert chain.get(PAGE).body


def test_an_image_that_has_its_price(make_reading: Callable[..., Chain], site: Site) -> None:
    """A 402 is counted by itself."""
    site.answers[URL] = Response(URL, 402, body=b"pay")
    chain = make_reading()
    with pytest.raises(DropItem):
        chain.process({"image_url": URL, "alt": "A picture"})
    assert chain.stats()["images_dropped/payment_required"] == 1
    assert "images_dropped/status" not in chain.stats()
    answer = explained(chain, URL)
    assert (answer.outcome, answer.reason) == (UNKNOWN, None)
    assert "402" in answer.text


def test_a_file_that_has_changed_says_what_it_says_now(make_reading: Callable[..., Chain], site: Site) -> None:
    """After a day it is read again: a preference that was taken back keeps nothing out from then on."""
    site.answers[ROBOTS] = NO_USAGE
    chain = make_reading()
    now = [0.0]
    chain.part("RobotsTxt")._clock = lambda: now[0]
    assert fetched(chain).opted_out == "content_usage"
    site.answers[ROBOTS] = b"User-agent: *\nAllow: /\n"
    now[0] = 90_000.0
    assert fetched(chain, f"{HOST}/img/b.jpg").opted_out is None
    assert chain.state.signals.robots_of(URL) is None


def test_crawl_and_explain_agree_with_hosts_that_know_the_answer(
    make_reading: Callable[..., Chain], site: Site, world: World
) -> None:
    """Forty hosts made at random: each image has the answer that its host's maker meant, in both."""
    chain = make_reading(AGENTS, CONCURRENT_REQUESTS_PER_DOMAIN=16)
    wrong = []
    for seed in range(40):
        host, origin = make_host(seed), f"https://h{seed}.example"
        site.answers[f"{origin}/robots.txt"] = host.robots
        for path in PATHS:
            site.answers[origin + path] = world.clean
            crawled = fetched(chain, origin + path).opted_out
            answer = explained(chain, origin + path)
            if not crawled == answer.reason == host.answers[path]:
                wrong.append((seed, path, crawled, answer.reason, host.answers[path]))
    assert wrong == []


@pytest.mark.parametrize(
    ("answers", "url", "expected"),
    [
        ({ROBOTS: Response(ROBOTS, 500)}, URL, (KEPT_OUT, "robots_txt", "opt_outs.robots_unreachable: forbid")),
        ({ROBOTS: b"User-agent: *\nDisallow: /img/"}, URL, (KEPT_OUT, "robots_txt", "opt_outs.robots_txt")),
        ({ROBOTS: b"User-agent: *\nDisallow: /page"}, PAGE, (KEPT_OUT, "robots_txt", "opt_outs.robots_txt")),
        ({ROBOTS: NO_USAGE}, URL, (KEPT_OUT, "content_usage", "opt_outs.content_usage: true")),
        ({ROBOTS: NO_USAGE}, PAGE, (KEPT_OUT, "content_usage", "opt_outs.content_usage: true")),
        ({}, URL, (FREE, None, None)),
        ({}, PAGE, (FREE, None, None)),
        ({}, LISTED_URL, (UNKNOWN, None, None)),
        ({URL: OSError("no")}, URL, (UNKNOWN, None, None)),
        ({URL: Response(URL, 404)}, URL, (UNKNOWN, None, None)),
    ],
)
def test_outcome_reason_and_key(
    make_reading: Callable[..., Chain], site: Site, answers: dict[str, Any], url: str, expected: tuple[str | None, ...]
) -> None:
    """Outcome, reason, and the key that decides."""
    site.answers.update(answers)
    answer = explained(make_reading(), url)
    outcome, reason, key = expected
    assert (answer.outcome, answer.reason) == (outcome, reason)
    assert (answer.key or "").startswith(key or "")
    assert (answer.key is None) is (key is None)
    assert bool(answer.text) is (outcome == UNKNOWN or (url == PAGE and reason != "robots_txt"))


def test_what_explain_shows(make_reading: Callable[..., Chain], site: Site) -> None:
    """Each line that counts, with its number and its group; also what the policy does not heed."""
    site.answers[ROBOTS] = b"User-agent: *\nAllow: /\nContent-Usage: train-ai=n\nUser-agent: CCBot\nDisallow: /x\n"
    site.answers[PAGE] = lambda _: HtmlResponse(PAGE, body=b"<meta name=robots content=noai>A page.")
    chain = make_reading("opt_outs: {tdm_file: false, content_usage: false, agents: [ccbot]}\n")
    answer = explained(chain, PAGE)
    assert answer.robots == [
        "the group for * counts (line 1)",
        "line 2: Allow: / decides about access",
        "the group for ccbot counts (line 4)",
    ]
    assert [(place, signal.name) for place, signal in answer.said] == [
        ("robots.txt, line 3, said to *", "content_usage"),
        ("page", "noai"),
    ]
    assert (answer.reason, answer.key) == ("noai", "opt_outs.noai: true")


@pytest.mark.parametrize("body", [b"User-agent: otherbot\nDisallow: /", None], ids=["no group of ours", "none"])
def test_explain_where_robots_txt_says_nothing(
    make_reading: Callable[..., Chain], site: Site, body: bytes | None
) -> None:
    """It says whether there is a file at all."""
    if body is not None:
        site.answers[ROBOTS] = body
    answer = explained(make_reading(), URL)
    assert answer.robots == ["there is none" if body is None else "read; no group in it counts"]


def test_explain_where_robots_txt_is_not_obeyed(make_chain: Callable[..., Chain], site: Site, world: World) -> None:
    """It says that the file is not read, and asks for the address itself."""
    site.answers.update({ROBOTS: NO_USAGE, URL: world.clean})
    answer = explained(make_chain(POLICY, ROBOTSTXT_OBEY=False), URL)
    assert (answer.outcome, answer.robots) == (FREE, ["not read: ROBOTSTXT_OBEY is off"])


def test_a_page_goes_before_its_hosts_file(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """What the file reserves, a page can free: explain looks whether it is one, and asks an image for nothing."""
    site.answers[f"{HOST}/.well-known/tdmrep.json"] = b'[{"location": "/", "tdm-reservation": 1}]'
    free = HtmlResponse(PAGE, body=b"<meta name=tdm-reservation content=0>", headers={"Content-Type": "text/html"})
    site.answers[PAGE] = lambda request: free.replace(body=b"") if request.method == "HEAD" else free
    chain = make_reading("opt_outs: {robots_txt: true}\n")
    assert explained(chain, PAGE).outcome == FREE
    answer = explained(chain, URL)
    assert (answer.reason, answer.said[0][0]) == ("tdm_file", "tdmrep.json")
    assert [request.method for request in site.asked if request.url == URL] == ["HEAD"]
    site.answers[URL] = OSError("no")
    assert explained(chain, URL).reason == "tdm_file"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (lambda world: Response(PAGE, body=world.exact), (UNKNOWN, None)),
        (lambda _: RequestRefused("no"), (UNKNOWN, None)),
        (lambda _: IgnoreRequest("Forbidden by robots.txt"), (KEPT_OUT, "robots_txt")),
        (lambda _: OSError("no"), (UNKNOWN, None)),
    ],
    ids=["dropped", "refused", "forbidden", "no answer"],
)
def test_a_page_that_answers_once(
    make_reading: Callable[..., Chain],
    site: Site,
    world: World,
    second: Callable[[World], Any],
    expected: tuple[str, str | None],
) -> None:
    """A page is asked for as an image first; what comes of the second request is what a spider would get."""
    answers = iter([HtmlResponse(PAGE, body=b"<p>A page."), second(world)])

    def answer(_: Request) -> Response:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    site.answers[PAGE] = answer
    found = explained(make_reading(), PAGE)
    assert (found.outcome, found.reason) == expected


def test_explain_of_a_page_that_cannot_be_read(make_reading: Callable[..., Chain], site: Site) -> None:
    """It may say anything: every key of what a page can say counts."""
    metas = b"".join(b"<meta name=a%d content=b>" % number for number in range(2_100))
    site.answers[PAGE] = lambda _: HtmlResponse(PAGE, body=metas)
    answer = explained(make_reading(), PAGE)
    assert answer.reason == "unread_page"
    assert answer.key is not None
    assert answer.key.startswith("opt_outs: any of noai, ")


def test_explain_where_nothing_was_asked(make_reading: Callable[..., Chain]) -> None:
    """Of a listed address not even robots.txt is asked for."""
    assert explained(make_reading(), LISTED_URL).robots == ["not asked for"]


def test_explain_says_nothing_of_what_was_dropped(make_reading: Callable[..., Chain], site: Site, world: World) -> None:
    """A match and a broken image read the same; of an address on a list, it is not said that it is on one."""
    chain = make_reading()
    texts = set()
    inline = b'<img src="data:image/jpeg;base64,' + base64.b64encode(world.exact) + b'">'
    for number, body in enumerate((world.exact, world.near, world.clean[:200], inline)):
        site.answers[f"{HOST}/{number}"] = body
        answer = explained(chain, f"{HOST}/{number}")
        assert (answer.outcome, answer.reason) == (UNKNOWN, None)
        texts.add(answer.text)
    assert len(texts) == 1
    assert "which of them" in explained(chain, LISTED_URL).text
    assert LISTED_URL not in [request.url for request in site.asked]
