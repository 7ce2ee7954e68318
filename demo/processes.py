"""The demo's three child processes: the site's server, the blocklist's build, the crawl."""

from __future__ import annotations

import contextlib
import json
import os
import site as python_site
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from demo.workfolder import WorkFolder

CRAWL_SECONDS = 600.0
"""A crawl that takes longer than this has failed."""
_POLL_SECONDS = 0.2
# The console script by another way: its file may not be on the PATH, and its first line breaks on long paths.
_INGEST_GUARD = "import sys; from ingest_guard.cli import main; sys.exit(main())"
_LAST_LINES = 15

Stats = dict[str, Any]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a written site in a process of its own; yield its address, without a slash at the end."""
    command = [sys.executable, "-m", "demo.server", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line.strip().isdigit():
                raise IngestGuardError(f"The demo's server did not start (exit code {server.wait(10)}).")
            yield f"http://127.0.0.1:{line.strip()}"
        finally:
            server.terminate()


def build_blocklist(folder: Path, lists: Mapping[str, Path]) -> str:
    """Run ``ingest-guard blocklist build``; return what it printed."""
    command = [sys.executable, "-c", _INGEST_GUARD, "blocklist", "build", str(folder)]
    for name, file in lists.items():
        command += ["--list", f"{name}:plain:{file}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise IngestGuardError(f"ingest-guard blocklist build ended with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout


def crawl(work: WorkFolder, start: str, progress: Callable[[Stats], None]) -> Stats:
    """Run ``scrapy crawl gallery`` in the copy of the sample project.

    Parameters
    ----------
    work
        The work folder, with project and blocklist in place.
    start
        The address to start from.
    progress
        Called now and then with the statistics so far.

    Returns
    -------
    dict
        The crawl's final statistics.

    Raises
    ------
    IngestGuardError
        The crawl did not start, or did not end well; the text shows the end of what it printed.
    """
    stats_file = work.root / "stats.json"
    command = [sys.executable, "-m", "scrapy", "crawl", "gallery", "-a", f"start={start}"]
    # Everything that Scrapy has to say goes into the log: that is where a careless guard leaves traces.
    for setting in (f"STATS_FILE={stats_file}", f"LOG_FILE={work.logs / 'crawl.log'}", "LOG_LEVEL=DEBUG"):
        command += ["-s", setting]
    with (work.logs / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=work.project, env=_environment(work), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _watch(process, stats_file, progress)
        finally:
            process.kill()
            process.wait()
    stats = _read_stats(stats_file)
    if process.returncode or stats.get("finish_reason") != "finished":
        reason = stats.get("finish_reason", "none")
        raise IngestGuardError(
            f"The crawl ended with exit code {process.returncode} and the reason {reason}.\n{_tail(work.logs)}"
        )
    return stats


def _environment(work: WorkFolder) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name != "SCRAPY_SETTINGS_MODULE"}
    # HOME moves into the work folder; packages that the user installed stay where they are.
    user_base = python_site.getuserbase()
    places = {"TMPDIR": work.temporary, "HOME": work.home, "XDG_CACHE_HOME": work.home, "PYTHONUSERBASE": user_base}
    return ours | {name: str(place) for name, place in places.items()}


def _watch(process: subprocess.Popen[bytes], stats_file: Path, progress: Callable[[Stats], None]) -> None:
    deadline = time.monotonic() + CRAWL_SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        progress(_read_stats(stats_file))
        if process.returncode is not None:
            return
        if time.monotonic() > deadline:
            raise IngestGuardError(f"The crawl did not end within {CRAWL_SECONDS:.0f} seconds.")


def _read_stats(file: Path) -> Stats:
    try:
        stats: Stats = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return stats


def _tail(logs: Path) -> str:
    lines = [
        line
        for file in (logs / "crawl.log", logs / "output.txt")
        if file.is_file()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    ]
    return "\n".join(lines)
