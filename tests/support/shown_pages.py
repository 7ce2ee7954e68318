"""Which of many pages show a picture: headless Chromium, 32 pages in frames at a time, one screenshot of all."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from support.devtools import Browser
from support.page_generator import SIDE, GeneratedPage

_CELL = SIDE + 20
_COLUMNS, _LINES = 8, 4
AT_ONCE = _COLUMNS * _LINES
"""Pages of one screenshot."""
_SECONDS = 30.0
_PLAIN = 2.0
"""Standard deviation of the brightness below which a cell shows nothing."""


class PageServer:
    """Serves pages by number; the page around them comes from another origin, so that they inherit nothing."""

    def __init__(self) -> None:
        pages: dict[str, GeneratedPage] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                body = page.sent if page is not None else b""
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                if page is not None and page.content_type is not None:
                    self.send_header("Content-Type", page.content_type)
                if page is not None and page.coding is not None:
                    self.send_header("Content-Encoding", page.coding)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.pages = pages
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def pictures_of(browser: Browser, server: PageServer, pages: Sequence[GeneratedPage]) -> Iterator[Image.Image | None]:
    """Yield what a browser shows of each page: a picture of its frame, or None where that is empty.

    Parameters
    ----------
    browser
        With a page of its own.
    server
        Takes the pages.
    pages
        At most :data:`AT_ONCE`.
    """
    server.pages.clear()
    server.pages.update({f"/{number}": page for number, page in enumerate(pages)})
    frames = "".join(
        f'<iframe src="http://127.0.0.1:{server.port}/{number}" width={_CELL} height={_CELL} scrolling=no></iframe>'
        for number in range(len(pages))
    )
    around = f"<!doctype html><style>*{{margin:0;padding:0;border:0}}iframe{{float:left}}</style>{frames}"
    browser._call(
        "Emulation.setDeviceMetricsOverride",
        width=_CELL * _COLUMNS,
        height=_CELL * _LINES,
        deviceScaleFactor=1,
        mobile=False,
    )
    browser._loaded = False
    server.pages["/around"] = GeneratedPage(around.encode(), around.encode(), "text/html; charset=utf-8", None, {})
    browser._call("Page.navigate", url=f"http://localhost:{server.port}/around")
    deadline = time.monotonic() + _SECONDS
    while not browser._loaded:
        browser._take(deadline)
    # Frames inside frames and pictures that scripts ask for come after the load event.
    browser.run("new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 150))")
    taken = browser._call("Page.captureScreenshot", format="png")
    whole = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
    for number in range(len(pages)):
        left, top = number % _COLUMNS * _CELL, number // _COLUMNS * _CELL
        cell = whole.crop((left, top, left + _CELL, top + _CELL))
        yield cell if np.asarray(cell.convert("L")).std() > _PLAIN else None


def shows(cell: Image.Image | None, is_listed: Callable[[bytes], bool]) -> bool:
    """Return whether a cell shows the listed picture, to the guard's own eyes."""
    if cell is None:
        return False
    # In the corner where pages of the generator put it, and wherever else it may be.
    for picture in (cell.crop((0, 0, SIDE, SIDE)), cell):
        out = io.BytesIO()
        picture.save(out, "PNG", compress_level=1)
        if is_listed(out.getvalue()):
            return True
    return False
