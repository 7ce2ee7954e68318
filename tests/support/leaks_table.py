"""The ways out of Scrapy, how each is closed, and the test that shows it: ``docs/leaks.md`` is made from this table."""

from __future__ import annotations

from typing import NamedTuple


class Way(NamedTuple):
    """A way out: its number, what happens there, how it is closed, and the tests (``module::function``)."""

    number: str
    way: str
    closed: str
    tests: tuple[str, ...]


_CRAWL, _CACHES, _QUEUES = "test_crawl", "test_caches", "test_queues"
_SIGNALS, _ELSEWHERE, _COMMANDS, _PROCESS = "test_signals", "test_elsewhere", "test_commands", "test_process"

WAYS = (
    Way(
        "1",
        "The HTTP cache stores what came (files, database; both policies)",
        "the gate stands before it, nearest to the downloader; an ndbm database, which writes remains of the process's "
        "memory, is refused at the start",
        (
            f"{_CRAWL}::test_the_cache_on_files_keeps_nothing",
            f"{_CACHES}::test_caches_store_nothing_new",
            f"{_CACHES}::test_a_cache_that_would_write_memory_is_refused",
        ),
    ),
    Way(
        "2",
        "HTTP cache: entries from before the guard",
        "the crawl does not start with such a cache; `ingest-guard purge` empties it; where the policy accepts "
        "it, each entry is checked when it is used",
        (
            f"{_CACHES}::test_an_old_cache_is_refused_and_purged",
            f"{_CACHES}::test_old_entries_are_dropped_on_their_way_out",
        ),
    ),
    Way(
        "3",
        "HTTP cache: a 304 or an error is replaced by the cached body behind the gate",
        "the sentinel, nearest to the engine, checks every body that the gate has not verified",
        (f"{_CACHES}::test_revalidated_bodies_meet_the_sentinel",),
    ),
    Way(
        "4",
        '`request.meta["cached_response"]` stays when a response is dropped, and is queued with the request',
        "responses in the meta are emptied and taken out",
        (f"{_CACHES}::test_requests_carry_no_cached_response",),
    ),
    Way(
        "5",
        "Signals `bytes_received`, `headers_received`, `response_downloaded`: raw bytes for any extension",
        "level `strict`: no start with a listener to pieces, complete responses are told of after their check; level "
        "`default`: a warning names the listeners",
        (
            f"{_SIGNALS}::test_pieces_are_heard_of_by_nobody",
            f"{_SIGNALS}::test_complete_responses_are_heard_of_after_the_check",
            f"{_SIGNALS}::test_in_the_default_level_listeners_are_named",
        ),
    ),
    Way(
        "6",
        "`StopDownload(fail=True)`: the response travels in the exception, past every `process_response`",
        "the gate empties what exceptions carry, first of all middlewares",
        (f"{_CRAWL}::test_a_stopped_download_brings_nothing_along",),
    ),
    Way(
        "7",
        "Frames of the traceback of the guard's own exception hold the response",
        "it is emptied in place before the exception is raised, and what the guard found out is let go",
        (f"{_CRAWL}::test_no_frame_of_a_traceback_holds_a_body",),
    ),
    Way(
        "8",
        "Media pipelines keep failures, and so responses, in memory until the end",
        "the same: what they keep is empty",
        (f"{_CRAWL}::test_failed_downloads_of_media_pipelines_keep_nothing_alive",),
    ),
    Way(
        "9",
        "Stores of media pipelines: a folder, S3, Google Cloud, FTP",
        "their downloads go through the gate; stores from before the guard are refused like caches",
        (f"{_CRAWL}::test_media_stores_get_nothing", f"{_ELSEWHERE}::test_remote_media_stores_get_nothing"),
    ),
    Way(
        "10",
        "`data:` URLs: the address is the image, and goes wherever addresses go",
        "three hooks, below; pages with a listed image inside are dropped whole",
        (f"{_CRAWL}::test_other_middlewares_and_callbacks_see_nothing",),
    ),
    Way(
        "10, hook 1",
        "... requests of a spider: printed, queued, downloaded",
        "the spider middleware nearest to the spider leaves them out",
        (
            f"{_CRAWL}::test_links_that_are_images_are_not_followed",
            f"{_QUEUES}::test_job_directories_hold_no_link_that_is_an_image",
        ),
    ),
    Way(
        "10, hook 2",
        "... requests of media pipelines and extensions, which no spider middleware sees",
        "gate and sentinel refuse them; the scheduler does not get them",
        (
            f"{_CRAWL}::test_media_requests_that_are_images_are_not_sent",
            f"{_QUEUES}::test_job_directories_hold_no_link_of_the_engine",
        ),
    ),
    Way(
        "10, hook 3",
        "... items: printed, stored, exported",
        "the check pipeline, first of all, empties and drops them",
        (
            f"{_CRAWL}::test_items_that_are_images_are_dropped",
            f"{_CRAWL}::test_no_other_part_sees_a_link_that_is_an_image",
        ),
    ),
    Way(
        "11",
        "Job directories and Redis: URL, body, meta and arguments of requests that wait; the spider's state",
        "a spider never gets listed bytes to put there; `data:` requests are left out",
        (f"{_QUEUES}::test_job_directories_hold_no_body", f"{_QUEUES}::test_shared_queues_hold_nothing"),
    ),
    Way(
        "12",
        "`ftp_local_filename`: the handler writes straight to the disk",
        "requests with it are refused",
        (f"{_ELSEWHERE}::test_downloads_straight_to_disk_are_refused",),
    ),
    Way(
        "13",
        "Other schemes: `file:`, `ftp:`, `s3:`",
        "their responses go through the gate like any other",
        (f"{_ELSEWHERE}::test_other_schemes_are_checked",),
    ),
    Way(
        "14",
        "Feeds, and the temporary files from which they are uploaded",
        "the record pipeline, last of all, lets out records and nothing else",
        (f"{_CRAWL}::test_feeds_hold_records_alone",),
    ),
    Way(
        "15",
        "Log lines that print items: scraped, dropped, failed on; the item as an extra of the record",
        "items are emptied before they are dropped; a log formatter and a filter withhold the rest",
        (f"{_CRAWL}::test_printed_items_show_nothing", f"{_CRAWL}::test_no_log_record_holds_anything"),
    ),
    Way(
        "16",
        "The HTTP/1.1 handler prints header lines that are none, at DEBUG; its errors quote what it cannot parse",
        "its logger is kept at INFO; the gate empties such an error, its reasons and their frames",
        (
            f"{_CRAWL}::test_header_lines_that_are_none_are_not_logged",
            f"{_CRAWL}::test_answers_that_cannot_be_parsed_are_not_quoted",
        ),
    ),
    Way(
        "17",
        "`TunnelError`: the first 1000 bytes of what a proxy answered",
        "the gate takes them out of the exception",
        (f"{_ELSEWHERE}::test_what_a_proxy_answers_is_not_logged",),
    ),
    Way(
        "18",
        "`open_in_browser` leaves a temporary file",
        "nothing listed gets to it; in the level `strict` it raises before it writes",
        (f"{_ELSEWHERE}::test_nothing_listed_can_be_opened_in_a_browser",),
    ),
    Way(
        "19",
        "`scrapy fetch`, `shell`, `parse`, `view`",
        "inside the project the add-on guards them; outside of it **nothing does**",
        (f"{_COMMANDS}::test_commands_are_guarded", f"{_COMMANDS}::test_outside_of_the_project_nothing_is_guarded"),
    ),
    Way(
        "20",
        "`scrapy check` empties `ITEM_PIPELINES`",
        "the add-on puts its parts back, and the others do not depend on them",
        (f"{_COMMANDS}::test_commands_are_guarded",),
    ),
    Way(
        "21",
        "Contracts and robots.txt: the parser gets the body",
        "both are fetched through the gate",
        (f"{_ELSEWHERE}::test_robots_files_are_checked", f"{_COMMANDS}::test_commands_are_guarded"),
    ),
    Way(
        "22",
        "Retries and redirects make new requests of old ones",
        "a listed body is neither retried nor followed; a target that is an image is a match",
        (f"{_CRAWL}::test_redirects_and_retries_carry_nothing",),
    ),
    Way(
        "23",
        "Statistics",
        "the guard's are words and numbers; other parts hear of what passed",
        (
            f"{_CRAWL}::test_statistics_hold_no_address_and_no_digest",
            f"{_CRAWL}::test_no_address_of_a_match_after_the_verdict",
        ),
    ),
    Way(
        "24",
        "Telnet console and remote control: a look into the memory for programs of the same user",
        "both are off; in the level `strict` they cannot be switched on",
        (f"{_PROCESS}::test_nobody_is_let_into_the_process", f"{_PROCESS}::test_there_is_no_telnet_console"),
    ),
    Way(
        "25",
        "A dump of stacks and live objects on SIGUSR2",
        "it shows names and counts alone; nobody's crawl leaks there",
        (f"{_CRAWL}::test_a_dump_of_stacks_shows_no_body",),
    ),
    Way(
        "26",
        "scrapy-playwright: the browser fetches and caches the pictures of a page by itself",
        "it is told to fetch no pictures; what would undo that is a warning, or no start in the level `strict`",
        (f"{_ELSEWHERE}::test_browsers_fetch_no_pictures",),
    ),
    Way(
        "27",
        "scrapy-zyte-api: the raw answer holds the body once more, and screenshots",
        "dropped with the response; pictures that nobody has checked are taken out",
        (f"{_ELSEWHERE}::test_answers_of_providers_bring_no_pictures_along",),
    ),
    Way(
        "28",
        "Other handlers: HTTP/2, aiohttp, httpx",
        "they end at the same gate, and are wrapped in the level `strict`",
        (f"{_SIGNALS}::test_nothing_else_gets_out_of_any_handler",),
    ),
    Way(
        "29",
        "Core dumps, and the memory of the process as other programs read it",
        "both are switched off before the first request; swap is the machine's, and doctor names it",
        (
            f"{_PROCESS}::test_other_programs_cannot_read_the_memory",
            f"{_PROCESS}::test_a_crash_writes_no_memory_to_the_disk",
        ),
    ),
    Way(
        "30",
        "A newer Scrapy in which bytes take ways that nobody knows",
        "a warning for versions that were not tested; a self-test with a listed picture before the first request",
        (f"{_PROCESS}::test_a_newer_scrapy_with_a_way_around_does_not_start",),
    ),
)


def as_markdown() -> str:
    """Return the table as it stands in the documentation."""
    lines = ["| | way out | how it is closed | test |", "|---|---|---|---|"]
    for way in WAYS:
        tests = "<br>".join(f"`{test.replace('::', '.py::')}`" for test in way.tests)
        lines.append(f"| {way.number} | {way.way} | {way.closed} | {tests} |")
    return "\n".join(lines) + "\n"
