"""Mutated texts through the worker pool: how long a reading takes at most, and whether a worker is killed for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from support.hostile_texts import KINDS

from benchmarks.pages.generator import make_page
from benchmarks.pages.themes import THEMES, theme_page
from ingest_guard import Guard, Policy
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE: Final = 1_000_000
_AT_ONCE: Final = 2
_FAILURES: Final = frozenset({"timeout", "memory", "worker_crashed", "guard_failed"})
_TREES: Final[dict[str, Callable[[int], str]]] = {
    "div": lambda n: "<div>" * (n // 5),
    "names": lambda n: "<p " + " ".join(f"a{k}" for k in range(n // 7)) + ">",
    "dl dd": lambda n: "<dl><dd>" * (n // 8),
    "end tags": lambda n: "<x>" * (n // 6) + "</y>" * (n // 8),
    "span p": lambda n: "<span></p>" * (n // 10),
    "font": lambda n: "".join(f"<font a{k}={k}>" for k in range(n // 14)),
    "img": lambda n: "<img>" * (n // 5),
    "formatting": lambda n: "<p><b><i><u>" * (n // 12),
    "tables": lambda n: "<table><tr><td>" * (n // 15),
    "a": lambda n: "<a>" * (n // 3),
    "select": lambda n: "<select><option>" * (n // 16),
    "svg": lambda n: "<svg><desc>" * (n // 11),
    "templates": lambda n: "<template>" * (n // 10),
    "comments": lambda n: "<!---" * (n // 5),
    "braces": lambda n: "<style>" + "{" * n,
    "brackets": lambda n: "<script>x='data:';" + "[" * n,
    "quotes": lambda n: "<script>x='data:';" + '"' * n,
    "srcdoc": lambda n: '<iframe srcdoc="&lt;img src=data:,x>">' * (n // 40),
}
"""Name -> a function from a length to markup that is dear to some parsers; a ``data:`` URL goes before it."""


class _Row(NamedTuple):
    shape: str
    seconds: float
    outcome: str


def texts(count: int, seed: int) -> list[tuple[str, str | None, Callable[[], bytes]]]:
    """Return shape, Content-Type and a maker of each text; every fiftieth is up to 1 MB long."""
    rng = random.Random(seed)
    made: list[tuple[str, str | None, Callable[[], bytes]]] = []
    for number in range(count):
        is_large = number % 50 == 0
        if rng.random() < 0.5:
            page = make_page(rng.randrange(10**6))
            made.append(
                (
                    "generated",
                    page.content_type,
                    lambda page=page, at=number, large=is_large: mutate(page.body, at, large),
                )
            )  # type: ignore[misc]
        else:
            name = rng.choice(tuple(THEMES))
            kind, body = theme_page(name, rng.randrange(50))
            made.append((f"theme {name}", kind, lambda body=body, at=number, large=is_large: mutate(body, at, large)))  # type: ignore[misc]
    return made


def shapes() -> list[tuple[str, str | None, Callable[[], bytes]]]:
    """Return markup and texts that are dear to some parsers, each once, of about 1 MB."""
    trees = [(name, lambda tree=tree: b"<img src=data:,x>" + tree(LARGE).encode()) for name, tree in _TREES.items()]  # type: ignore[misc]
    kinds = [(name, lambda make=make: make(LARGE)) for name, make in KINDS.items()]  # type: ignore[misc]
    return [(f"1 MB {name}", "text/html", make) for name, make in (*trees, *kinds)]


def mutate(body: bytes, seed: int, is_large: bool = False) -> bytes:  # noqa: FBT001, FBT002 - for the lambdas above
    """Return a body with some bytes changed, parts cut out, doubled or moved, or other texts' pieces put in."""
    rng = random.Random(seed)
    data = bytearray(body * (LARGE // max(1, len(body))) if is_large else body)
    pieces = (
        b"<",
        b">",
        b"&#",
        b"\\",
        b'"',
        b"'",
        b"`",
        b"data:",
        b"<!--",
        b"]]>",
        b"\0",
        b"\x1b(B",
        b"{",
        b"url(",
        b"<svg>",
    )
    for _ in range(rng.randrange(1, 20)):
        at, length = rng.randrange(len(data) + 1), rng.randrange(1, 200)
        choice = rng.randrange(5)
        if choice == 0:
            data[at : at + 1] = bytes((rng.randrange(256),))
        elif choice == 1:
            del data[at : at + length]
        elif choice == 2:
            data[at:at] = data[at : at + length] * rng.randrange(1, 5)
        elif choice == 3:
            data[at:at] = rng.choice(pieces) * rng.choice((1, 1, 2, 50))
        else:
            data[at:at] = bytes(body[rng.randrange(len(body) + 1) :][:length])
    return bytes(data)


async def _read_all(guard: Guard, made: list[tuple[str, str | None, Callable[[], bytes]]]) -> list[_Row]:
    found: list[_Row] = []
    waiting = iter(made)
    pool = WorkerPool(guard, print)
    pool.start()
    await pool.ready()

    async def work() -> None:
        for shape, kind, make in waiting:
            body = make()
            began = time.perf_counter()
            reading = await pool.read(body, kind)
            found.append(_Row(shape, time.perf_counter() - began, reading.doubt or "read"))

    try:
        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    finally:
        pool.close()
    return found


def measure(policy_file: Path, count: int, seed: int) -> bool:
    """Check mutated texts and the shapes, print the times; return whether no worker failed over one."""
    text = policy_file.read_text(encoding="utf-8").replace("workers: inline", "workers: 2")
    policy_file.write_text(text, encoding="utf-8")
    guard = Guard.from_policy(Policy.load(policy_file))
    began = time.perf_counter()
    found = asyncio.run(_read_all(guard, texts(count, seed)))
    seconds = sorted(row.seconds for row in found)
    print(
        f"{len(found)} texts in {time.perf_counter() - began:.0f} s, {_AT_ONCE} at a time: "
        f"median {seconds[len(seconds) // 2]:.3f} s, p99.9 {seconds[int(len(seconds) * 0.999)]:.3f} s, max {seconds[-1]:.3f} s; "
        f"failed: {dict(Counter(row.outcome for row in found if row.outcome in _FAILURES)) or 'none'}"
    )
    hostile = asyncio.run(_read_all(guard, shapes()))
    for row in sorted(hostile, key=lambda row: -row.seconds):
        print(f"{row.shape:34}{row.seconds:8.3f} s  {row.outcome}")
    return not any(row.outcome in _FAILURES for row in (*found, *hostile))
