"""Who listens to the signals that carry raw bytes of a response before any middleware has seen them.

``bytes_received`` and ``headers_received`` are sent while a download is under way, ``response_downloaded`` when it is
complete. Scrapy's own listeners (AutoThrottle) read no bodies.
"""

import functools
from typing import Any

from pydispatch.dispatcher import getAllReceivers, liveReceivers  # type: ignore[import-untyped]
from scrapy import signals
from scrapy.crawler import Crawler

CHUNKS = ("bytes_received", "headers_received")
"""Sent by download handlers, piece by piece: nothing can stand before them."""
RAW = (*CHUNKS, "response_downloaded")


def foreign(crawler: Crawler, names: tuple[str, ...] = RAW) -> list[str]:
    """Return who listens to these signals of a crawler, beside Scrapy itself: ``signal: module.function``."""
    return [
        f"{name}: {_name_of(receiver)}"
        for name in names
        for receiver in liveReceivers(getAllReceivers(crawler, getattr(signals, name)))
        if not _is_scrapys(receiver)
    ]


def _name_of(receiver: Any) -> str:
    plain = _plain(receiver)
    return f"{getattr(plain, '__module__', '?')}.{getattr(plain, '__qualname__', type(plain).__qualname__)}"


def _is_scrapys(receiver: Any) -> bool:
    """Return whether the very function that is called is Scrapy's: a subclass that overrides it is not."""
    return str(getattr(_plain(receiver), "__module__", "")).split(".", 1)[0] == "scrapy"


def _plain(receiver: Any) -> Any:
    """Return the function under bound methods and partial functions."""
    while True:
        if isinstance(receiver, functools.partial):
            receiver = receiver.func
        elif hasattr(receiver, "__func__"):
            receiver = receiver.__func__
        else:
            return receiver
