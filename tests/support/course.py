"""A made-up course of a crawl of many hours, as its ``telemetry.jsonl`` would have it."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ingest_guard.scrapy_plugin.core.meter import HostCounts, Meter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_START = datetime(2026, 9, 14, 7, 42, 10, tzinfo=UTC)
_REASONS = {"truncated": 0.5, "corrupt": 0.2, "unsupported_type": 0.2, "timeout": 0.07, "pixels": 0.03}
_WISHES = {"robots_noai": 0.4, "header_noimageai": 0.3, "tdm_reservation": 0.2, "meta_noml": 0.1}
_FORMATS = {"JPEG": 0.68, "PNG": 0.16, "WEBP": 0.11, "GIF": 0.03, "AVIF": 0.015, "BMP": 0.005}
_LISTS = {"hotline-a": (412_880, "a3"), "hotline-b": (1_204_511, "7f"), "platforms": (96_204, "c0")}


def write_course(
    folder: Path, *, hours: float = 9.0, hosts: int = 2400, rate: float = 31.0, step: int = 30, seed: int = 7
) -> Path:
    """Write the telemetry of a crawl that was resumed once, and got new lists twice; return the file."""
    chance = random.Random(seed)
    names = [f"{'img' if n % 3 else 'www'}{n}.example{n % 17}.org" for n in range(hosts)]
    weights = list(itertools.accumulate(1 / (n + 3) for n in range(hosts)))
    lines: list[dict[str, Any]] = []
    begun = _START
    for number, share in enumerate((0.62, 0.38)):
        seconds = hours * 3600 * share
        lines += _run(
            f"{number:08x}",
            begun,
            seconds,
            step,
            rate,
            names,
            weights,
            chance,
            "shutdown" if not number else "finished",
        )
        begun += timedelta(seconds=seconds + 5000)
    file = folder / "telemetry.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return file


def _run(  # noqa: C901, PLR0917 - one made-up thing after the other
    name: str,
    begun: datetime,
    seconds: float,
    step: int,
    rate: float,
    names: list[str],
    weights: list[float],
    chance: random.Random,
    reason: str,
) -> Iterable[dict[str, Any]]:
    meter, counts, table = Meter(1000), Counter[str](), HostCounts(1000)
    built = begun - timedelta(hours=5)

    def line(kind: str, elapsed: float, **what: Any) -> dict[str, Any]:
        time = (begun + timedelta(seconds=elapsed)).isoformat().replace("+00:00", "Z")
        return {"kind": kind, "run": name, "time": time, "elapsed": elapsed, **what}

    def lists(elapsed: float, version: str) -> dict[str, Any]:
        described = [
            {"id": key, "version": f"{mark}{version}" * 8, "entries": size} for key, (size, mark) in _LISTS.items()
        ]
        return line(
            "lists",
            elapsed,
            version=version * 16,
            created=str(built),
            check_set="0" * 16,
            algorithms=["md5", "pdq"],
            lists=described,
        )

    yield line("start", 0.0, format=1, spider="images", guard="ingest_guard 0.4.0", interval=10, bounds=meter.bounds())
    yield lists(0.0, "4be1")
    elapsed, swapped = 0.0, False
    while elapsed < seconds:
        elapsed = min(seconds, elapsed + step)
        pace = rate * (0.75 + 0.3 * math.sin(elapsed / 5200) + chance.gauss(0, 0.05)) * min(1.0, elapsed / 300)
        images = max(0, int(pace * step))
        doubtful = sum(chance.random() < 0.021 for _ in range(images))
        matched = int(chance.random() < 0.02)
        passed = images - doubtful - matched
        counts.update(checked=images, no_known_match=passed, matched=matched, not_scannable=doubtful)
        counts.update(records=int(passed * 0.81), not_an_image=int(pace * step * 0.3), bytes=images * 148_000)
        counts.update({"responses": int(images * 1.33), "filtered/too_small": int(passed * 0.12)})
        counts.update({"filtered/no_text": int(passed * 0.05), "images_dropped/status": int(images * 0.02)})
        counts.update({"images_dropped/refused": int(images * 0.01), "images_dropped/match": matched})
        if matched:
            counts.update({f"matched/{chance.choice(list(_LISTS))}": 1})
        for _ in range(doubtful):
            counts[f"not_scannable/{chance.choices(*zip(*_REASONS.items(), strict=True))[0]}"] += 1
        for _ in range(int(images * 0.008)):
            counts[f"opted_out/{chance.choices(*zip(*_WISHES.items(), strict=True))[0]}"] += 1
        busy = max(0.2, math.sin(elapsed / 5200) + 0.5)
        for _ in range(max(1, images // 8)):
            meter.note_scan(chance.lognormvariate(-3.6 + 0.6 * busy, 0.7))
            meter.sides.add(chance.lognormvariate(6.4, 0.7))
            meter.texts.add(int(chance.lognormvariate(3.6, 0.9)))
            meter.bodies.add(chance.lognormvariate(11.3, 1.2))
        for host in chance.choices(names, cum_weights=weights, k=max(1, images // 8)):
            table.add(host, passed=chance.random() > 0.02, size=148_000)
        for key, share in _FORMATS.items():
            pair = meter.formats.setdefault(key, [0, 0])
            pair[0] += int(passed * share)
            pair[1] += int(doubtful * share)
        if not swapped and elapsed > seconds / 2:
            swapped, built = True, begun + timedelta(seconds=elapsed)
            yield lists(elapsed, "9c02")
        yield line(
            "sample",
            elapsed,
            counts={key: value for key, value in counts.items() if key != "responses"},
            responses=counts["responses"],
            queues={
                "scanning": int(chance.uniform(2, 12 * busy + 3)), "scanning_bytes": 0,
                "waiting": int(max(0, chance.gauss(40 * (busy - 1), 6))), "downloading": int(chance.uniform(20, 64)),
                "scheduled": int(40_000 * math.sin(math.pi * elapsed / seconds) + 900),
            },
            memory={"crawler": int(3.1e8 + 9e7 * (1 - math.exp(-elapsed / 3000))), "worker_peak": 180_000_000},
            list_age=(begun + timedelta(seconds=elapsed) - built).total_seconds(),
            **meter.to_json(),
        )  # fmt: skip
    yield line("hosts", seconds, **table.to_json(with_dropped=True))
    yield line("end", seconds, reason=reason, failed=False)
