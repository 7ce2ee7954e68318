"""The ways out of one greedy crawl: its cache, stores, feeds, logs and statistics, and what its errbacks can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from incidents.samples import IDENTITY
from support.leaks import PREFIX, Twin, addresses, fingerprint, safe

from ingest_guard.incidents.chain import verify
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.sealing import Opener

if TYPE_CHECKING:
    from support.server import Server

_GUARDED = ["guarded", "strict"]
_BODIES = {"plain", "gzip", "error", "stop", "cut"}
_MEDIA = {"media-0", "media-1", "media-2"}
# These write of a request before there is a verdict on what it brings; the strict level takes addresses out.
_BEFORE_A_VERDICT = (
    "scrapy.core.downloader.handlers.http11",
    "scrapy.downloadermiddlewares.redirect",
    "scrapy.downloadermiddlewares.retry",
    "scrapy.utils.log",
)
# These were given requests, which are of a spider's own making, and keep them.
_REQUESTS = ("errback", "middleware", "pipeline")


@pytest.mark.parametrize("name", _GUARDED)
def test_the_crawl_leaves_nothing_anywhere(name: str, greedy: dict[str, Twin]) -> None:
    """Of all that was served, no byte, encoding or digest is in a file, a log record, an errback's reach or memory."""
    twin = greedy[name]
    assert twin.crawl.exit_code == 0, twin.crawl.log[-3000:]
    assert twin.crawl.stats["finish_reason"] == "finished"
    assert {place: names - {"data-media"} for place, names in twin.traces.items() if names - {"data-media"}} == {}
    assert [place for place, text in twin.files() if fingerprint() in text] == []


def test_the_crawl_wrote_nowhere_else(greedy: dict[str, Twin]) -> None:
    """The search has seen everything: what the crawl wrote is known by name, and all of it is in the search."""
    expected = {"httpcache", "job", "files", "images", "tmp", "home", "crawl.log", "output.txt", "records.jsonl"}
    written = {path.name for path in greedy["guarded"].crawl.out.iterdir()}
    assert written - expected == {"hoard", "stats-tested.json"}


def test_what_passes_is_found(greedy: dict[str, Twin]) -> None:
    """The control of the search: a safe image is in the cache and both stores of the guarded crawl."""
    twin = greedy["guarded"]
    found = {trace.file.relative_to(twin.crawl.out).parts[0] for trace in twin.crawl.traces({"safe": safe()})}
    assert {"httpcache", "files"} <= found
    assert len(list((twin.crawl.out / "images").rglob("*.jpg"))) == 1


@pytest.mark.parametrize("name", _GUARDED)
def test_the_log_of_incidents_has_what_was_dropped(name: str, greedy: dict[str, Twin]) -> None:
    """Each match has its entry, or a count in one; the log is whole, and shows no address and no digest."""
    twin = greedy[name]
    folder = twin.project / "incidents"
    opener = Opener(str(IDENTITY), "key")
    found = [opener.open(line.content.sealed) for line in read_lines(folder) if isinstance(line.content, Entry)]
    said = verify(folder)
    assert said.problems == []
    assert said.last_checkpoint is not None
    assert said.last_checkpoint.checkpoint.why == "end"
    matched = twin.crawl.count("matched") + twin.crawl.count("sentinel/dropped")
    assert sum(each.count for each in found) == matched > 10
    assert len(found) == twin.crawl.count("incidents/written") == twin.crawl.count("incidents/waiting")
    seen = {address for each in found for address in (each.addresses.requested, *each.more_addresses) if address}
    assert {urlsplit(address).path for address in seen} >= {
        f"/listed/{number}.jpg" for number in ("plain", "gzip", "error")
    }
    assert {each.server_address for each in found} == {"127.0.0.1"}
    assert {each.list.id for each in found} == {"a"}
    text = "".join(path.read_text() for path in folder.iterdir())
    assert PREFIX not in text
    assert fingerprint() not in text
    assert not any(digest in text for each in found for digest in each.digests.values())


@pytest.mark.parametrize("name", _GUARDED)
def test_the_cache_on_files_keeps_nothing(name: str, greedy: dict[str, Twin]) -> None:
    """The HTTP cache stores what came, as it came, unless something further out has dropped it."""
    assert greedy[name].left("httpcache") == set()
    assert greedy["unguarded"].left("httpcache") >= _BODIES | _MEDIA


@pytest.mark.parametrize("name", _GUARDED)
def test_a_stopped_download_brings_nothing_along(name: str, greedy: dict[str, Twin]) -> None:
    """``StopDownload`` carries what had come by then to the errback, past every ``process_response``."""
    assert "stop-fail" not in greedy[name].left("errback") | greedy[name].left("middleware")
    for way in ("errback", "middleware"):
        assert "stop-fail" in greedy["unguarded"].left(way)


@pytest.mark.parametrize("name", _GUARDED)
def test_no_frame_of_a_traceback_holds_a_body(name: str, greedy: dict[str, Twin]) -> None:
    """An errback reads the frames of an exception; where a middleware just raises, the response is in them."""
    assert greedy[name].reached("errback")
    assert greedy[name].left("errback") == set()
    assert greedy["careless"].left("errback") >= {*_BODIES, "redirect", "login", "page", "stop-fail"}


@pytest.mark.parametrize("name", _GUARDED)
def test_answers_that_cannot_be_parsed_are_not_quoted(name: str, greedy: dict[str, Twin]) -> None:
    """A parser's error quotes the line, and has it in its frames; it gets to errbacks past every process_response."""
    for way in ("errback", "middleware"):
        assert not {found for found in greedy[name].left(way) if found.startswith("bad-")}
        assert greedy["unguarded"].left(way) >= {"bad-status", "bad-length", "bad-chunk-fail"}


@pytest.mark.parametrize("name", _GUARDED)
def test_failed_downloads_of_media_pipelines_keep_nothing_alive(name: str, greedy: dict[str, Twin]) -> None:
    """Media pipelines keep their failures until the end, and with them the responses: those must be empty."""
    assert greedy[name].reached("living")
    assert greedy[name].left("living") == set()
    assert greedy["careless"].left("living") >= _MEDIA


@pytest.mark.parametrize("name", _GUARDED)
def test_media_stores_get_nothing(name: str, greedy: dict[str, Twin]) -> None:
    """The files and images pipelines store what passed; the latter encodes anew, so its files are looked at."""
    assert greedy[name].left("files") == set()
    assert greedy[name].crawl.out.joinpath("files").is_dir()
    assert greedy[name].looks("images") == 0
    assert greedy["unguarded"].left("files") >= _MEDIA
    assert greedy["unguarded"].looks("images") == len(_MEDIA)


@pytest.mark.parametrize("name", _GUARDED)
def test_other_middlewares_and_callbacks_see_nothing(name: str, greedy: dict[str, Twin]) -> None:
    """Between the gate and the spider, nobody gets a listed body, on its own or inside a page."""
    for way in ("middleware", "callback"):
        assert greedy[name].reached(way)
        assert greedy[name].left(way) - {"data-media"} == set()
        assert greedy["unguarded"].left(way) >= {*_BODIES, "page", "refresh", "location"}


@pytest.mark.parametrize("name", _GUARDED)
def test_links_that_are_images_are_not_followed(name: str, greedy: dict[str, Twin]) -> None:
    """Hook 1, the spider middleware: a spider's ``data:`` request is neither logged, queued nor downloaded."""
    twin, other = greedy[name], greedy["unguarded"]
    links = {"data-start", "data-short", "data-long"}
    assert not [place for place, names in twin.traces.items() if names & links]
    assert twin.crawl.count("refused/data_url") >= len(links)
    assert "data-long" in other.left("log scrapy.spidermiddlewares.urllength")
    assert other.left("log scrapy.core.engine") >= {"data-start", "data-short"}
    assert other.left("callback") >= {"data-start", "data-short"}


@pytest.mark.parametrize("name", _GUARDED)
def test_media_requests_that_are_images_are_not_sent(name: str, greedy: dict[str, Twin]) -> None:
    """Hook 2, the gate: a media pipeline's ``data:`` request is refused, not stored, not cached and not logged."""
    twin, other = greedy[name], greedy["unguarded"]
    kept = {place for place, names in twin.traces.items() if "data-media" in names}
    assert kept <= {"middleware", "pipeline"}
    for place in ("files", "httpcache", "log scrapy.core.engine", "log scrapy.pipelines.files"):
        assert "data-media" in other.left(place)


@pytest.mark.parametrize("name", _GUARDED)
def test_no_other_part_sees_a_link_that_is_an_image(name: str, greedy: dict[str, Twin]) -> None:
    """Wherever in an item a ``data:`` URL stands, no pipeline or middleware of somebody else's gets it."""
    assert greedy[name].left("pipeline") | greedy[name].left("middleware") == set()


@pytest.mark.parametrize("name", _GUARDED)
def test_items_that_are_images_are_dropped(name: str, greedy: dict[str, Twin]) -> None:
    """Hook 3, the check pipeline: an item whose image is a ``data:`` URL is emptied before anybody can print it."""
    twin, other = greedy[name], greedy["unguarded"]
    assert not [place for place, names in twin.traces.items() if "data-item" in names]
    assert twin.crawl.count("items_dropped/data_url") >= 1
    for place in ("log scrapy.core.scraper", "records.jsonl", "uploaded-feed", "pipeline"):
        assert "data-item" in other.left(place)


@pytest.mark.parametrize("name", _GUARDED)
def test_feeds_hold_records_alone(name: str, greedy: dict[str, Twin]) -> None:
    """Neither a feed on the disk nor the temporary file from which one is uploaded holds anything listed."""
    for place in ("records.jsonl", "uploaded-feed"):
        assert greedy[name].left(place) == set()
        assert greedy["unguarded"].left(place) >= {*_BODIES - {"plain"}, "data-item"}
    assert greedy[name].reached("uploaded-feed")
    assert {record["url"].rpartition("/")[2] for record in greedy[name].crawl.records} == {"safe.jpg"}


@pytest.mark.parametrize("name", _GUARDED)
def test_printed_items_show_nothing(name: str, greedy: dict[str, Twin]) -> None:
    """Scrapy prints items that were scraped, dropped or failed on; as texts and as extras of log records."""
    assert greedy[name].reached("log scrapy.core.scraper")
    assert greedy[name].left("log scrapy.core.scraper") == set()
    assert greedy["unguarded"].left("log scrapy.core.scraper") >= {*_BODIES, "data-item"}


@pytest.mark.parametrize("name", _GUARDED)
def test_header_lines_that_are_none_are_not_logged(name: str, greedy: dict[str, Twin]) -> None:
    """At DEBUG, Scrapy logs header lines that it cannot read as the server sent them; older ones fail instead."""
    logger = "log scrapy.core.downloader.handlers.http11"
    twin, other = greedy[name], greedy["unguarded"]
    assert "Skipping the bad response header" not in twin.crawl.log
    assert "bad-header" not in twin.left("crawl.log") | twin.left(logger) | twin.left("errback")
    if "Skipping the bad response header" in other.crawl.log:
        assert "bad-header" in other.left(logger) & other.left("crawl.log")
    else:
        assert "bad-header" in other.left("errback")


@pytest.mark.parametrize("name", _GUARDED)
def test_no_log_record_holds_anything(name: str, greedy: dict[str, Twin]) -> None:
    """Not in the text, the arguments, the extras or the exception of any logger's record."""
    assert greedy[name].left_in_logs() == {}
    assert greedy[name].left("crawl.log") == set()
    assert len(greedy["unguarded"].left_in_logs()) > 3


@pytest.mark.parametrize("name", _GUARDED)
def test_redirects_and_retries_carry_nothing(name: str, greedy: dict[str, Twin], greedy_server: Server) -> None:
    """A listed body behind an error or a redirect ends the matter; an image as a redirect's target is a match."""
    twin, other = greedy[name], greedy["unguarded"]
    assert _retried_answers(twin) == {}
    assert not [place for place, names in twin.traces.items() if names & {"error", "redirect", "location", "refresh"}]
    assert list(_retried_answers(other).values()) == [1]
    assert other.left("httpcache") >= {"error", "redirect", "location", "refresh"}


def _retried_answers(twin: Twin) -> dict[str, int]:
    """Return how often Scrapy retried because of a status; failed downloads, which had none, are retried by both."""
    return {
        key: count
        for key, count in twin.crawl.stats.items()
        if key.startswith("retry/reason_count/") and "Error" not in key
    }


@pytest.mark.parametrize("name", _GUARDED)
def test_statistics_hold_no_address_and_no_digest(name: str, greedy: dict[str, Twin]) -> None:
    """The guard's statistics are words and numbers; those of an extension that counts by digest saw nothing listed."""
    twin, other = greedy[name], greedy["unguarded"]
    assert twin.left("stats-tested.json") | twin.left("log scrapy.statscollectors") == set()
    own = [key for key in twin.crawl.stats if key.startswith("ingest_guard/")]
    assert len(own) > 10
    assert not [key for key in own if "jpg" in key or "http" in key]
    assert other.left("stats-tested.json") & other.left("log scrapy.statscollectors") >= _BODIES


@pytest.mark.parametrize("name", ["guarded", "strict", "unguarded"])
def test_a_dump_of_stacks_shows_no_body(name: str, greedy: dict[str, Twin]) -> None:
    """SIGUSR2 makes Scrapy log stacks and counts of live objects, not what is in them: nobody's twin leaks here."""
    twin = greedy[name]
    assert twin.crawl.log.count("Dumping stack trace and engine status") == 2
    assert twin.reached("log scrapy.extensions.debug")
    assert twin.left("log scrapy.extensions.debug") == set()


def test_no_address_of_a_match_after_the_verdict(greedy: dict[str, Twin]) -> None:
    """Neither the log, its records' arguments, the statistics, the feeds nor the records name what matched."""
    texts = {place: text for place, text in greedy["guarded"].files() if place not in _REQUESTS}
    shown = {
        place: lines
        for place, text in texts.items()
        if place.removeprefix("log ") not in _BEFORE_A_VERDICT
        and (lines := addresses([text], before_a_verdict=_BEFORE_A_VERDICT))
    }
    assert shown == {}


def test_unguarded_addresses_are_everywhere(greedy: dict[str, Twin]) -> None:
    """The control: the same search finds them in the log, the statistics and the feed of the unguarded crawl."""
    found = {place for place, text in greedy["unguarded"].files() if PREFIX in text}
    assert {"crawl.log", "stats-tested.json", "records.jsonl", "log scrapy.core.scraper"} <= found


def test_the_strict_level_logs_no_address_at_all(greedy: dict[str, Twin]) -> None:
    """What Scrapy writes before a verdict, a redirect say, is rewritten there."""
    strict = addresses([greedy["strict"].crawl.log])
    assert strict == []
