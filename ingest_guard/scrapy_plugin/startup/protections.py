"""What else the guard sees to at a crawl's start, beside its own place: stores, handlers, listeners, logs, the process.

Three moments: :func:`require` from the final settings, before anything is built; :func:`require_built` before the first
request; :func:`begin` once the spider is open. What the policy's level forbids is a start-up error in the first two.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakSet

import scrapy
from scrapy.core.engine import ExecutionEngine

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.check import browsers, handlers, receivers
from ingest_guard.scrapy_plugin.core import redaction as withheld
from ingest_guard.scrapy_plugin.core.settings import TESTED_SCRAPY
from ingest_guard.scrapy_plugin.startup import log_filter as logfilter
from ingest_guard.scrapy_plugin.startup import process as hygiene
from ingest_guard.scrapy_plugin.startup.log_format import GuardedLogFormatter
from ingest_guard.scrapy_plugin.stores import cachedatabases, stores

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

    from ingest_guard.policy.policy import Policy
    from ingest_guard.scrapy_plugin.core.state import GuardState

logger = logging.getLogger(__name__)

DOORS = ("TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED")
"""Both let other programs on this machine read the memory of the crawl."""

_filters: dict[int, logfilter.Installed] = {}
_strict_crawls: set[int] = set()
_warned: WeakSet[Crawler] = WeakSet()


def require(crawler: Crawler, policy: Policy) -> None:
    """Check what the final settings switch on, and put the handlers of the strict level in place.

    Raises
    ------
    SetupError
        A store holds something from before the guard, an HTTP cache would write remains of memory, or the level
        forbids something that is switched on.
    """
    settings = crawler.settings
    is_strict = policy.level == "strict"
    if problem := untested_scrapy():
        logger.warning("ingest_guard: %s", problem)
    require_level(settings, policy)
    browsers.secure(settings, strict=is_strict)
    stores.require_known(stores.stores_in_use(settings), policy)
    if problem := cachedatabases.unclean(settings, stores.cache_folders(settings)):
        raise SetupError(f"ingest_guard: {problem}")
    handlers.wrap_handlers(settings, handlers.CheckedHandler if is_strict else handlers.PacedHandler)


def require_level(settings: BaseSettings, policy: Policy) -> None:
    """Raise SetupError where the strict level forbids something that the settings switch on."""
    if policy.level != "strict":
        return
    for name in DOORS:
        if settings.getbool(name):
            raise SetupError(
                f"ingest_guard: {name} is on, and lets other programs on this machine read the memory of the crawl; "
                "the strict level does not start with it: remove the setting"
            )


def require_built(runtime: GuardState) -> None:
    """Check who listens to raw bytes, and that what the settings said was built.

    Raises
    ------
    SetupError
        In the strict level, where somebody listens to pieces of downloads; or where the log formatter or a download
        handler was exchanged.
    """
    crawler, is_strict = runtime.crawler, runtime.policy.level == "strict"
    found = receivers.foreign(crawler, receivers.CHUNKS if is_strict else receivers.RAW)
    if found and is_strict:
        raise SetupError(
            f"ingest_guard: unchecked bytes of downloads would go to {', '.join(found)}; the strict level does not "
            "start with it: remove that extension"
        )
    if is_strict:
        handlers.require_wrapped(crawler, handlers.CheckedHandler)
    if found and crawler not in _warned:
        _warned.add(crawler)
        logger.warning(
            "ingest_guard: unchecked bytes of responses go to %s; in the strict level they would not", ", ".join(found)
        )
    formatter = getattr(crawler, "logformatter", None)
    if is_strict and formatter is not None and not isinstance(formatter, GuardedLogFormatter):
        raise SetupError(
            "ingest_guard: LOG_FORMATTER was changed after the guard's add-on had wrapped it; let that add-on come "
            "first, with a smaller number in ADDONS"
        )


def begin(runtime: GuardState) -> None:
    """Mark the stores, clean up the process, and filter the log: the spider is open."""
    policy, settings = runtime.policy, runtime.crawler.settings
    for store in stores.stores_in_use(settings):
        known = store.marker
        if store.is_old:
            continue  # accepted by the policy, and so to be looked through some day
        if known is not None and known.get("list_version") not in (None, runtime.guard.version):
            logger.info("ingest_guard: the %s was last looked through with another blocklist; see purge", store)
        store.mark(runtime.guard.version)
    # A real engine: whoever builds parts of a crawl by hand (tests, tools) keeps the process as it is.
    if isinstance(runtime.crawler.engine, ExecutionEngine):
        hygiene.apply(policy.hygiene)
    if policy.hygiene.log_filter:
        _filters[id(runtime)] = logfilter.install(strict=policy.level == "strict")
    if policy.level == "strict":
        browsers.forbid_open_in_browser()
        _strict_crawls.add(id(runtime))


def end(runtime: GuardState) -> None:
    """Take off again what was put on for one crawl; the process stays closed to core dumps and readers."""
    if (installed := _filters.pop(id(runtime), None)) is not None:
        installed.remove()
    if not _filters:
        withheld.forget()
    if id(runtime) in _strict_crawls:
        _strict_crawls.remove(id(runtime))
        if not _strict_crawls:
            browsers.allow_open_in_browser()


def untested_scrapy(version: str = scrapy.__version__) -> str | None:
    """Return a warning where this version of Scrapy is newer, or older, than those that the guard was tested with."""
    oldest, newest = (_minor(each) for each in TESTED_SCRAPY)
    if oldest <= _minor(version) <= newest:
        return None
    return (
        f"Scrapy {version} is not among the versions that the guard was tested with ({TESTED_SCRAPY[0]} to "
        f"{TESTED_SCRAPY[1]}); bytes may take ways that it does not know"
    )


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)
