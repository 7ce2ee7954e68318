"""Two measurements of ``bench_pages`` without a browser: ordinary pages, and mutated texts in the workers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.hostile_texts import KINDS
from support.ordinary_pages import ordinary_feed, ordinary_page, page_with_video
from support.page_generator import make_page

from ingest_guard import Guard
from ingest_guard.workers.pool import WorkerPool

_DOCUMENTATION = ("/usr/share/doc", "/usr/share/javascript", "/usr/lib/python3/dist-packages")
_MOST_FILES = 5_000
_LARGEST = 1 << 20
_MOST_DOUBTS = 0.005
_LONGEST = 0.3
_FAILURES = frozenset({"timeout", "worker_crashed", "memory", "guard_failed", "domain_budget"})
_PIECES = (
    b'<img src="data:image/png;base64,', b"<style>a{b:url(data:", b"<script>'", b"<!--", b"-->", b"]]>", b"<![CDATA[",
    b"&#x", b"&#0000000", b"%25", b"\\u{", b"\\", b"<svg>", b"</svg>", b"<template>", b"<noscript>", b'"', b"'", b"`",
    b"${", b"{", b"}", b"<a ", b" b=c", b"\0", b"\x1b(B", b"\xff\xfe", b"<?xml ", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;",
)  # fmt: skip


def measure_ordinary(guard: Guard, pages: int) -> int:
    """Print how many ordinary pages end as not_scannable, by source and reason; 1 where they are more than 0.5 %."""
    outcomes: Counter[tuple[str, str]] = Counter()
    for source, (_, body, declared) in _ordinary(pages):
        verdict = guard.check(body, declared_type=declared)
        outcomes[source, f"{verdict.outcome} {verdict.reason or ''}".strip()] += 1
    counted = {source for source, _ in outcomes if source != _VIDEOS}
    doubts = sum(count for (source, what), count in outcomes.items() if source in counted and "not_scannable" in what)
    total = sum(count for (source, _), count in outcomes.items() if source in counted)
    print(f"{'source':<38}{'outcome':<28}{'pages':>8}")
    for (source, what), count in sorted(outcomes.items()):
        print(f"{source:<38}{what:<28}{count:>8,}")
    print(f"not_scannable, without those of inline videos: {doubts:,} of {total:,} ({doubts / max(1, total):.2%})")
    return int(doubts > _MOST_DOUBTS * total)


_VIDEOS = "generated, with an inline video"


def _ordinary(pages: int) -> Iterator[tuple[str, tuple[str, bytes, str]]]:
    found = 0
    for root in _DOCUMENTATION:
        for file in sorted(Path(root).rglob("*.htm*")) if Path(root).is_dir() else ():
            if found < _MOST_FILES and file.is_file() and file.stat().st_size <= _LARGEST:
                found += 1
                yield "documentation on this machine", ("file", file.read_bytes(), "text/html")
    for number in range(pages):
        yield "generated after themes", ordinary_page(number)
        yield "generated feeds and sitemaps", ordinary_feed(number)
    for number in range(pages // 10):
        yield _VIDEOS, page_with_video(number)


def mutated(seed: int, number: int) -> tuple[str, bytes, str]:
    """Return (what it was made from, text, Content-Type) of a mutated text of up to 1 MB."""
    dice = random.Random(f"mutated {seed} {number}")
    kind = dice.choice(("page", "page", "feed", "inline", "inline", "hostile"))
    if kind == "page":
        _, text, declared = ordinary_page(dice.randrange(10_000))
    elif kind == "feed":
        _, text, declared = ordinary_feed(dice.randrange(10_000))
    elif kind == "inline":
        page = make_page(seed, dice.randrange(10_000))
        text, declared = page.body, page.content_type or "text/html"
    else:
        kind = dice.choice(list(KINDS))
        text, declared = KINDS[kind](dice.choice((1_000, 10_000, 100_000))), "text/html"
    for _ in range(dice.randrange(1, 12)):
        text = _mutate(dice, text)
    if dice.random() < 0.02:
        text *= max(1, _LARGEST // max(1, len(text)))
    return kind, text[:_LARGEST], declared


def _mutate(dice: random.Random, text: bytes) -> bytes:
    start = dice.randrange(len(text) + 1)
    stop = min(len(text), start + dice.choice((1, 10, 100, 5_000)))
    change = dice.randrange(5)
    if change == 0:
        return text[:start] + text[stop:]
    if change == 1:
        return text[:stop] + text[start:stop] * dice.choice((1, 3, 50)) + text[stop:]
    if change == 2:
        return text[:start] + dice.choice(_PIECES) * dice.choice((1, 1, 2, 200)) + text[start:]
    if change == 3:
        return text[:start] + dice.randbytes(stop - start) + text[stop:]
    other = dice.randrange(len(text) + 1)
    return text[:start] + text[min(start, other) : max(start, other)][:20_000] + text[start:]


def measure_mutations(guard: Guard, number: int, seed: int) -> int:
    """Print how long mutated texts take in a worker; 1 where one is lost, or one in a thousand takes 0.3 s or more."""
    times, lost = asyncio.run(_read_all(guard, number, seed))
    ordered = sorted(times)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99, 0.999)}
    print(f"{number:,} mutated texts of up to 1 MB, one worker, seed {seed}")
    print(f"  seconds: median {at[0.5]:.4f}, p99 {at[0.99]:.3f}, p99.9 {at[0.999]:.3f}, longest {ordered[-1]:.2f}")
    print(f"  timed out, crashed or out of memory: {sum(lost.values())} {dict(lost) if lost else ''}")
    return int(bool(lost) or at[0.999] >= _LONGEST)


async def _read_all(guard: Guard, number: int, seed: int) -> tuple[list[float], Counter[Any]]:
    failures: list[str] = []
    pool = WorkerPool(guard, failures.append)
    pool.start()
    times: list[float] = []
    lost: Counter[Any] = Counter()
    try:
        await pool.ready()
        for each in range(number):
            kind, text, declared = mutated(seed, each)
            began = time.perf_counter()
            reading = await pool.read(text, declared, f"site{each}.example")
            times.append(time.perf_counter() - began)
            if reading.doubt in _FAILURES:
                lost[kind, reading.doubt] += 1
            if failures:
                raise SystemExit(f"the pool failed: {failures[0]}")
    finally:
        pool.close()
    return times, lost
