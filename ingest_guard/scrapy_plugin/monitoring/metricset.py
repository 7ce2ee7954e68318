"""The metrics that there are: what each is called, what it counts, and where in a crawl that number is.

Labels are ``spider``, ``crawl`` (its number in this process, from 1) and, for some, one more. None of them names a host
or an address; of a match, the id of the list and the algorithm are told, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ingest_guard.scrapy_plugin.monitoring import snapshot as gauges

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest_guard.scrapy_plugin.core.state import GuardState

PREFIX = "ingest_guard_"


class Counted(NamedTuple):
    """A counter. With a label, it takes all statistics that begin with ``stat``, each under the end of its name."""

    name: str
    stat: str
    help: str
    label: str = ""


class Measured(NamedTuple):
    """A gauge."""

    name: str
    read: Callable[[GuardState], float]
    help: str


COUNTERS = (
    Counted("checked", "checked", "Responses with an image or another binary in them"),
    Counted("no_known_match", "no_known_match", "Of these, passed"),
    Counted("matched", "matched", "Of these, dropped for a match"),
    Counted("matched_by_list", "matched/", "The same, for each list that knew it", "list"),
    Counted("matched_by_algorithm", "matched_by/", "The same, for each algorithm that found it", "algorithm"),
    Counted("held", "held", "Of these, dropped for a match on lists that only hold"),
    Counted("not_scannable", "not_scannable", "Of these, dropped because they could not be scanned"),
    Counted("not_scannable_by_reason", "not_scannable/", "The same, by reason", "reason"),
    Counted("not_an_image", "not_an_image", "Other responses: text, empty"),
    Counted("response_bytes", "bytes", "Bytes of all responses, as sent"),
    Counted("records", "records", "Records that left"),
    Counted("duplicates", "duplicates", "Records left out because they are there already"),
    Counted("extracted_images", "extract/images", "Images found in pages"),
    Counted("opted_out", "opted_out/", "Images and pages left out because their hosts ask for that", "reason"),
    Counted("filtered", "filtered/", "Images left out by the policy's filters", "filter"),
    Counted("refused", "refused/", "Requests that were not let out", "reason"),
    Counted("items_dropped", "items_dropped/", "Items that made no record", "reason"),
    Counted("images_dropped", "images_dropped/", "Images of items that made no record", "result"),
    Counted("scans_spared", "scans_spared", "Images that were not scanned again"),
    Counted("errors", "errors", "Faults of the guard itself"),
    Counted("flood_alarms", "flood_alarms", "Entries that matched suspiciously many different images"),
    Counted("list_changes", "swap/done", "Changes to a new version of the blocklist"),
    Counted("list_changes_refused", "swap/refused", "Attempts to change that were refused"),
)

GAUGES = (
    Measured("scanning_images", lambda r: r.budget.images, "Images being scanned"),
    Measured("scanning_bytes", lambda r: r.budget.bytes, "Their bytes"),
    Measured("waiting_images", lambda r: r.budget.waiting, "Images that wait for a scan"),
    Measured("downloading_requests", lambda r: gauges.queues(r)["downloading"], "Requests being downloaded"),
    Measured("scheduled_requests", lambda r: gauges.queues(r)["scheduled"], "Requests not yet begun"),
    Measured("blocklist_age_seconds", gauges.list_age, "Age of the blocklist in use"),
    Measured("blocklist_max_age_seconds", lambda r: r.policy.max_age.total_seconds(), "How old it may be"),
    Measured("crawler_memory_bytes", lambda r: gauges.memory(r)["crawler"], "Memory of the crawl's own process"),
    Measured("worker_memory_peak_bytes", lambda r: gauges.memory(r)["worker_peak"], "The most that one worker had"),
    Measured("failed", lambda r: float(r.failed), "1 where the guard has latched shut"),
)

SCAN = ("scan_seconds", "Time of a scan, with the wait for a worker")
LISTS = ("blocklist_entries", "Entries of each list in use, by its version", ("list", "version"))
RESPONSES = ("responses", "Responses that the downloader has brought")


def names() -> set[str]:
    """Return the names under which Prometheus keeps all of these."""
    counters = {f"{PREFIX}{each.name}_total" for each in COUNTERS} | {f"{PREFIX}{RESPONSES[0]}_total"}
    others = {f"{PREFIX}{each.name}" for each in GAUGES} | {PREFIX + LISTS[0]}
    return counters | others | {f"{PREFIX}{SCAN[0]}_{end}" for end in ("bucket", "sum", "count")}
