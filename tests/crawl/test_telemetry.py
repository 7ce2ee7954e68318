from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import Crawl, Project, page
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDERS = """
    import asyncio
    from urllib.request import urlopen

    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        metrics = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page", dont_filter=True)

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
            yield scrapy.Request(self.base + "/second", self.look)

        async def look(self, response):
            if self.metrics:
                def ask():
                    with urlopen(self.metrics) as answer:
                        return answer.read().decode()
                tell(metrics=await asyncio.to_thread(ask))
"""
_SAFE = {f"/safe{number}.jpg": encode(drawn(760 + number, (160, 120)), "JPEG") for number in range(4)}
_LISTED = encode(drawn(1), "JPEG")
_LISTED_PATH = "/secret-name-of-a-match.jpg"
_CUT = encode(drawn(765), "JPEG")[:-600]


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """Serve two pages with some images, one of them listed and one cut off."""
    with Server() as server:
        paths = [*_SAFE, _LISTED_PATH, "/cut.jpg"]
        server.add("/page", page(paths, ["a text of twenty-odd letters"] * len(paths)))
        server.add("/second", page([]))
        for path, body in {**_SAFE, _LISTED_PATH: _LISTED, "/cut.jpg": _CUT}.items():
            server.add(path, body, type="image/jpeg")
        yield server


def free_port() -> int:
    """Return a port that nobody uses just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def make_project(folder: Path, port: int = 0) -> Project:
    """Make a project whose data set is a folder."""
    lists = {"a": [f"md5 {hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()}"]}
    policy = f"metrics: {{port: {port}}}\nreport: {{interval: 0.05}}\n"
    return Project(folder, _SPIDERS, lists, policy=policy, settings={"INGEST_GUARD_DATASET": "../out/set"})


@pytest.fixture(scope="module")
def port() -> int:
    """Return where the crawl serves its metrics."""
    return free_port()


@pytest.fixture(scope="module")
def crawl(site: Server, port: int, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Crawl, leave half a line behind as a crash would, and crawl again; return the first crawl."""
    project = make_project(tmp_path_factory.mktemp("watched"), port)
    progress = ("-s", "INGEST_GUARD_PROGRESS=True")
    first = project.crawl("tested", *progress, base=site.base, metrics=f"http://127.0.0.1:{port}/metrics")
    with (project.out / "set" / "telemetry.jsonl").open("ab") as file:
        file.write(b'{"kind":"sample","run":"torn')
    project.crawl(base=site.base)
    return first


def lines_of(crawl: Crawl) -> list[dict[str, Any]]:
    """Return the lines of the telemetry that are whole."""
    lines = (crawl.out / "set" / "telemetry.jsonl").read_text().splitlines()
    assert sum(line.endswith("torn") for line in lines) == 1
    return [json.loads(line) for line in lines if not line.endswith("torn")]


def test_a_crawl_notes_its_course(crawl: Crawl) -> None:
    """Each run begins, samples, tells its hosts and ends; its last sample has the totals of the statistics."""
    lines = lines_of(crawl)
    runs = list(dict.fromkeys(line["run"] for line in lines))
    assert len(runs) == 2
    for run in runs:
        kinds = [line["kind"] for line in lines if line["run"] == run]
        assert kinds[:3] == ["start", "lists", "sample"]
        assert kinds[-3:] == ["sample", "hosts", "end"]
    last = [line for line in lines if line["kind"] == "sample" and line["run"] == runs[0]][-1]
    for name in ("checked", "no_known_match", "matched", "matched/a", "not_scannable", "records", "bytes"):
        assert last["counts"][name] == crawl.count(name), name
    assert crawl.count("matched") == 1
    # The six images; the guard's test of itself may add its own.
    assert 6 <= sum(last["scan"]["counts"]) <= 8
    assert last["formats"]["JPEG"] == [4, 2]
    assert sum(last["text"]["counts"]) == sum(last["side"]["counts"]) == crawl.count("records") == 4
    assert last["memory"]["crawler"] > 10_000_000
    assert lines[-1]["reason"] == "finished"
    assert lines[1]["lists"][0]["id"] == "a"
    assert lines[1]["lists"][0]["entries"] == 1


def test_the_course_has_no_address_and_no_hash_in_it(crawl: Crawl) -> None:
    """No URL, no path, no digest of an image is in the file; of hosts, their names and numbers alone."""
    text = (crawl.out / "set" / "telemetry.jsonl").read_text()
    assert "http" not in text
    assert "secret-name" not in text
    assert hashlib.md5(_LISTED, usedforsecurity=False).hexdigest() not in text
    assert not crawl.traces({"listed": _LISTED}, _SAFE.values())


def test_the_drops_of_a_host_are_not_told_where_they_would_tell_of_a_match(crawl: Crawl) -> None:
    """One match and one image that could not be scanned: nobody may learn which host had what."""
    hosts = [line for line in lines_of(crawl) if line["kind"] == "hosts"]
    assert hosts
    for line in hosts:
        assert line["others"][2] is None
        assert all(row[3] is None for row in line["hosts"])
    name, passed, size, _ = [line for line in hosts if line["run"] == hosts[0]["run"]][-1]["hosts"][0]
    assert (name, passed, size) == ("127.0.0.1", 4, sum(map(len, _SAFE.values())))


def test_metrics_can_be_read_while_it_crawls_and_end_with_it(crawl: Crawl, port: int) -> None:
    """Prometheus gets the counts so far, with no label beyond spider, crawl, list and reason; then nobody answers."""
    [text] = [event["metrics"] for event in crawl.events]
    assert re.search(r'^ingest_guard_checked_total\{crawl="1",spider="tested"\} \d', text, re.MULTILINE)
    assert 'ingest_guard_scan_seconds_bucket{crawl="1",le="+Inf",spider="tested"}' in text
    assert 'ingest_guard_blocklist_entries{crawl="1",list="a",spider="tested",version="' in text
    labels = set(re.findall(r'[{,](\w+)="', text))
    assert labels <= {"spider", "crawl", "list", "version", "le", "grade", "reason", "algorithm", "filter", "result"}
    assert "127.0.0.1" not in text
    with socket.socket() as nobody:
        assert nobody.connect_ex(("127.0.0.1", port)) != 0


def test_progress_is_plain_lines_where_there_is_no_terminal(crawl: Crawl) -> None:
    """In a file, the progress is a line without control characters that has the numbers of the end."""
    lines = [line for line in crawl.output.splitlines() if line.startswith("ingest-guard: ")]
    assert re.search(r"images 6, .* kept 4, dropped 2, opted out 0", lines[-1])
    assert "\x1b" not in crawl.output
    assert not crawl.faults()


def test_a_port_that_is_taken_stops_the_start(site: Server, tmp_path: Path) -> None:
    """Whoever asks for metrics and cannot have them is told so before the first request."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        crawl = make_project(tmp_path, taken.getsockname()[1]).crawl(base=site.base)
    assert crawl.exit_code != 0
    assert "metrics cannot be served at 127.0.0.1 port" in crawl.critical()[0]
    assert not crawl.records


def test_progress_in_a_terminal_stays_below_the_log(site: Server, tmp_path: Path) -> None:
    """In a terminal, the last line is redrawn and log lines stand above it, whole; the exit code is as ever."""
    project = make_project(tmp_path)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = "import sys; from ingest_guard.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "crawl", "tested", "-a", f"base={site.base}", "-s", "LOG_LEVEL=INFO"],
        cwd=project.project,
        env={**project.environment(), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while data := _read(ours):
        shown += data
    os.close(ours)
    assert process.wait(60) == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode()
    assert shown.count(b"\x1b[2K") >= 2
    assert re.search(r"images 6 .* kept 4 +dropped 2 ", text)
    assert re.search(r"[\r\n\d]20[\d-]+ [\d:]+ \[scrapy.core.engine\] INFO: Spider closed \(finished\)\r*\n", text)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed
        return b""
