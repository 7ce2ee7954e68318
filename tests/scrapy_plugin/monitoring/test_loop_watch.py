from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.monitoring.loop_watch import LoopWatch, _name_functions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def hold_the_loop(secret: str, seconds: float) -> None:
    """Sleep in the loop's own thread; the secret is a value that no log line may show."""
    assert secret
    time.sleep(seconds)


def compute_in_c(seconds: float) -> None:
    """Compute for so long, mostly in functions that no other thread can interrupt."""
    rounds, began = 1 << 16, time.monotonic()
    while time.monotonic() - began < seconds:
        sum(range(rounds))


def watch(*works: Callable[[], None]) -> LoopWatch:
    """Run works in a watched loop, one after the other."""
    watched = LoopWatch()

    async def main() -> None:
        watched.start()
        for work in works:
            await asyncio.sleep(0.05)
            work()
            await asyncio.sleep(0.4)
        watched.stop()

    asyncio.run(main())
    watched._thread.join(5)
    assert not watched._thread.is_alive()
    return watched


def test_what_holds_the_loop_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """The innermost functions are logged while they still run, without any value, once for each stall."""
    caplog.set_level(logging.WARNING)
    watched = watch(
        lambda: hold_the_loop("http://secret.example", 2.2), lambda: None, lambda: hold_the_loop("https://other", 1.6)
    )
    assert len(caplog.messages) == 2
    assert all(f"{__name__}:hold_the_loop < {__name__}:" in message for message in caplog.messages)
    assert "secret" not in caplog.text
    assert watched.stalls == 2
    assert 2.1 < watched.longest < 3.5


def test_a_stall_that_computes_is_found_too(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that is busy is as deaf as one that sleeps."""
    watched = watch(lambda: compute_in_c(1.7))
    assert watched.stalls == 1
    assert f"{__name__}:compute_in_c" in caplog.text


def test_a_loop_that_runs_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Short work is no stall, and the watch itself takes next to nothing."""
    used = time.thread_time()
    watched = watch(*[lambda: hold_the_loop("short", 0.3)] * 3)
    assert (watched.stalls, watched.longest, caplog.messages) == (0, 0.0, [])
    assert time.thread_time() - used < 0.1


def test_a_process_that_was_stopped_has_no_stall() -> None:
    """After SIGSTOP and SIGCONT, nothing is reported: nothing has held the loop."""
    code = """
        import asyncio, logging
        from ingest_guard.scrapy_plugin.monitoring.loop_watch import LoopWatch
        logging.basicConfig()
        async def main():
            watch = LoopWatch()
            watch.start()
            print("started", flush=True)
            await asyncio.sleep(4)
            watch.stop()
            print(watch.stalls)
        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=30)[0] == "0\n"


def test_names_end_at_the_event_loop() -> None:
    """What asyncio itself does around a function says nothing."""

    async def main() -> list[str]:
        return _name_functions(sys._current_frames()[threading.get_ident()])

    names = asyncio.run(main())
    assert names == [f"{__name__}:test_names_end_at_the_event_loop.<locals>.main"]
    assert _name_functions(None) == ["the event loop itself"]
