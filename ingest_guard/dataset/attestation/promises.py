"""A manifest in plain words: its headline, its numbers, and the whole of it for a terminal."""

from collections.abc import Iterator, Mapping

from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import CheckSet, ListFacts, NeighbourSearch, Recheck, Run

FOREIGN = "These records were not made by this guard: nothing is known of how they were collected or checked before."

_OUTCOMES = {
    "checked": "images and other binaries checked",
    "no_known_match": "on no list, as far as could be compared",
    "matched": "dropped: a list knew them",
    "held": "dropped: an unverified list knew them",
    "not_scannable": "dropped: they could not be scanned",
    "records": "records",
    "duplicates": "records left out: there already",
}


def headline(manifest: Manifest) -> str:
    """Return in one or two sentences what a data set is and what it was held against."""
    made = f"{manifest.rows:,} image-text records (addresses, texts, digests; no images)"
    if manifest.records == "foreign":
        return f"{made}. {FOREIGN} {_rechecked(manifest)}".strip()
    when = f" between {manifest.started} and {manifest.ended}" if manifest.started and manifest.ended else ""
    lists = sorted({each.id for facts in manifest.blocklist for each in facts.lists})
    return (
        f"{made}, collected from the web{when}. Each image was compared with {numbered(len(lists), 'list')} of known "
        f"abuse imagery ({', '.join(lists) or 'none'}) by {', '.join(manifest.algorithms) or 'nothing'}; what matched, "
        f"or could not be scanned, made no record. No known match does not mean safe. {_rechecked(manifest)}"
    ).strip()


def account(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each count: outcomes, opt-outs, filters, rechecks."""
    for name, text in _OUTCOMES.items():
        if name in manifest.outcomes:
            yield f"{manifest.outcomes[name]:,} {text}."
    for title, counts in (
        ("Left out because the site or page opts out", manifest.opt_outs),
        ("Left out by filters", manifest.filtered),
    ):
        if counts:
            yield f"{title}: {', '.join(f'{name} {number:,}' for name, number in counts.items())}."
    if unknown := sum(run.counts is None for run in manifest.runs):
        yield f"{numbered(unknown, 'run')} did not end well: what was counted there is not in these numbers."
    for recheck in manifest.rechecks:
        yield f"{_format_recheck(recheck)}."
    for search in manifest.searches:
        yield f"{_format_search(search)}."
    for each in manifest.differences:
        counted = _counted(each.counts)
        yield f"Compared on {each.at} with another release, which lacks records, by {each.key}: {counted}."


def format_manifest(manifest: Manifest) -> Iterator[str]:
    """Yield the lines of a manifest in words, for a terminal."""
    yield headline(manifest)
    yield ""
    size = sum(shard.bytes for shard in manifest.shards)
    yield f"{numbered(len(manifest.shards), 'shard')}, {size:,} bytes, {manifest.guard}"
    for run in manifest.runs:
        yield _format_run(run)
    yield from (f"  {line}" for line in account(manifest))
    for check_set in manifest.check_sets:
        yield ""
        yield from _format_check_set(check_set)
    yield ""
    yield "Promised:"
    yield from (f"  - {line}" for line in manifest.promised)
    yield "Not promised:"
    yield from (f"  - {line}" for line in manifest.not_promised)


def _format_run(run: Run) -> str:
    if run.ended is None:
        return f"  run of {run.started}: did not end well, its numbers are lost"
    return f"  run of {run.started} to {run.ended}: {run.finish_reason}, policy {run.policy_digest[:12]}"


def _format_check_set(check_set: CheckSet) -> Iterator[str]:
    yield f"check set {check_set.check_set}, from {check_set.since} ({check_set.guard})"
    yield f"  blocklist {check_set.blocklist.version[:12]}, built {check_set.blocklist.created}"
    for each in check_set.blocklist.lists:
        yield f"    {_format_list(each)}"
    yield f"  views: {', '.join(check_set.views)}; frames: {check_set.frames}"
    if check_set.allow_list is not None:
        yield f"  {numbered(check_set.allow_list.entries, 'value')} of the operator's never matched (allow-list)"


def _format_list(facts: ListFacts) -> str:
    name = facts.id if facts.severity is None else f"{facts.id} ({facts.severity})"
    held = (
        f"{count:,} {algorithm}" + (f" within {facts.thresholds[algorithm]}" if algorithm in facts.thresholds else "")
        for algorithm, count in facts.counts.items()
    )
    return f"{name} {facts.version[:12]}: {', '.join(held) or 'empty'}"


def _format_recheck(recheck: Recheck) -> str:
    lists = ", ".join(sorted({each.id for each in recheck.blocklist.lists}))
    scope = "all frames and views" if recheck.fingerprints == "all" else "the first frame's native view alone"
    counted = _counted(recheck.counts)
    return f"Compared again on {recheck.at} with {lists} by {', '.join(recheck.algorithms)}, {scope}: {counted}"


def _format_search(search: NeighbourSearch) -> str:
    wanted = [f"the {search.k:,} nearest of each"] if search.k else []
    wanted += [f"all of a cosine similarity from {search.above} on"] if search.above is not None else []
    return (
        f"Embeddings compared on {search.at} with {numbered(search.seeds, 'seed')} ({search.seeds_from}), "
        f"{' and '.join(wanted)} removed: {_counted(search.counts)}"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())


def _rechecked(manifest: Manifest) -> str:
    return f"Last compared again on {manifest.rechecks[-1].at}." if manifest.rechecks else ""


def numbered(number: int, noun: str) -> str:
    """Return ``1 shard``, ``2 shards``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
