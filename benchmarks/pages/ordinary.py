"""Ordinary pages in the guard: how many end as ``not_scannable``, and why."""

from __future__ import annotations

import random
import sysconfig
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.pages.themes import THEMES, theme_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest_guard import Guard

ROOTS: Final = {
    "Debian's documentation": Path("/usr/share/doc"),
    "GTK's documentation": Path("/usr/share/gtk-doc"),
    "rustdoc": Path.home() / ".rustup",
    "npm's documentation": Path("/usr/lib/node_modules"),
    "Python packages": Path(sysconfig.get_paths()["purelib"]),
}
_MOST_BYTES: Final = 8 << 20


def documentation(most: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield source, Content-Type and bytes of up to ``most`` pages of each documentation on this machine."""
    for name, root in ROOTS.items():
        files = sorted(root.rglob("*.html")) if root.is_dir() else []
        for file in random.Random(seed).sample(files, min(most, len(files))):
            if file.is_file() and file.stat().st_size <= _MOST_BYTES:
                yield name, "text/html", file.read_bytes()


def generated(count: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield ``count`` pages of each theme, and as many with a video."""
    for name in (*THEMES, "video"):
        for seed in range(count):
            yield (f"theme: {name}", *theme_page(name, seed))


def measure(guard: Guard, most: int, count: int, seed: int) -> bool:
    """Check all, print the table; return whether at most 0.5 % were refused, pages with videos apart."""
    pages: Counter[str] = Counter()
    refused: dict[str, Counter[str]] = {}
    for source in (documentation(most, seed), generated(count)):
        for name, kind, body in source:
            verdict = guard.check(body, declared_type=kind)
            pages[name] += 1
            if verdict.reason is not None:
                refused.setdefault(name, Counter())[verdict.reason.value] += 1
    print(f"{'source':30}{'pages':>8}{'not_scannable':>15}   by reason")
    for name, number in pages.items():
        reasons = refused.get(name, Counter())
        print(f"{name:30}{number:>8}{reasons.total():>15}   {dict(reasons) or ''}")
    counted = sum(number for name, number in pages.items() if name != "theme: video")
    doubts = sum(reasons.total() for name, reasons in refused.items() if name != "theme: video")
    print(f"{'all but those with videos':30}{counted:>8}{doubts:>15}   {doubts / max(1, counted):.2%}")
    return doubts <= 0.005 * counted
