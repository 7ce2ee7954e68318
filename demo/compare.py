"""The crawl's results against the right answers, address by address and count by count."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from demo.model import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from demo.site import Site

PREFIX = "ingest_guard/"
_REDIRECTS = range(300, 400)


def deviations(site: Site, address: str, records: Sequence[Mapping[str, Any]], stats: Mapping[str, Any]) -> list[str]:
    """Return everything that went otherwise than it must, one line each; an empty list is what is hoped for.

    Parameters
    ----------
    site
        The demo site.
    address
        Where it was served, without a slash at the end.
    records
        What the crawl let out.
    stats
        The crawl's final statistics.
    """
    return [*_wrong_records(site, address, records), *_wrong_counts(site, stats)]


def _wrong_records(site: Site, address: str, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    seen = Counter((str(record.get("url")).removeprefix(address), record.get("alt")) for record in records)
    for (path, alt), times in sorted(seen.items()):
        if (path, alt) in site.records:
            if times > 1:
                yield f"{path}: {times} records instead of one"
        elif expectation := site.expectations.get(path):
            yield f"{path}: a record was written, though it is {expectation.why}"
        else:
            yield f"{path}: a record was written for an address or alt text that the site does not have"
    for path, alt in sorted(site.records - set(seen)):
        yield f"{path} ({alt}): no record was written, though it is {site.expectations[path].why}"
    for record in records:
        path = str(record.get("final_url")).removeprefix(address)
        resource = site.resources.get(path)
        if resource and record.get("sha256") != hashlib.sha256(resource.plain).hexdigest():
            yield f"{path}: the record's digest is another file's"


def _wrong_counts(site: Site, stats: Mapping[str, Any]) -> Iterator[str]:
    counted = {name.removeprefix(PREFIX): value for name, value in stats.items() if name.startswith(PREFIX)}
    expected = expected_counts(site)
    sections = ("matched/", "not_scannable/")
    names = {name for name in counted if name.startswith(sections)} | set(expected)
    for name in sorted(names):
        if counted.get(name, 0) != expected.get(name, 0):
            yield f"the statistic {PREFIX}{name} is {counted.get(name, 0)} instead of {expected.get(name, 0)}"


def expected_counts(site: Site) -> dict[str, int]:
    """Return what the guard must have counted, by the name of the statistic without its prefix."""
    counts: Counter[str] = Counter()
    for path, expectation in site.expectations.items():
        resource = site.resources[path]
        if resource.status in _REDIRECTS or path.startswith("/private/"):
            continue
        if expectation.fate is Fate.MATCH:
            counts["matched"] += 1
            counts.update(f"matched/{name}" for name in expectation.lists)
        elif expectation.fate is Fate.NOT_SCANNABLE:
            counts["not_scannable"] += 1
            counts[f"not_scannable/{expectation.reason}"] += 1
        elif expectation.fate is Fate.RECORD or (
            expectation.fate is Fate.HTTP_ERROR and resource.content_type.startswith("image/")
        ):
            counts["no_known_match"] += 1
    counts["checked"] = counts["matched"] + counts["not_scannable"] + counts["no_known_match"]
    counts["records"] = len(site.records)
    return dict(counts)
