"""What Chromium shows of pages: many of them at once, each in a frame of its own, in one screenshot."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from PIL import Image

from benchmarks.pages.carriers import SIDE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from support.devtools import Browser

    from benchmarks.pages.generator import Page

COLUMNS: Final = 10
ROWS: Final = 5
SECONDS: Final = 20.0
_SETTLED: Final = """
new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => done(1))), 120))
"""


class Window:
    """A server of pages on 127.0.0.1 and a browser that shows them; to be used in a ``with`` statement.

    The frames' document has another port than the pages, hence another origin: nothing of it is inherited.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: dict[str, Page] = {}
        self._sheet = b""
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> Self:
        window = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page = window._pages.get(self.path)
                if page is not None:
                    self._answer(200, page.body, page.content_type, page.codings)
                elif self.path == "/sheet":
                    self._answer(200, window._sheet, "text/html", None)
                else:
                    self._answer(404, b"", "text/plain", None)

            def _answer(self, status: int, body: bytes, kind: str | None, codings: str | None) -> None:
                self.send_response(status)
                for name, value in (("Content-Type", kind), ("Content-Encoding", codings)):
                    if value is not None:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                # A frame that is left, or a browser that has seen enough, closes the connection.
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        for _ in range(2):
            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self._servers.append(server)
        width, height = COLUMNS * SIDE, ROWS * SIDE
        self._browser._call(  # noqa: SLF001 - the tests' own browser
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def show(self, pages: Sequence[Page]) -> list[Image.Image]:
        """Return what is shown of each page, as a picture of :data:`SIDE` pixels a side; at most a sheet of pages."""
        self._pages = {f"/{page.seed}": page for page in pages}
        outer, inner = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        frames = "".join(
            f'<iframe src="{inner}{path}" width="{SIDE}" height="{SIDE}" scrolling="no"></iframe>'
            for path in self._pages
        )
        style = f"body{{margin:0;line-height:0;width:{COLUMNS * SIDE}px}}iframe{{border:0;float:left}}"
        self._sheet = f"<!doctype html><style>{style}</style>{frames}".encode()
        self._load(f"{outer}/sheet")
        taken = self._browser._call("Page.captureScreenshot", format="png", optimizeForSpeed=True)  # noqa: SLF001
        whole = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
        places = [((at % COLUMNS) * SIDE, (at // COLUMNS) * SIDE) for at in range(len(pages))]
        return [whole.crop((left, top, left + SIDE, top + SIDE)) for left, top in places]

    def _load(self, url: str) -> None:
        browser = self._browser
        browser.requests, browser.messages, browser._loaded = [], [], False  # noqa: SLF001
        browser._call("Page.navigate", url=url)  # noqa: SLF001
        deadline = time.monotonic() + SECONDS
        while not browser._loaded and time.monotonic() < deadline:  # noqa: SLF001
            browser._take(deadline + SECONDS)  # noqa: SLF001
        browser.run(_SETTLED)
