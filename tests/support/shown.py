"""What a browser shows of a page's images: the judge of what extraction finds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.devtools import Browser

_SECONDS = 60.0
# Pages name hosts all over the world; nothing but this machine is asked.
_ELSEWHERE = ["https://*", "http://*.com/*", "http://*.org/*", "http://*.net/*", "http://*.edu/*", "http://*.io/*"]
_SCRIPT = """
(async () => {
  const wait = ms => new Promise(done => setTimeout(done, ms));
  for (let n = 0; n < 40 && [...document.images].some(image => !image.complete); n++) await wait(50);
  return [...document.images].map(image => ({
    url: image.currentSrc,
    alt: image.alt,
    title: image.title,
    loaded: image.complete && image.naturalWidth > 0,
    visible: image.getClientRects().length > 0 && getComputedStyle(image).visibility === "visible",
  }));
})()
"""


@dataclass(frozen=True)
class Shown:
    """One ``img`` of a page as the browser has it: the copy it chose, and its texts."""

    url: str
    alt: str
    title: str


def shown_images(browser: Browser, url: str, *, width: int, height: int = 6000) -> list[Shown]:
    """Open a page, and return its images that are loaded and visible."""
    browser._call("Network.setBlockedURLs", urls=_ELSEWHERE)
    browser._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    browser._loaded = False
    browser._call("Page.navigate", url=url)
    deadline = time.monotonic() + _SECONDS
    while not browser._loaded:
        browser._take(deadline)
    found = browser.run(_SCRIPT)
    return [Shown(each["url"], each["alt"], each["title"]) for each in found if each["loaded"] and each["visible"]]
