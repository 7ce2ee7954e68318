"""Where each part of the guard must stand, and the checks that it does: in the settings, and in the built chains."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from ingest_guard.errors import IngestGuardError, SetupError

logger = logging.getLogger("ingest_guard")

OUTERMOST = 10**9
_HERE = "ingest_guard.scrapy_plugin"
ADDON = f"{_HERE}.addon.Addon"
WATCHDOG = f"{_HERE}.extension.Watchdog"


class Part(NamedTuple):
    """A component, the setting that lists it, its order there, and ``end``: where it must stand in the built chain."""

    setting: str
    path: str
    order: int
    end: int | None


PARTS = (
    Part("DOWNLOADER_MIDDLEWARES", f"{_HERE}.downloadermiddlewares.Gate", OUTERMOST, -1),
    Part("DOWNLOADER_MIDDLEWARES", f"{_HERE}.downloadermiddlewares.Sentinel", -OUTERMOST, 0),
    Part("SPIDER_MIDDLEWARES", f"{_HERE}.spidermiddlewares.LinkGuard", OUTERMOST, -1),
    Part("ITEM_PIPELINES", f"{_HERE}.pipelines.CheckPipeline", -OUTERMOST, 0),
    Part("ITEM_PIPELINES", f"{_HERE}.pipelines.RecordPipeline", OUTERMOST, -1),
    Part("EXTENSIONS", WATCHDOG, -OUTERMOST, None),
)
_HOST_CLASSES = {
    "DOWNLOADER": "scrapy.core.downloader.Downloader",
    "SCRAPER": "scrapy.core.scraper.Scraper",
    "ITEM_PROCESSOR": "scrapy.pipelines.ItemPipelineManager",
}


def load_part(part: Part) -> type:
    """Return a component's class."""
    module, _, name = part.path.rpartition(".")
    loaded: type = getattr(import_module(module), name)
    return loaded


@contextmanager
def announced() -> Iterator[None]:
    """Say a start-up error in one line of the log, and let nothing through that Scrapy would pass over."""
    try:
        yield
    except IngestGuardError as error:
        logger.critical("The crawl does not start. %s", error)
        raise
    except NotConfigured as error:
        # Scrapy takes this one for a component that steps aside, and would crawl on unguarded.
        logger.critical("The crawl does not start. A part of ingest_guard raised NotConfigured.")
        raise SetupError(f"ingest_guard: a part of it raised NotConfigured ({error})") from None


def require_addon(settings: BaseSettings) -> None:
    """Raise SetupError unless the add-on is switched on in the final settings."""
    enabled = [key for key, order in settings.getdict("ADDONS").items() if order is not None and is_class(key, ADDON)]
    if not enabled:
        raise SetupError(
            "ingest_guard: the add-on is not in the setting ADDONS of this crawl (a spider's custom_settings or the "
            'command line has replaced it); put ADDONS = {"ingest_guard.Addon": 0} back, in there too'
        )


def require_settings(settings: BaseSettings) -> None:
    """Raise SetupError unless the settings will build every part, once, where it must stand.

    Looks at what a project or a spider wrote, so that switching a part off is an error and not silently undone.
    """
    for part in PARTS:
        cls = load_part(part)
        for key, order in settings.getdict(part.setting).items():
            other = _load(key)
            if other is cls and order is None:
                raise SetupError(
                    f"ingest_guard: {cls.__name__} is set to None in {part.setting}; remove that entry from the "
                    "settings or from the spider's custom_settings (to crawl without the guard, remove the add-on on "
                    "purpose)"
                )
            if isinstance(other, type) and other is not cls and issubclass(other, cls) and order is not None:
                raise SetupError(f"ingest_guard: {part.setting} has {key}, a second {cls.__name__}; remove it")
    for setting, path in _HOST_CLASSES.items():
        value = settings.get(setting)
        if value is not None and not is_class(value, path):
            raise SetupError(
                f"ingest_guard: {setting} is {value}; the guard knows what it guards only with Scrapy's own {path}: "
                "remove the setting"
            )


def require_order(settings: BaseSettings) -> None:
    """Raise SetupError where another component's order would put it outside of a part of the guard."""
    for part in PARTS:
        if part.end is None:
            continue
        cls = load_part(part)
        entries = merged(settings, part.setting)
        present = False
        for key, order in entries.items():
            if _load(key) is cls:
                present = order == part.order
            elif order is not None and (order >= part.order if part.end else order <= part.order):
                raise SetupError(
                    f"ingest_guard: {key} has order {order} in {part.setting}, outside of {cls.__name__} "
                    f"({part.order}); give it an order between {-OUTERMOST} and {OUTERMOST}"
                )
        if not present:
            raise SetupError(
                f"ingest_guard: {cls.__name__} does not stand at {part.order} in {part.setting}; remove whatever "
                "changes that (another add-on, or a setting of yours)"
            )


def merged(settings: BaseSettings, name: str) -> BaseSettings:
    """Return a setting and its ``*_BASE`` as one; Scrapy 2.15 has but the older call for it."""
    merge = getattr(settings, "get_component_priority_dict_with_base", settings.getwithbase)
    both: BaseSettings = merge(name)
    return both


def require_chain(crawler: Crawler) -> None:
    """Raise SetupError unless the chains that Scrapy has built have the guard's parts at their ends, once each."""
    engine = None
    with suppress(RuntimeError):  # newer versions of Scrapy raise it where older ones have None
        engine = crawler.engine
    if engine is None:
        raise SetupError("ingest_guard: this crawler has no engine; start it as Scrapy does")
    chains: dict[str, Any] = {
        "DOWNLOADER_MIDDLEWARES": engine.downloader.middleware,
        "SPIDER_MIDDLEWARES": engine.scraper.spidermw,
        "ITEM_PIPELINES": engine.scraper.itemproc,
    }
    for part in PARTS:
        if part.end is None:
            continue
        cls, built = load_part(part), chains[part.setting].middlewares
        if not built or type(built[part.end]) is not cls or sum(isinstance(mw, cls) for mw in built) != 1:
            raise SetupError(
                f"ingest_guard: {cls.__name__} is not at its end of the chain that {part.setting} built; remove "
                "whatever changes that (another add-on, or a setting of yours)"
            )


def is_class(value: Any, path: str) -> bool:
    """Return whether a component key, a class or a path of any spelling, means the class at ``path``."""
    loaded = _load(value)
    wanted: Any = load_object(path)
    return isinstance(loaded, type) and (
        (loaded.__module__, loaded.__qualname__) == (wanted.__module__, wanted.__qualname__)
    )


def _load(value: Any) -> Any:
    """Return what a component key stands for; the key itself where that cannot be loaded: Scrapy reports it."""
    try:
        return load_object(value)
    except (ImportError, NameError, TypeError, ValueError, AttributeError):
        return value
