"""kill -9 at any point of a fetch: journal and checkpoint stay consistent, and a further fetch makes good."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lists.fetch.helpers import SECRETS, SERVICES, expected, listed, sources
from lists.fetch.services import EPOCH, Hash, Ncmec

from ingest_guard.errors import ListFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lists.fetch.services import Service

DYING = Path(__file__).with_name("dying.py")
ENTRIES = [Hash.of(number, EPOCH + number * 1000) for number in range(25)]
SEED = 20_240_817


class Runner:
    """Runs the command in processes of their own, and kills it there."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._output = folder / "output"

    def run(self, file: Path, *more: str, last: int = 0, service: Service | None = None, **environment: str) -> int:
        """Run it; return its exit code. The service may be the one that kills it."""
        told = {
            "arguments": ["blocklist", "fetch", str(file), "-o", str(file.parent / "lists"), *more],
            "last": last,
            "environment": {**SECRETS, "no_proxy": "127.0.0.1", **environment},
            "output": str(self._output),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        if service:
            service.victim(pid)
        return int(self._process.stdout.readline())

    def steps(self, file: Path, *more: str) -> int:
        """Run it to its end; return how many steps that took."""
        assert self.run(file, *more) == 0, self._output.read_text()
        return int(self._output.read_text().split()[-1])


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Start the process that forks the others."""
    with subprocess.Popen(
        [sys.executable, str(DYING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Runner(process, tmp_path_factory.mktemp("runner"))
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def check_readable(folder: Path, kind: str, before: dict[str, object] | None) -> None:
    """Assert that what a kill left is readable (as before, or on the way), or refused because it was never complete."""
    path = folder / "lists" / f"{kind}.journal"
    refused = ""
    found: dict[str, object] = {}
    try:
        found.update(listed(path))
    except ListFormatError as error:
        refused = str(error)
    if refused:
        assert before is None
        assert "never fetched to its end" in refused or not path.exists()
    else:
        # Whatever was there and was not withdrawn since is still there.
        assert set(before or ()) <= set(found)


@pytest.mark.parametrize("kind", sorted(SERVICES))
def test_killed_while_it_asks(tmp_path: Path, runner: Runner, kind: str) -> None:
    """A process that is killed at a request, any of them, goes on from its checkpoint when it runs again."""
    with SERVICES[kind](ENTRIES) as service:
        file = sources(service, kind, tmp_path)
        service.kill_at(2)
        assert runner.run(file, service=service) == -signal.SIGKILL
        asked = len(service.asked)
        check_readable(tmp_path, kind, None)
        runner.steps(file)
        # Three pages in all, and a login for one kind: pages that were kept are not asked for again.
        assert len(service.asked) - asked <= 3 - (2 if kind != "tat" else 0) + (1 if kind == "tat" else 0)
        assert listed(tmp_path / "lists" / f"{kind}.journal") == expected(ENTRIES, kind)


def test_killed_at_every_kind_of_step(tmp_path: Path, runner: Runner) -> None:
    """Killed before any write, flush, rename or cut of a first fetch, the next one comes to the same list."""
    chosen = random.Random(SEED)
    with Ncmec(ENTRIES) as service:
        (tmp_path / "whole").mkdir()
        total = runner.steps(sources(service, "ncmec", tmp_path / "whole"))
        wanted = listed(tmp_path / "whole" / "lists" / "ncmec.journal")
        assert wanted == expected(ENTRIES, "ncmec")
        for last in sorted({1, 2, *chosen.sample(range(3, total + 1), 14)}):
            folder = tmp_path / str(last)
            folder.mkdir()
            file = sources(service, "ncmec", folder)
            assert runner.run(file, last=last) == -signal.SIGKILL
            check_readable(folder, "ncmec", None)
            runner.steps(file)
            assert listed(folder / "lists" / "ncmec.journal") == wanted
            assert sorted(path.name for path in (folder / "lists").iterdir()) == [
                ".ncmec.lock",
                "ncmec.checkpoint",
                "ncmec.journal",
            ]


def test_killed_at_every_kind_of_step_of_a_full_fetch(tmp_path: Path, runner: Runner) -> None:
    """Killed within a full fetch or the compaction at its end, the old list stays until the new one is whole."""
    chosen = random.Random(SEED + 1)
    with Ncmec(ENTRIES) as service:
        (tmp_path / "whole").mkdir()
        file = sources(service, "ncmec", tmp_path / "whole")
        runner.steps(file)
        service.entries = ENTRIES[3:]
        total = runner.steps(file, "--full")
        # The compaction's steps are the last: most of them are tried.
        tried = {*chosen.sample(range(3, total - 20), 3), *chosen.sample(range(total - 20, total + 1), 9)}
        for last in sorted(tried):
            folder = tmp_path / str(last)
            folder.mkdir()
            file = sources(service, "ncmec", folder)
            service.entries = list(ENTRIES)
            runner.steps(file)
            before = dict(listed(folder / "lists" / "ncmec.journal"))
            # Gone without a word: only a full fetch can tell.
            service.entries = ENTRIES[3:]
            assert runner.run(file, "--full", last=last) == -signal.SIGKILL
            found = dict(listed(folder / "lists" / "ncmec.journal"))
            assert found in (before, expected(service.entries, "ncmec"))
            runner.steps(file, "--full")
            assert listed(folder / "lists" / "ncmec.journal") == expected(service.entries, "ncmec")


def test_killed_again_and_again(tmp_path: Path, runner: Runner) -> None:
    """A fetch that never lives longer than some steps gets to the end all the same, page by page."""
    with Ncmec(ENTRIES, page=3) as service:
        file = sources(service, "ncmec", tmp_path)
        for _ in range(40):
            ended = runner.run(file, last=24)
            if not ended:
                break
            assert ended == -signal.SIGKILL
        assert ended == 0
        assert listed(tmp_path / "lists" / "ncmec.journal") == expected(ENTRIES, "ncmec")


def test_zone_of_the_process_does_not_matter(tmp_path: Path, runner: Runner) -> None:
    """Far from Greenwich the ranges are asked for in UTC, and the checkpoint is good in any other zone."""
    with Ncmec(ENTRIES) as service:
        asked = []
        for zone in ("Pacific/Kiritimati", "America/Los_Angeles", "UTC"):
            assert runner.run(sources(service, "ncmec", tmp_path), TZ=zone) == 0
            asked.append(last_asked(service))
            entries = service.entries
            service.entries = [*entries[1:], replace(entries[0], time=entries[0].time + 1)]
        assert listed(tmp_path / "lists" / "ncmec.journal") == expected(ENTRIES, "ncmec")
    state = json.loads((tmp_path / "lists" / "ncmec.checkpoint").read_bytes())["state"]
    # The service's clock stands still, and so does the end of what is asked for; a zone would have moved it by hours.
    assert service.clock is not None
    assert state["position"]["from"] == int(service.clock) - 30
    assert {begin for begin, _ in asked[1:]} == {asked[1][0]}


def last_asked(service: Service) -> tuple[str, str]:
    """Return the range that was asked for last."""
    return service.asked[-1].query["from"], service.asked[-1].query["to"]
