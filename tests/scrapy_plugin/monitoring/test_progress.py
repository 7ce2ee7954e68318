from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring.progress import Progress, _format_span

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler


class _Terminal(io.StringIO):
    """A stream that says it is a terminal, and may go away."""

    gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


def test_the_rate_is_that_of_the_last_seconds(make_crawler: Callable[..., Crawler]) -> None:
    """What was long ago does not count: after a pause the rate goes down to nothing."""
    now = [0.0]
    out = io.StringIO()
    state = GuardState.of(make_crawler())
    progress = Progress(state, out, clock=lambda: now[0])
    for second in range(0, 11, 2):
        now[0] = float(second)
        progress.tick()
        state.count("checked", 10)
    assert "images 50, a second 5.0," in out.getvalue().splitlines()[-1]
    for second in range(12, 40, 4):
        now[0] = float(second)
        progress.tick()
    assert "time 0:00:36, pages 0, images 60, a second 0.0," in out.getvalue().splitlines()[-1]


def test_pages_are_those_of_the_closing_table(make_crawler: Callable[..., Crawler]) -> None:
    """The spider's own count where it has one: robots.txt and the like are no pages."""
    state = GuardState.of(make_crawler())
    progress = Progress(state, io.StringIO())
    state.count("not_an_image", 4)
    assert progress._collect()["pages"] == "4"
    state.count("spider/pages", 2)
    assert progress._collect()["pages"] == "2"


def test_the_shares_of_domains_are_shown(make_crawler: Callable[..., Crawler]) -> None:
    """The largest share of the workers' time, and what was dropped of closed domains; no domain is named."""
    out = io.StringIO()
    state = GuardState.of(make_crawler())
    progress, domains = Progress(state, out), state.budget.domains
    progress.tick()
    assert "largest domain" not in out.getvalue()
    for name, seconds in {"slow.example": 3.0, "quick.example": 1.0}.items():
        domains.count_scan(domains.get(name), seconds, None)
    domains.drop()
    progress.tick()
    assert "largest domain 75%, over budget 1," in out.getvalue()
    assert "example" not in out.getvalue()


def test_the_log_goes_above_what_is_live(make_crawler: Callable[..., Crawler], monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers of the same stream write above it, markup is no markup, and afterwards they have their stream again."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal()
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        progress = Progress(GuardState.of(make_crawler()), terminal)
        progress._live = None
        _open(progress)
        assert handler.stream is not terminal
        logging.getLogger("some").warning("a line with [bold]brackets[/bold] %s", "x" * 200)
        handler.flush()
        progress.stopped()
        assert handler.stream is terminal
    finally:
        logging.getLogger().removeHandler(handler)
    shown = terminal.getvalue()
    assert f"a line with [bold]brackets[/bold] {'x' * 200}\n" in shown
    assert shown.index("brackets") < shown.rindex("kept")


def test_a_terminal_that_goes_away_ends_the_progress_alone(
    make_crawler: Callable[..., Crawler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error leaves the clock or the end."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal()
    progress = Progress(GuardState.of(make_crawler()), terminal)
    _open(progress)
    terminal.gone = True
    progress.tick()
    progress.stopped()
    terminal.gone = False


def _open(progress: Progress) -> None:
    """Open it without a running event loop: the clock is the test's."""
    import ingest_guard.scrapy_plugin.monitoring.progress as module  # noqa: PLC0415 - to be looked into

    class _Ticker:
        running = True

        def __init__(self, call: object) -> None:
            pass

        def start(self, every: float, *, now: bool) -> None:
            assert every < 1
            assert not now

        def stop(self) -> None:
            self.running = False

    before, module.create_looping_call = module.create_looping_call, _Ticker  # type: ignore[assignment]
    try:
        progress.opened()
    finally:
        module.create_looping_call = before


def test_times_are_told_as_clocks_do() -> None:
    """Hours, minutes, seconds; days and hours from a day on."""
    assert [_format_span(seconds) for seconds in (0, 59.9, 3661, 90_000)] == [
        "0:00:00",
        "0:00:59",
        "1:01:01",
        "1 d 1 h",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 160, 300])
def test_the_live_line_is_one_line(make_crawler: Callable[..., Crawler], width: int) -> None:
    """However narrow the terminal: what has no room is left out, the least important first."""
    state = GuardState.of(make_crawler())
    for name, number in (("checked", 1_234_567), ("records", 1_000_000), ("matched", 3), ("not_an_image", 777_777)):
        state.count(name, number)
    progress = Progress(state, io.StringIO())
    progress._console = Console(file=io.StringIO(), width=width)
    progress._console.print(progress._render())
    lines = progress._console.file.getvalue().splitlines()
    assert len(lines) == 1
    assert len(lines[0]) <= width
    shown = [name for name in ("kept 1,000,000", "dropped 3", "images 1,234,567") if name in lines[0]]
    assert shown == {20: ["kept 1,000,000"], 40: ["kept 1,000,000", "dropped 3"]}.get(
        width, ["kept 1,000,000", "dropped 3", "images 1,234,567"]
    )
    assert ("age of lists" in lines[0]) is (width >= 160)
