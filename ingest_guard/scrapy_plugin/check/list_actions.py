"""What the policy says of lists, as it shows in a crawl: counts by action, dropped pages, alarms, the allow-list."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from w3lib.url import safe_url_string

from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.guard.guard import Guard
from ingest_guard.guard.inquiry import Inquiry
from ingest_guard.guard.scan_result import Scan
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.verdict import Action, Grade, Outcome, Verdict

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

logger = logging.getLogger(__name__)

_REDIRECTS = range(300, 400)


def count_match(state: GuardState, guard: Guard, verdict: Verdict) -> None:
    """Count a response that matched, and how sure that is: under ``matched``, or apart where its lists only hold."""
    grade = Grade.surest(guard.grade_of(match) for match in verdict.matches)
    if verdict.action is Action.HOLD:
        state.count("held")
        state.count(f"held_grade/{grade}")
    else:
        state.count("matched")
        state.count(f"matched_grade/{grade}")
    for list_id in {match.list_id for match in verdict.matches}:
        state.count(f"held/{list_id}" if state.is_held(list_id) else f"matched/{list_id}")
    for algorithm in {match.algorithm for match in verdict.matches if not state.is_held(match.list_id)}:
        state.count(f"matched_by/{algorithm}")


def note_listed_url(state: GuardState, url: str) -> Action:
    """Count a URL on lists, condemn it as a page where they say so, and return what is to be done about it."""
    list_ids = set(state.lists_with_url(url))
    for list_id in list_ids:
        state.count(f"held/{list_id}" if state.is_held(list_id) else f"listed_urls/{list_id}")
    action = state.guard.action_on(list_ids)
    if action is Action.DROP_PAGE:
        state.dropped_pages.add([url])
    return action


def note_response(state: GuardState, request: Request, response: Response, verdict: Verdict) -> None:
    """Condemn the page of an image that a spider asked for itself, and follow what it asked for through redirects.

    Call it before the response is emptied. A page that holds the image inside of it is dropped_pages alone; those that
    link to it are not.
    """
    if not state.policy.drops_pages:
        return
    if response.status in _REDIRECTS and (location := response.headers.get("Location")):
        with contextlib.suppress(ValueError):  # an address that is none is not followed
            state.dropped_pages.note_redirect(request.url, urljoin(request.url, safe_url_string(location)))
    if verdict.outcome is not Outcome.MATCH or verdict.action is not Action.DROP_PAGE:
        return
    state.dropped_pages.add([request.url])
    strict = [match for match in verdict.matches if state.guard.action_on([match.list_id]) is Action.DROP_PAGE]
    if not all(match.view.startswith("embedded/") for match in strict):
        state.dropped_pages.add(state.dropped_pages.askers(request.url))


def watch_for_floods(state: GuardState, guard: Guard, inquiry: Inquiry, scans: Sequence[Scan]) -> None:
    """Count the images that each entry matches, and raise an alarm for one that matches too many."""
    for hit in inquiry.hits:
        if hit.list_id != CANARY:
            _alarm(state, state.flood.note(guard.version, [hit[:3]], hit.sha256))
    for part, scan in zip(inquiry.parts, scans, strict=True):
        # The self-test shows many variants of the canary.
        if hits := [hit for hit in scan.hits if hit.list_id != CANARY]:
            _alarm(state, state.flood.note(guard.version, hits, part.sha256))


def _alarm(state: GuardState, flooding: Iterable[tuple[str, str]]) -> None:
    for list_id, algorithm in flooding:
        state.count("flood_alarms")
        state.count(f"flood/{list_id}")
        logger.error(
            "ingest_guard: one %s entry of list %s has matched more than %d different images in this run. Its matches "
            "stay dropped. Look at what it matches; if that is harmless, put the value into a file of allow.files",
            algorithm,
            list_id,
            state.policy.flood,
        )


def announce_allowed(state: GuardState, guard: Guard) -> None:
    """Log and count what the allow-list takes out of which list, for each version that comes into use."""
    if not guard.allowed.count:
        return
    taken = {info.id: 0 for info in guard.blocklist.lists}
    for (list_id, _), number in guard.blocklist.allowed.items():
        taken[list_id] = taken.get(list_id, 0) + number
    for list_id, number in taken.items():
        state.set_value(f"allowed/{list_id}", number)
    logger.info(
        "ingest_guard: the allow-list (%d values, digest %s) takes out %s",
        guard.allowed.count,
        guard.allowed.digest[:16],
        ", ".join(f"{number} of list {list_id}" for list_id, number in sorted(taken.items()) if number) or "nothing",
    )
