"""Start-up checks beside those of the guard's own place: event loop, stores, handlers, listeners, log, process, robots.

There are three moments: :func:`require` from the final settings, before anything is built; :func:`require_built` before
the first request; :func:`begin` once the spider is open. In the first two, what the policy's level forbids is an error.
"""

import logging
from collections.abc import Iterable, Iterator
from weakref import WeakSet

import scrapy
from scrapy.core.engine import ExecutionEngine
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings
from scrapy.utils.asyncio import is_asyncio_available

from ingest_guard.errors import SetupError
from ingest_guard.policy import Policy
from ingest_guard.scrapy_plugin.check import browsers, handlers, receivers, robots
from ingest_guard.scrapy_plugin.core import redaction
from ingest_guard.scrapy_plugin.core.settings import TESTED_SCRAPY
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.startup import process
from ingest_guard.scrapy_plugin.startup.log_filter import GuardedLogFormatter, InstalledFilter
from ingest_guard.scrapy_plugin.stores import stores

logger = logging.getLogger(__name__)

ROBOTS_SETTING = "ROBOTSTXT_OBEY"
DOORS = ("TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED")
"""Both let other programs on this machine read the memory of the crawl."""

_filters: dict[int, InstalledFilter] = {}
_strict_crawls: set[int] = set()
_warned: WeakSet[Crawler] = WeakSet()


def require(crawler: Crawler, policy: Policy) -> None:
    """Check what the final settings switch on, and put the handlers of the strict level in place.

    Raises
    ------
    SetupError
        The crawl does not run on asyncio, a store holds something from before the guard, an HTTP cache would write
        remains of memory, or the level forbids something that is switched on.
    """
    settings = crawler.settings
    _require_asyncio()
    is_strict = policy.level == "strict"
    if problem := untested_scrapy():
        logger.warning("ingest_guard: %s", problem)
    require_level(settings, policy)
    browsers.secure(settings, strict=is_strict)
    stores.require_known(stores.stores_in_use(settings), policy)
    if problem := stores.find_unclean_cache(settings):
        raise SetupError(f"ingest_guard: {problem}")
    handlers.wrap_handlers(settings, handlers.CheckedHandler if is_strict else handlers.PacedHandler)


def _require_asyncio() -> None:
    """Raise SetupError where asyncio's futures would never be done: on any reactor but asyncio's."""
    try:
        has_asyncio = is_asyncio_available()
    except RuntimeError:  # neither a reactor nor a loop: parts that are built outside of a crawl
        return
    if not has_asyncio:
        raise SetupError(
            "ingest_guard: this crawl does not run on asyncio, and the guard works with nothing else; set "
            'TWISTED_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor" (the default since Scrapy '
            "2.13), or TWISTED_REACTOR_ENABLED = False"
        )


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


def require_built(state: GuardState) -> None:
    """Check which components listen to raw bytes, and that Scrapy has built what the settings say.

    Raises
    ------
    SetupError
        In the strict level, where a component listens to pieces of downloads, or where the log formatter or a download
        handler was replaced.
    """
    crawler, is_strict = state.crawler, state.policy.level == "strict"
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


def begin(state: GuardState) -> None:
    """Mark the stores, clean up the process, and filter the log: the spider is open."""
    policy, settings = state.policy, state.crawler.settings
    for store in stores.stores_in_use(settings):
        known = store.marker
        if store.is_old:
            continue  # the policy accepts it: without a marker, it can still be looked through
        if known is not None and known.get("list_version") not in (None, state.guard.version):
            logger.info("ingest_guard: the %s was last looked through with another blocklist; see purge", store)
        store.mark(state.guard.version)
    # Only with a real engine: tests and tools that build parts of a crawl keep their process as it is.
    if isinstance(state.crawler.engine, ExecutionEngine):
        process.apply(policy.hygiene)
        process.share_the_interpreter()
    if policy.hygiene.log_filter:
        _filters[id(state)] = InstalledFilter(strict=policy.level == "strict")
    if policy.level == "strict":
        browsers.forbid_open_in_browser()
        _strict_crawls.add(id(state))


def end(state: GuardState) -> None:
    """Undo what was put in place for one crawl; the process stays closed to core dumps and readers."""
    if (installed := _filters.pop(id(state), None)) is not None:
        installed.remove()
    if not _filters:
        redaction.forget()
    if id(state) in _strict_crawls:
        _strict_crawls.remove(id(state))
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


def obey_by_default(settings: BaseSettings, policy: Policy) -> None:
    """Switch ROBOTSTXT_OBEY on, unless the policy leaves it to Scrapy; a project's or spider's own value stays."""
    if not policy.opt_outs.robots_txt:
        return
    settings.set(ROBOTS_SETTING, True, priority="addon")  # noqa: FBT003 - Scrapy's signature
    if not settings.getbool(ROBOTS_SETTING):
        logger.info(
            "ingest_guard: %s is off in the settings of this crawl: no robots.txt is heeded, and what it says about "
            "use is not seen",
            ROBOTS_SETTING,
        )


def unheeded_opt_outs(each: Iterable[BaseSettings], policy: Policy) -> Iterator[str]:
    """Yield a text for doctor on opt-outs that would not be heeded, with the setting that says so."""
    by_default = {name for name, field in type(policy.opt_outs).model_fields.items() if field.default is True}
    off = [name for name, value in policy.opt_outs if value is False and name in by_default - {"robots_txt"}]
    if off:
        yield f"opt-outs that the policy switches off (opt_outs): {', '.join(off)}"
    for one in each:
        is_set = (one.getpriority(ROBOTS_SETTING) or 0) > 0
        if not one.getbool(ROBOTS_SETTING) and (is_set or not policy.opt_outs.robots_txt):
            source = (
                f"{ROBOTS_SETTING} is off in the settings" if is_set else "opt_outs.robots_txt is off in the policy"
            )
            yield f"{source}: no robots.txt is heeded, and what it says about use is not seen"
        elif not robots.is_read(one):
            yield (
                f"this project has another middleware for robots.txt than {robots.RobotsTxt.__name__}: what a "
                "robots.txt says about use is not seen"
            )
        elif policy.opt_outs.robots_unreachable == "allow":
            yield "opt_outs.robots_unreachable: allow in the policy: a robots.txt that cannot be had permits all"
