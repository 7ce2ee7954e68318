"""Why a crawl has read no page, in words, from its statistics: counts alone, never an address."""

from collections.abc import Iterator, Mapping
from typing import Any

_PREFIX = "ingest_guard/"
_UNANSWERED = "downloader/exception_type_count/"
# Of a middleware that refused a request, or dropped an answer: not of a host.
_REFUSALS = ("IgnoreRequest", "ImageBlocked", "RequestRefused")


def reasons(stats: Mapping[str, Any]) -> list[str]:
    """Return why no page was read, each with its count; empty where nothing was counted."""
    return [f"{words}: {count:,}" for count, words in _counted(stats) if count > 0]


def is_empty(counts: Mapping[str, int]) -> bool:
    """Return whether a crawl has read nothing, by the guard's own counts without their prefix.

    ``ImageTextSpider`` counts its pages; any other spider has read what the guard let through or checked.
    """
    if (pages := counts.get("spider/pages")) is not None:
        return not pages
    return not counts.get("not_an_image", 0) and not counts.get("checked", 0)


def is_done(stats: Mapping[str, Any]) -> bool:
    """Return whether nothing was asked for because earlier runs of the same job have asked for all of it."""
    return (
        bool(stats.get("dupefilter/filtered", 0)) and not stats.get("response_received_count", 0) and not reasons(stats)
    )


def sentence(stats: Mapping[str, Any]) -> str:
    """Return the reasons in one sentence."""
    if is_done(stats):
        return "No page was read: earlier runs of this job have asked for all of them"
    found = reasons(stats)
    return f"No page could be read: {'; '.join(found) if found else 'nothing was counted that says why; the log may'}"


def _counted(stats: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    def own(name: str) -> int:
        return int(stats.get(_PREFIX + name, 0))

    unreachable = own("robots_unreachable")
    yield own("spider/seeds_unusable"), "lines of the seeds that are no address"
    yield own("spider/seeds_elsewhere"), "seeds that lie in none of the domains"
    yield unreachable, "requests not sent, because the robots.txt of their host cannot be had"
    yield int(stats.get("robotstxt/forbidden", 0)) - unreachable, "requests that robots.txt forbids"
    yield int(stats.get("offsite/filtered", 0)), "requests that led outside of the domains"
    yield _sum(stats, f"{_PREFIX}refused/"), "requests that the guard refused (URL lists and the like)"
    unanswered = {name: n for name, n in stats.items() if not name.endswith(_REFUSALS)}
    yield _sum(unanswered, _UNANSWERED), "requests without an answer, each try counted"
    yield int(stats.get("httperror/response_ignored_count", 0)), "answers that were errors (404, 500 and the like)"
    yield own("matched") + own("held") + own("not_scannable"), "answers that the guard dropped"
    yield own("spider/pages_unread"), "pages that are too costly to read"
    yield own("spider/pages_elsewhere"), "answers from outside of the domains, where a redirect led"
    yield own("spider/not_pages"), "answers that are no HTML page"


def _sum(stats: Mapping[str, Any], start: str) -> int:
    return sum(int(count) for name, count in stats.items() if name.startswith(start))
