"""What the policy says of lists, as it shows in a crawl: counts by action, condemned pages, alarms, the allow-list."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from w3lib.url import safe_url_string

from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.verdict import Action, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scrapy import Request
    from scrapy.http import Response

    from ingest_guard.guard.guard import Guard, Inquiry
    from ingest_guard.guard.scan_result import Scan
    from ingest_guard.scrapy_plugin.runtime import Runtime
    from ingest_guard.verdict import Verdict

logger = logging.getLogger(__name__)

_REDIRECTS = range(300, 400)


def count_match(runtime: Runtime, verdict: Verdict) -> None:
    """Count a response that matched: under ``matched``, or apart where its lists only hold."""
    if verdict.action is Action.HOLD:
        runtime.count("held")
    else:
        runtime.count("matched")
    for list_id in {match.list_id for match in verdict.matches}:
        if _holds(runtime, list_id):
            runtime.count(f"held/{list_id}")
        else:
            runtime.count(f"matched/{list_id}")
    for algorithm in {match.algorithm for match in verdict.matches if not _holds(runtime, match.list_id)}:
        runtime.count(f"matched_by/{algorithm}")


def note_listed_url(runtime: Runtime, url: str) -> Action:
    """Count a URL on lists, condemn it as a page where they say so, and return what is to be done about it."""
    list_ids = set(runtime.guard.blocklist.match_url(url))
    for list_id in list_ids:
        if _holds(runtime, list_id):
            runtime.count(f"held/{list_id}")
        else:
            runtime.count(f"listed_urls/{list_id}")
    action = runtime.guard.action_on(list_ids)
    if action is Action.DROP_PAGE:
        runtime.condemned.add([url])
    return action


def _holds(runtime: Runtime, list_id: str) -> bool:
    return runtime.guard.action_on([list_id]) is Action.HOLD


def note_response(runtime: Runtime, request: Request, response: Response, verdict: Verdict) -> None:
    """Condemn the page of an image that a spider asked for itself, and follow what it asked for through redirects.

    Call it before the response is emptied. A page that holds the image inside of it is condemned alone; those that
    link to it are not.
    """
    if not runtime.policy.drops_pages:
        return
    if response.status in _REDIRECTS and (location := response.headers.get("Location")):
        with contextlib.suppress(ValueError):  # an address that is none is not followed
            runtime.condemned.note_redirect(request.url, urljoin(request.url, safe_url_string(location)))
    if verdict.outcome is not Outcome.MATCH or verdict.action is not Action.DROP_PAGE:
        return
    runtime.condemned.add([request.url])
    strict = [match for match in verdict.matches if runtime.guard.action_on([match.list_id]) is Action.DROP_PAGE]
    if not all(match.view.startswith("embedded/") for match in strict):
        runtime.condemned.add(runtime.condemned.askers(request.url))


def watch_for_floods(runtime: Runtime, guard: Guard, inquiry: Inquiry, scans: Sequence[Scan]) -> None:
    """Count the images that each entry matches, and raise an alarm for one that matches too many."""
    for hit in inquiry.hits:
        if hit.list_id != CANARY:
            _alarm(runtime, runtime.flood.note(guard.version, [hit[:3]], hit.sha256))
    for part, scan in zip(inquiry.parts, scans, strict=True):
        # The self-test shows many variants of the canary.
        hits = [(hit.list_id, hit.algorithm, hit.entry) for hit in scan.hits if hit.list_id != CANARY]
        if hits:
            _alarm(runtime, runtime.flood.note(guard.version, hits, part.sha256))


def _alarm(runtime: Runtime, flooding: Iterable[tuple[str, str]]) -> None:
    for list_id, algorithm in flooding:
        runtime.count("flood_alarms")
        runtime.count(f"flood/{list_id}")
        logger.error(
            "ingest_guard: one %s entry of list %s has matched more than %d different images in this run. Its matches "
            "stay dropped. Look at what it matches; if that is harmless, put the value into a file of allow.files",
            algorithm,
            list_id,
            runtime.policy.flood,
        )


def announce_allowed(runtime: Runtime) -> None:
    """Say what the allow-list takes out of which list: at the start, and whenever another version comes into use."""
    guard = runtime.guard
    if not guard.allowed.count:
        return
    taken = {info.id: 0 for info in guard.blocklist.lists}
    for (list_id, _), number in guard.blocklist.allowed.items():
        taken[list_id] = taken.get(list_id, 0) + number
    for list_id, number in taken.items():
        runtime.crawler.stats.set_value(f"ingest_guard/allowed/{list_id}", number)
    logger.info(
        "ingest_guard: the allow-list (%d values, digest %s) takes out %s",
        guard.allowed.count,
        guard.allowed.digest[:16],
        ", ".join(f"{number} of list {list_id}" for list_id, number in sorted(taken.items()) if number) or "nothing",
    )
