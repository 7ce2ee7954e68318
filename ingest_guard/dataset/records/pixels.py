"""Addresses of images that show nothing: counting pixels, spacers, and sprites, which are many pictures in one."""

from __future__ import annotations

import re

# What measures visits. A short list of those that pages have most often; each with the path that it answers under.
_COUNTERS = re.compile(
    r"https?://(?:[a-z0-9-]+\.)*(?:"
    r"facebook\.com/tr\b|google-analytics\.com/|googletagmanager\.com/|doubleclick\.net/|googleadservices\.com/pagead|"
    r"pixel\.wp\.com/|stats\.wp\.com/|scorecardresearch\.com/|quantserve\.com/|bat\.bing\.com/|clarity\.ms/|"
    r"px\.ads\.linkedin\.com/|analytics\.twitter\.com/|t\.co/i/adsct|ct\.pinterest\.com/|mc\.yandex\.ru/|"
    r"counter\.yadro\.ru/|top-fwz1\.mail\.ru/|hm\.baidu\.com/|statcounter\.com/|hitwebcounter\.com/|"
    r"imrworldwide\.com/|chartbeat\.net/|omtrdc\.net/|2o7\.net/|alexametrics\.com/|histats\.com/|sc\.omtrdc\.net/"
    r")",
    re.IGNORECASE,
)
_COUNTING_PATH = re.compile(r"/(?:matomo|piwik)\.php$|/(?:__utm|beacon|tracking?(?:[-_]?pixel)?)\.gif$", re.IGNORECASE)
_SPACER = re.compile(
    r"/(?:spacer|blank|pixel|transparent|trans|clear|clearpixel|clear[-_]?dot|shim|empty|1x1|1px|pix)"
    r"(?:[-_.]?(?:1x1|1px|pixel|transparent|\d))?\.(?:gif|png)$",
    re.IGNORECASE,
)
_SPRITE = re.compile(r"(?:^|[-_.])sprites?(?:heet)?s?(?:[-_.\d]|$)", re.IGNORECASE)


def is_tracker(url: str) -> bool:
    """Tell whether an address is a counting pixel's or a spacer's, as far as the address tells."""
    path = url.partition("?")[0]
    return bool(_COUNTERS.match(url) or _COUNTING_PATH.search(path) or _SPACER.search(path))


def is_sprite(url: str) -> bool:
    """Tell whether the name of a file says that it is a sheet of icons."""
    return _SPRITE.search(url.partition("?")[0].rpartition("/")[2]) is not None
