"""The page itself: one file that needs nothing else, and may run nothing."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from ingest_guard._version import __version__
from ingest_guard.dataset.report import charts, content, figures
from ingest_guard.dataset.report.attested import Attested, Records, count_records, read_attested
from ingest_guard.dataset.report.telemetry import Run, read_telemetry
from ingest_guard.dataset.report.timeline import Timeline
from ingest_guard.dataset.shards.names import TELEMETRY
from ingest_guard.errors import DatasetError

GENERATOR = f"ingest_guard {__version__}"
_FINISHED = "finished"
_OWN_BOUND = "closespider_"
_LARGE = 10_000_000


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that one looks at first."""

    name: str
    value: str
    look: str = "plain"
    more: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """How the crawl ended: in words, and ``good``, ``warn`` or ``bad``."""

    text: str
    look: str


def build_report(folder: Path, *, name: str | None = None) -> str:
    """Return the report of a data set's folder as an HTML page.

    Parameters
    ----------
    folder
        What a crawl wrote: ``telemetry.jsonl``, shards, ``attestation.json``; what is not there is left out.
    name
        The page's heading; the folder's name if not given.

    Raises
    ------
    DatasetError
        The folder is not there, cannot be read, or holds nothing of a crawl.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; name the one that 'ingest-guard crawl -o' wrote")
    try:
        runs = read_telemetry(folder / TELEMETRY)
        held = count_records(folder)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read ({error.strerror})") from None
    words = read_attested(folder)
    if not runs and not held.files and not words.manifest:
        raise DatasetError(
            f"{folder} holds neither {TELEMETRY} nor records: no crawl wrote here, or INGEST_GUARD_DATASET named "
            "another one"
        )
    return _render(name or folder.resolve().name, runs, held, words)


def _render(name: str, runs: Sequence[Run], held: Records, words: Attested) -> str:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - an extra
    from markupsafe import Markup  # noqa: PLC0415 - comes with it

    here = files("ingest_guard.dataset.report")
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    template = here.joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    line = Timeline(runs)
    return environment.from_string(template).render(
        title=f"{name}: crawl report",
        name=name,
        policy=content_policy(style),
        style=Markup(style),  # noqa: S704 - the package's own file, without any value in it
        generator=GENERATOR,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        state=_state(runs, words),
        facts=_facts(runs, line),
        tiles=_tiles(line, held),
        attested=words,
        sections=content.sections(line),
        resumed=bool(line.resumed),
        height=charts.HEIGHT,
        width=charts.WIDTH,
    )


def content_policy(style: str) -> str:
    """Return a Content-Security-Policy under which the page may use its own style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _state(runs: Sequence[Run], words: Attested) -> State:
    if not runs:
        reason = words.manifest.finish_reason if words.manifest else None
        return State(f"Ended: {reason}" if reason else "Nothing is known of how it ended", "warn")
    last = runs[-1]
    if last.failed:
        return State("The guard failed; do not use the records", "bad")
    if not last.reason:
        return State("Still at work, or ended without a word", "warn")
    if last.reason == _FINISHED:
        return State("Finished", "good")
    if last.reason.startswith(_OWN_BOUND):
        return State(f"Ended at its own bound ({last.reason})", "good")
    return State(f"Stopped before its end ({last.reason})", "warn")


def _facts(runs: Sequence[Run], line: Timeline) -> list[tuple[str, str]]:
    if not runs:
        return []
    facts = [("Spider", runs[-1].spider), ("Started", _moment(runs[0].started)), ("Ended", _moment(runs[-1].ended))]
    facts += [("At work", figures.span(line.seconds)), ("Starts", str(len(runs)) if len(runs) > 1 else "")]
    return [(term, value) for term, value in facts if value]


def _moment(stamp: str) -> str:
    return stamp.replace("T", " ").removesuffix("Z")[:16]


def _tiles(line: Timeline, held: Records) -> list[Tile]:
    totals = line.totals
    tiles = [Tile("Records", _whole(held.rows), "other", held.place)] if held.rows is not None else []
    if not line.moments:
        return tiles
    if not tiles:
        tiles = [Tile("Records", _whole(totals["records"]), "other")]
    checked = totals["checked"]
    opted = sum(number for key, number in totals.items() if key.startswith("opted_out/"))
    tiles += [
        Tile("Images checked", _whole(checked), "plain", _pace(checked, line.seconds)),
        Tile(
            "No known match",
            _whole(totals["no_known_match"]),
            "passed",
            figures.percent(totals["no_known_match"], checked),
        ),
        Tile("Known match", _whole(totals["matched"]), "match", "dropped"),
        Tile("Not scannable", _whole(totals["not_scannable"]), "doubt", "dropped"),
        Tile("Opted out", _whole(opted), "plain", "left out"),
        Tile("Downloaded", figures.size(totals["bytes"]), "plain", f"{figures.short(totals['responses'])} responses"),
    ]
    if totals["held"]:
        tiles.insert(4, Tile("Held", _whole(totals["held"]), "held", "dropped, counted apart"))
    last = line.runs[-1]
    # Of the whole folder, at the last moment: the sum over the runs says nothing.
    if waiting := last.samples[-1].counts.get("incidents/waiting", 0):
        tiles.append(
            Tile("Incidents", _whole(waiting), "match", f"wait since {last.incidents_since}".removesuffix(" since "))
        )
    return tiles


def _whole(number: int) -> str:
    """Return all digits where they fit into a tile."""
    return figures.count(number) if number < _LARGE else figures.short(number)


def _pace(number: int, seconds: float) -> str:
    return f"{figures.short(number / seconds)} a second" if seconds >= 1 else ""
