from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Server

from ingest_guard.blocklist.build.build import ListSource, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import Seen

_COMMAND = ("ingest-guard", "crawl")
_QUICK = ("-L", "INFO", "-s", "AUTOTHROTTLE_ENABLED=False", "-s", "DOWNLOAD_DELAY=0", "-s", "DNS_TIMEOUT=5")
_LISTED = encode(drawn(1), "JPEG")
_SMALL = encode(drawn(3).resize((20, 15)), "PNG")
_POLICY = """
    extract: {choose: largest}
    filters:
      min_width: 30
      blocked_words: [forbidden]
      blocked_hosts: [ads.example]
      max_aspect: 3
"""
_FIRST = """<html lang=en><head>
<meta property=og:image content=/card.jpg><meta property=og:image:alt content=Card></head>
<body><a href=/two>two</a> <a href=/nofollow rel=nofollow>x</a> <a href=/listed-page>x</a>
<a href=/quiet>q</a>
<a href=http://localhost:{port}/elsewhere>other host</a> <a href=http://ads.example/page>ads</a>
<a href=/huge>h</a>
<a href=http://listed.example/page>listed host</a> <a href=/private/page>robots say no</a>
<a href=/picture.jpg>photo</a>
<img src=small-copy.jpg srcset="/one.jpg 900w, /small-copy.jpg 90w" alt="One image">
<img src=/spacer.gif alt=s>
<img src=/listed.jpg alt=Listed><img src=/no-text.jpg><img src=/icon.png alt="An icon"><img src=/wide.jpg alt=Wide>
<img src=/bad.jpg alt="a forbidden word"><img src=http://ads.example/ad.jpg alt=Ad><img src=/one.jpg alt=One></body>"""
_SPIDERS = """
    from ingest_guard.scrapy_plugin.spider.spider import ImageTextSpider

    from tested.reporting import tell


    class Tested(ImageTextSpider):
        name = "tested"
        depth = 1
        domains = None

        def image_item(self, image, response):
            tell(place=image.place, size=[image.width, image.height])
            return {**super().image_item(image, response), "alt": image.alt.upper()}
"""


def jpeg(number: int) -> bytes:
    """Return a drawn picture."""
    return encode(drawn(number, (160, 120)), "JPEG")


@pytest.fixture
def site() -> Iterator[Server]:
    """Serve some pages that lead to each other, and their images."""
    with Server() as server:
        server.add("/", _FIRST.replace("{port}", str(server.port)).encode())
        server.add("/two", b"<img src=/three.jpg alt='Third'><a href=/deep>d</a><a href=/>home</a>")
        server.add("/deep", b"<img src=/four.jpg alt='Fourth'><a href=/deeper>d</a>")
        server.add("/deeper", b"<img src=/five.jpg alt='Fifth'>")
        server.add("/quiet", b"<meta name=ROBOTS content='NoFollow'><a href=/deeper>d</a><img src=/six.jpg alt=Sixth>")
        server.add("/huge", f"<div {' '.join(f'a{n}' for n in range(30_000))}><a href=/two>".encode())
        server.add(
            "/robots.txt",
            f"User-agent: *\nDisallow: /private\nSitemap: {server.base}/map.xml".encode(),
            type="text/plain",
        )
        server.add("/map.xml", _sitemap(server.url("/mapped"), "http://elsewhere.example/x"), type="application/xml")
        server.add("/mapped", b"<img src=/seven.jpg alt=Seventh>")
        for number, name in enumerate(("one", "three", "four", "five", "six", "seven", "card", "picture", "no-text")):
            server.add(f"/{name}.jpg", jpeg(720 + number), type="image/jpeg")
        server.add("/wide.jpg", encode(drawn(740).resize((400, 40)), "JPEG"), type="image/jpeg")
        server.add("/listed.jpg", _LISTED, type="image/jpeg")
        server.add("/icon.png", _SMALL, type="image/png")
        yield server


def _sitemap(*urls: str) -> bytes:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


def _lists(site: Server) -> dict[str, list[str]]:
    digest = hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()
    return {"a": [f"md5 {digest}", f"url {site.url('/listed-page')}"]}


@pytest.fixture
def project(tmp_path: Any, site: Server) -> Project:
    """Make a folder with a policy and lists; it is a project, too, whose spider is a subclass."""
    return Project(tmp_path, _SPIDERS, _lists(site), policy=_POLICY)


def _from_seeds(project: Project, seeds: str, *options: str) -> tuple[Crawl, list[dict[str, Any]]]:
    """Run ``crawl --seeds`` outside of any project; return the crawl, and the records of its data set."""
    folder = project.folder / "elsewhere"
    folder.mkdir(exist_ok=True)
    (folder / "urls.txt").write_text(seeds)
    (folder / "policy.yaml").write_text((project.project / "policy.yaml").read_text())
    project.project = folder
    crawl = project.wait(project.begin(*_COMMAND, "--seeds", "urls.txt", "-o", "data/", *options, *_QUICK))
    shards = sorted((folder / "data").glob("records-*.jsonl"))
    return crawl, [json.loads(line) for shard in shards for line in shard.read_text().splitlines()]


def test_a_crawl_from_seeds_without_a_project(project: Project, site: Server) -> None:
    """One command: links within bounds are followed, each image with a text makes a record in the folder."""
    seeds = f"# our seeds\n\n{site.base}/\nnot an address\n"
    crawl, records = _from_seeds(
        project, seeds, "--format", "jsonl", "--depth", "2", "--contact", "https://crawler.example/about", "--sitemap"
    )
    assert crawl.exit_code == 0, crawl.output[-3000:]
    texts = {
        record["url"].rpartition("/")[2]: (record["alt"], record["alt_source"], record["language"])
        for record in records
    }
    assert texts == {
        "one.jpg": ("One image", "alt", "en"),
        "card.jpg": ("Card", "og", "en"),
        "picture.jpg": ("photo", "link", "en"),
        "three.jpg": ("Third", "alt", None),
        "four.jpg": ("Fourth", "alt", None),
        "six.jpg": ("Sixth", "alt", None),
        "seven.jpg": ("Seventh", "alt", None),
    }
    asked = set(site.asked())
    # Links that say nofollow, pages that ask for it, robots.txt, depth, other hosts: nobody goes there.
    assert not asked & {
        "/nofollow",
        "/deeper",
        "/private/page",
        "/elsewhere",
        "/spacer.gif",
        "/no-text.jpg",
        "/bad.jpg",
    }
    assert {"/listed.jpg", "/icon.png", "/wide.jpg", "/mapped", "/huge"} <= asked
    assert site.requests_to("/")[0].headers["user-agent"].endswith("(+https://crawler.example/about)")
    told = crawl.output
    for line in (
        "'ingest_guard/filtered/tracker': 1",
        "'ingest_guard/filtered/no_text': 1",
        "'ingest_guard/filtered/blocked_word': 1",
        "'ingest_guard/filtered/blocked_host': 1",
        "'ingest_guard/filtered/small': 1",
        "'ingest_guard/filtered/aspect': 1",
        "'ingest_guard/matched': 1",
        "'ingest_guard/spider/pages': 6",
        "1 lines are no address",
    ):
        assert line in told
    assert "/listed.jpg" not in told
    assert {file.name for file in (project.project / "data").iterdir()} >= {"records-00000.jsonl"}


def test_pages_and_hosts_on_a_url_list_are_never_asked_for(project: Project, site: Server) -> None:
    """Neither by a link nor as seeds; of a listed host not even robots.txt."""

    def answer(seen: Seen) -> Reply:
        return Reply(b"<img src=/one.jpg alt=x>")

    site.add("/listed-page", answer)
    (project.folder / "hosts.txt").write_text("listed.example\n")
    sources = [ListSource("a", "plain", project.folder / "lists" / "a.txt")]
    build(project.folder / "blocklist", [*sources, ListSource("hosts", "domains", project.folder / "hosts.txt")])
    seeds = f"{site.base}/\n{site.url('/listed-page')}\nhttp://listed.example/page\n"
    crawl, records = _from_seeds(project, seeds, "--format", "jsonl", "--depth", "1", "--domains", "*")
    assert crawl.exit_code == 0, crawl.output[-3000:]
    assert records
    assert "/listed-page" not in site.asked()
    # The seed and the link are one request; the host is refused for its page and for its robots.txt.
    assert "'ingest_guard/refused/url_list'" in crawl.output
    assert "'ingest_guard/listed_urls/a': 1" in crawl.output
    assert "'ingest_guard/listed_urls/hosts'" in crawl.output
    assert "hosts cannot reach you" in crawl.output
    assert not [line for line in crawl.output.splitlines() if "listed.example" in line]


def test_a_spider_of_a_project(project: Project, site: Server) -> None:
    """A subclass is an ordinary spider: its own item, its own depth, the project's settings and feeds."""
    crawl = project.crawl("tested", *_QUICK, "-s", "ROBOTSTXT_OBEY=False", seeds=site.url("/two"), pages_per_host=1)
    assert crawl.exit_code == 0
    assert crawl.faults() == []
    assert {record["alt"] for record in crawl.records} == {"THIRD", "FOURTH"}
    assert crawl.count("spider/links_left_out") == 1
    assert crawl.count("extract/images") == crawl.count("extract/kept") == 2
    assert [event["place"] for event in crawl.events] == ["img", "img"]


_DEAD = "http://127.0.0.1:9/"
_EMPTY: dict[str, tuple[str, str]] = {
    "robots.txt forbids all": ("/private/a", "requests that robots.txt forbids: 1"),
    "all answers are errors": ("/nowhere", "answers that were errors (404, 500 and the like): 1"),
    "redirected elsewhere": ("/away", "requests that led outside of the domains: 1"),
    "pictures alone": ("/one.jpg", "answers that are no HTML page: 1"),
    "listed": ("/listed-page", "requests that the guard refused (URL lists and the like): 1"),
    "dropped": ("/inline", "answers that the guard dropped: 1"),
    "no answer": (_DEAD, "requests without an answer, each try counted: "),
}


@pytest.mark.parametrize("name", _EMPTY)
def test_a_crawl_that_reads_no_page_exits_6_and_says_why(project: Project, site: Server, name: str) -> None:
    """Its seeds were usable, and nothing came of them: each reason has its count, on the terminal and in the log."""
    path, why = _EMPTY[name]
    site.add("/away", Reply(b"", status=302, headers=(("Location", f"http://localhost:{site.port}/two"),)))
    site.add("/inline", f"<img src=data:image/jpeg;base64,{base64.b64encode(_LISTED).decode()}>".encode())
    crawl, records = _from_seeds(project, path if path == _DEAD else site.url(path))
    assert records == []
    assert why in " ".join(crawl.output.split())
    assert crawl.exit_code == 6
    assert (project.folder / "elsewhere" / "data" / "attestation.json").is_file()


def test_a_job_that_has_nothing_left_is_no_failure(project: Project, site: Server) -> None:
    """The same command again asks for nothing; that is said, and the exit code is 0."""
    options = ("--format", "jsonl", "-s", "JOBDIR=job")
    assert _from_seeds(project, site.url("/mapped"), *options)[0].exit_code == 0
    crawl, records = _from_seeds(project, site.url("/mapped"), *options)
    assert crawl.exit_code == 0, crawl.output[-1500:]
    assert "earlier runs of this job have asked for all of them" in " ".join(crawl.output.split())
    assert [record["alt"] for record in records] == ["Seventh"]


def test_packed_sitemaps_are_read(project: Project, site: Server) -> None:
    """Those that robots.txt names, whatever their type, and the usual one; one with a listed picture is dropped."""
    inline = f"<!-- data:image/jpeg;base64,{base64.b64encode(_LISTED).decode()} -->".encode()
    maps = {
        "/sitemap.xml": ("application/gzip", _sitemap(site.url("/deeper"))),
        "/one.xml.gz": ("application/x-gzip", _sitemap(site.url("/two"))),
        "/two.xml": ("text/xml", _sitemap(site.url("/quiet"))),
        "/map.php": ("text/html", _sitemap(site.url("/deep"))),
        "/listed.xml.gz": ("application/gzip", inline + _sitemap(site.url("/huge"))),
    }
    for name, (kind, body) in maps.items():
        site.add(name, gzip.compress(body), type=kind)
    names = "".join(f"Sitemap: {site.url(name)}\n" for name in maps if name != "/sitemap.xml")
    site.add("/robots.txt", names.encode(), type="text/plain")
    crawl = project.crawl("tested", *_QUICK, seeds=site.url("/mapped"), sitemap="yes", depth="0")
    assert {record["alt"] for record in crawl.records} == {"SEVENTH", "FIFTH", "THIRD", "SIXTH", "FOURTH"}
    assert crawl.count("matched") == 1
    assert "/huge" not in site.asked()


def test_other_archives_stay_out(project: Project, site: Server) -> None:
    """What is packed and no sitemap is not looked into."""
    site.add("/sitemap.xml", gzip.compress(b"<!doctype html><p>a page"), type="application/gzip")
    site.add("/robots.txt", Reply(b"", status=404))
    crawl = project.crawl("tested", *_QUICK, seeds=site.url("/mapped"), sitemap="yes")
    assert {record["alt"] for record in crawl.records} == {"SEVENTH"}
    assert crawl.count("not_scannable/unsupported_type") == 1
