"""Headless Chromium, driven over a pair of pipes by its DevTools protocol: no port, no further package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 60.0
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# The two ends have to be where Chromium looks for them: 3 to read, 4 to write. A shell may know no number above 9.
_LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(os.environ[name]), fcntl.F_DUPFD, 10) for name in ("IN", "OUT")]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Browser:
    """A browser with one page.

    Attributes
    ----------
    requests
        URLs that the page asked for, itself included.
    messages
        What stood in the console: violations of the page's own policy, errors.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.requests: list[str] = []
        self.messages: list[str] = []
        self._loaded = False

    def begin(self) -> None:
        """Open an empty page."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")

    def show(self, file: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file at a window's size, in the light or the dark scheme."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self.requests, self.messages = [], []
        self._call("Page.navigate", url=file.resolve().as_uri())
        deadline = time.monotonic() + _SECONDS
        while not self._loaded:
            self._take(deadline)

    def run(self, script: str) -> Any:
        """Run JavaScript in the page, wait for its promise, and return its value."""
        found = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, file: Path) -> None:
        """Write a PNG of the whole page, however long it is."""
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        deadline = time.monotonic() + _SECONDS
        while True:
            answer = self._take(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                found: dict[str, Any] = answer["result"]
                return found

    def _take(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            assert left > 0, "the browser does not answer"
            if select.select([self._in], [], [], left)[0]:
                data = os.read(self._in, 1 << 20)
                assert data, "the browser has gone"
                self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, what: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif event == "Log.entryAdded":
            self.messages.append(what["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.messages.append(str(what["exceptionDetails"].get("text")))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser; skip the test where there is none."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    read_here, write_there = os.pipe()
    read_there, write_here = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [sys.executable, "-c", _LAUNCHER, program, *_OPTIONS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command,
            env={**os.environ, "IN": str(read_there), "OUT": str(write_there)},
            pass_fds=(read_there, write_there),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_there)
        os.close(write_there)
        try:
            started = Browser(write_here, read_here)
            started.begin()
            yield started
        finally:
            os.close(write_here)
            # It ends by itself when nobody is there any more.
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(read_here)
