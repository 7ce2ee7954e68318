"""ingest_guard: check every crawled image against known-abuse hash lists before anything can store it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest_guard._version import __version__
from ingest_guard.errors import (
    BlocklistError,
    GuardFailedError,
    IngestGuardError,
    ListFormatError,
    PolicyError,
    SetupError,
)

if TYPE_CHECKING:
    from ingest_guard.checking.guard_pool import GuardPool
    from ingest_guard.guard.guard import Guard
    from ingest_guard.policy import Policy
    from ingest_guard.scrapy_plugin.addon import Addon
    from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
    from ingest_guard.scrapy_plugin.extension import Watchdog
    from ingest_guard.scrapy_plugin.spider.spider import ImageTextSpider
    from ingest_guard.verdict import Action, ImageFacts, Match, Outcome, Reason, Verdict

__all__ = [
    "Action",
    "Addon",
    "BlocklistError",
    "Guard",
    "GuardFailedError",
    "GuardPool",
    "ImageBlocked",
    "ImageFacts",
    "ImageTextSpider",
    "IngestGuardError",
    "ListFormatError",
    "Match",
    "Outcome",
    "Policy",
    "PolicyError",
    "Reason",
    "SetupError",
    "Verdict",
    "Watchdog",
    "__version__",
]

# Imported on first use: programs without Scrapy use the guard, too, and the help of the command line needs neither.
_LAZY = {
    "Action": "ingest_guard.verdict",
    "Addon": "ingest_guard.scrapy_plugin.addon",
    "Guard": "ingest_guard.guard.guard",
    "GuardPool": "ingest_guard.checking.guard_pool",
    "ImageBlocked": "ingest_guard.scrapy_plugin.core.exceptions",
    "ImageFacts": "ingest_guard.verdict",
    "ImageTextSpider": "ingest_guard.scrapy_plugin.spider.spider",
    "Match": "ingest_guard.verdict",
    "Outcome": "ingest_guard.verdict",
    "Policy": "ingest_guard.policy",
    "Reason": "ingest_guard.verdict",
    "Verdict": "ingest_guard.verdict",
    "Watchdog": "ingest_guard.scrapy_plugin.extension",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module  # noqa: PLC0415 - part of the laziness

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
