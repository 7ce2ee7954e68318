"""Whole crawls for the tests: a Scrapy project in a folder of its own, run as its operator would run it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ingest_guard
from ingest_guard.blocklist.build.build import ListSource, build
from support.traces import Needles, Trace, find_traces
from support.zygote import Running, Zygote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SECONDS = 120.0
"""A crawl that takes longer hangs."""
GUARDED: dict[str, Any] = {"ADDONS": {"ingest_guard.Addon": 0}, "INGEST_GUARD_POLICY": "policy.yaml"}
SECOND_LINE: dict[str, Any] = {"EXTENSIONS": {"ingest_guard.Watchdog": 0}}

_SETTINGS: dict[str, Any] = {
    "BOT_NAME": "tested",
    "SPIDER_MODULES": ["tested.spiders"],
    "ROBOTSTXT_OBEY": False,
    "TELNETCONSOLE_ENABLED": False,
    "LOG_LEVEL": "DEBUG",
    "RETRY_ENABLED": False,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    "DOWNLOAD_DELAY": 0,
    "FEEDS": {"../out/records.jsonl": {"format": "jsonlines", "overwrite": True}},
}

# The very package that this test run has imported, wherever it lies.
_PACKAGE = Path(ingest_guard.__file__).parents[1]
# Whatever is tested, a project of ours tells its statistics and what its spider wants to tell.
_REPORTING = '''
"""Writes down what the test wants to know."""
import json
from pathlib import Path

from scrapy import signals

OUT = Path(__file__).resolve().parents[2] / "out"


def tell(**what):
    """Note an event for the test; images are told by their length alone."""
    with (OUT / "events.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\\n")


class Reporter:
    def __init__(self, crawler):
        self.stats = crawler.stats

    @classmethod
    def from_crawler(cls, crawler):
        reporter = cls(crawler)
        crawler.signals.connect(reporter.spider_closed, signals.spider_closed)
        return reporter

    def spider_closed(self, spider, reason):
        stats = {**self.stats.get_stats(), "finish_reason": reason}
        (OUT / f"stats-{spider.name}.json").write_text(json.dumps(stats, default=str))
'''


@dataclass(frozen=True)
class Crawl:
    """What became of a crawl.

    Attributes
    ----------
    exit_code, log, output
        Of the process; ``output`` is what it printed.
    records, events, stats
        What the feed holds, what the spider told (see ``tell``), and Scrapy's statistics (empty if it never ran).
    out
        The folder in which everything is that the crawl wrote, temporary files included.
    """

    exit_code: int
    log: str = field(repr=False)
    output: str = field(repr=False)
    records: list[dict[str, Any]] = field(repr=False)
    events: list[dict[str, Any]] = field(repr=False)
    stats: dict[str, Any] = field(repr=False)
    out: Path

    def count(self, name: str) -> int:
        """Return one of the guard's statistics; 0 where it was never counted."""
        return int(self.stats.get(f"ingest_guard/{name}", 0))

    def record_urls(self) -> list[str]:
        """Return the URLs of the records, sorted."""
        return sorted(record["url"] for record in self.records)

    def critical(self) -> list[str]:
        """Return the lines of the log that say CRITICAL."""
        return [line for line in self.log.splitlines() if " CRITICAL: " in line]

    def faults(self) -> list[str]:
        """Return the lines of the log that nobody should see in a good crawl."""
        return [
            line for line in self.log.splitlines() if " ERROR: " in line or " CRITICAL: " in line or "Traceback" in line
        ]

    def traces(self, flagged: Mapping[str, bytes], harmless: Iterable[bytes] = ()) -> list[Trace]:
        """Search everything that the crawl wrote for flagged bodies, their parts and their digests."""
        return find_traces([self.out], Needles(flagged, harmless))


class Project:
    """A Scrapy project with a policy and a blocklist.

    Parameters
    ----------
    folder
        Where to make it.
    spiders
        Source text of the module with the spiders.
    lists
        List id -> lines in the plain format.
    settings
        Added to, and put over, the settings of every test project; ``GUARDED`` among them unless others are given.
    policy
        Lines of the policy beside ``blocklist``.
    modules
        Name -> source text of further modules of the project's package, ``tested``.
    """

    def __init__(
        self,
        folder: Path,
        spiders: str,
        lists: Mapping[str, Iterable[str]],
        *,
        settings: Mapping[str, Any] | None = None,
        policy: str = "",
        modules: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.out = folder / "out"
        package = self.project / "tested"
        package.mkdir(parents=True)
        for name in ("tmp", "home"):
            (self.out / name).mkdir(parents=True)
        (self.project / "scrapy.cfg").write_text("[settings]\ndefault = tested.settings\n")
        (self.project / "policy.yaml").write_text(f"blocklist: ../blocklist\nworkers: 1\n{textwrap.dedent(policy)}")
        sources = {"__init__": "", "spiders": spiders, "reporting": _REPORTING, **(modules or {})}
        for name, text in sources.items():
            (package / f"{name}.py").write_text(textwrap.dedent(text))
        self.set(**{**GUARDED, **(settings or {})})
        self.build(lists)

    def set(self, **settings: Any) -> None:
        """Write the project's settings anew; None leaves one to Scrapy."""
        chosen = {name: value for name, value in {**_SETTINGS, **settings}.items() if value is not None}
        chosen["EXTENSIONS"] = {"tested.reporting.Reporter": 0, **chosen.get("EXTENSIONS", {})}
        text = "".join(f"{name} = {value!r}\n" for name, value in chosen.items())
        (self.project / "tested" / "settings.py").write_text(text)

    def build(self, lists: Mapping[str, Iterable[str]]) -> None:
        """Build the blocklist from lists in the plain format."""
        folder = self.folder / "lists"
        folder.mkdir(exist_ok=True)
        sources = []
        for name, lines in lists.items():
            file = folder / f"{name}.txt"
            file.write_text("".join(f"{line}\n" for line in lines))
            sources.append(ListSource(name, "plain", file))
        build(self.folder / "blocklist", sources)

    def crawl(self, spider: str = "tested", *options: str, **arguments: object) -> Crawl:
        """Run ``scrapy crawl SPIDER`` with further command line options, and ``-a`` arguments; wait for its end."""
        return self.run("crawl", spider, *as_options(arguments), *options)

    def run(self, *command: str) -> Crawl:
        """Run a command of Scrapy, and wait for its end."""
        return self.wait(self.begin("scrapy", *command, "-s", f"LOG_FILE={self.out / 'crawl.log'}"))

    def begin(self, *command: str) -> Running:
        """Start ``scrapy ...`` or ``ingest-guard ...`` in the project's folder, as the leader of a process group."""
        self._prepare()
        return zygote().start(
            command, cwd=self.project, environment=self.environment(), output=self.out / "output.txt", seconds=SECONDS
        )

    def start(self, *command: str, under: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start Python itself in the project's folder, as the leader of a process group of its own.

        ``under`` is put before it: the command of a program that watches another one.
        """
        self._prepare()
        with (self.out / "output.txt").open("wb") as output:
            return subprocess.Popen(
                [*under, sys.executable, *command],
                cwd=self.project,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait(self, process: subprocess.Popen[bytes] | Running) -> Crawl:
        """Wait for the end of what was started."""
        try:
            exit_code = process.wait(SECONDS)
        finally:
            end(process)
        return self.result(exit_code)

    def _prepare(self) -> None:
        for name in ("records.jsonl", "events.jsonl", "crawl.log"):
            (self.out / name).unlink(missing_ok=True)
        for file in self.out.glob("stats-*.json"):
            file.unlink()

    def environment(self) -> dict[str, str]:
        """Return the environment variables of what runs in the project."""
        environment = {name: value for name, value in os.environ.items() if name != "SCRAPY_SETTINGS_MODULE"}
        places = {"PYTHONPATH": _PACKAGE, "TMPDIR": self.out / "tmp", "HOME": self.out / "home"}
        return environment | {name: str(place) for name, place in places.items()}

    def result(self, exit_code: int) -> Crawl:
        """Return what a crawl that has ended left."""
        stats: dict[str, Any] = {}
        for file in self.out.glob("stats-*.json"):
            stats |= json.loads(file.read_text())
        return Crawl(
            exit_code=exit_code,
            log=self._log(),
            output=(self.out / "output.txt").read_text(errors="replace"),
            records=json_lines(self.out / "records.jsonl"),
            events=json_lines(self.out / "events.jsonl"),
            stats=stats,
            out=self.out,
        )

    def _log(self) -> str:
        file = self.out / "crawl.log"
        return file.read_text(errors="replace") if file.exists() else ""


@functools.cache
def zygote() -> Zygote:
    """Return the process that runs the crawls, started when first asked for, ended with the test run."""
    started = Zygote(_PACKAGE)
    atexit.register(started.close)
    return started


def as_options(arguments: Mapping[str, object]) -> list[str]:
    """Return a spider's arguments as command line options."""
    return [part for name, value in arguments.items() for part in ("-a", f"{name}={value}")]


def end(process: subprocess.Popen[bytes] | Running) -> None:
    """End a process that was started here, and whatever is left of its own process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects in a JSON Lines file; none if it is not there."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def page(urls: Iterable[str], alts: Sequence[str] | None = None) -> bytes:
    """Return an HTML page that shows images."""
    shown = [f'<img src="{url}" alt="{alts[number] if alts else url}">' for number, url in enumerate(urls)]
    return f"<!doctype html><title>page</title><body>{''.join(shown)}</body>".encode()


def descendants(pid: int) -> Iterator[int]:
    """Yield the process ids of a process's children, and of theirs."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))
