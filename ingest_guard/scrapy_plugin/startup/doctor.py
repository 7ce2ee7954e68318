"""Doctor: builds the final settings of each spider as Scrapy does, and checks that the guard is in them."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader
from scrapy.utils.conf import closest_scrapy_cfg
from scrapy.utils.project import get_project_settings

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.errors import IngestGuardError, SetupError
from ingest_guard.guard.credentials import list_key, newest_versions, require_trusted
from ingest_guard.incidents.writer import require_writable
from ingest_guard.policy import Policy
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.settings import load_policy

_SECOND_LINE = 'EXTENSIONS = {"ingest_guard.Watchdog": 0}'


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to type if it is bad.

    A note is good: the crawl is guarded, and there is something to know.
    """

    good: bool
    text: str
    advice: tuple[str, ...] = ()
    is_note: bool = False


def project_settings(folder: str) -> Settings:
    """Return the settings of the Scrapy project that a folder belongs to; SetupError where there is none."""
    configuration = closest_scrapy_cfg(folder)
    if not configuration and "SCRAPY_SETTINGS_MODULE" not in os.environ:
        raise SetupError(
            "no scrapy.cfg here or above; go to the folder of your Scrapy project, then: ingest-guard doctor "
            "(a crawl with --seeds needs none: it looks for itself)"
        )
    try:
        settings = get_project_settings()
    except Exception as error:  # noqa: BLE001 - the settings are a program of the project's: anything may come out of it
        raise SetupError(f"the project's settings cannot be imported ({type(error).__name__}: {error})") from None
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return settings


def settings_of_all(settings: Settings) -> list[Settings]:
    """Return the project's settings, and those of each spider with its own and all add-ons applied.

    A spider whose settings cannot be applied does not start, and is left out.
    """
    found = [settings]
    with contextlib.suppress(Exception):
        loader = get_spider_loader(settings)
        for name in loader.list():
            with contextlib.suppress(Exception):
                found.append(_applied(loader.load(name), settings).settings)
    return found


def examine_project(settings: Settings) -> list[Finding]:
    """Check what all spiders share: add-on, policy, blocklist, second line of defence."""
    findings = [_addon(settings)]
    try:
        policy = load_policy(settings)
        findings.append(Finding(good=True, text=f"the policy can be read; its level is {policy.level}"))
        key = list_key(policy)
        with Blocklist.open(
            policy.blocklist, key=key, allow_empty=policy.allow_empty, max_age=policy.max_age
        ) as opened:
            counts: Counter[str] = Counter()
            for info in opened.lists:
                counts[info.id] += sum(info.counts.values())
            held = ", ".join(f"{name} ({count:,})" for name, count in counts.items()) or "no list"
            findings.append(Finding(good=True, text=f"the blocklist opens: {held}"))
            if not opened.knows_canary:
                text = "the blocklist has no canary, so no crawl on it can test itself and none would start"
                findings.append(Finding(good=False, text=text, advice=("ingest-guard blocklist build",)))
            require_trusted(policy, opened, remember=False)
        if policy.signer:
            findings.append(Finding(good=True, text="the blocklist is signed by whom the policy demands"))
        findings += _remembered(policy)
        findings.append(_incidents(policy))
        if key is not None:
            findings.append(Finding(good=True, text="the key of the keyed lists can be read"))
    except IngestGuardError as error:
        findings.append(Finding(good=False, text=str(error)))
    findings.append(_second_line(settings))
    return findings


def _incidents(policy: Policy) -> Finding:
    """Look whether an entry of each match could be written, and say how to switch that on."""
    named = policy.incidents
    if not named.recipients:
        text = "no record of matches is kept: the policy names no incidents.recipients; docs/incidents.md says how"
        return Finding(good=True, text=text, is_note=True)
    require_writable(policy)
    signed = "signed" if named.signing_key else "not signed: the policy names no incidents.signing_key"
    return Finding(good=True, text=f"matches go into the log of incidents in {named.folder}, {signed}")


def _remembered(policy: Policy) -> Iterator[Finding]:
    """Yield which version none may be older than, and where that is remembered."""
    if (memory := newest_versions(policy)) is None:
        if policy.signer:
            text = "no version of the blocklist is remembered: the store can be pointed back to an older signed one"
            yield Finding(good=True, text=text, is_note=True)
        return
    memory.require_writable()
    newest = memory.newest()
    text = f"the newest version seen is {newest}" if newest else "no version of the blocklist was in use here yet"
    yield Finding(good=True, text=f"{text}; remembered in {memory.file}")


def examine_spiders(settings: Settings) -> list[Finding]:
    """Apply each spider's own settings and all add-ons, and check that it would be guarded."""
    try:
        loader = get_spider_loader(settings)
    except Exception as error:  # noqa: BLE001 - so are its spiders
        why = f"{type(error).__name__}: {error}"
        return [Finding(good=False, text=f"the spiders cannot be loaded ({why})")]
    return [_examine(loader.load(name), settings) for name in sorted(loader.list())]


def _examine(spider: type[Spider], settings: Settings) -> Finding:
    try:
        crawler = _applied(spider, settings)
        placement.require_settings(crawler.settings)
        placement.require_order(crawler.settings)
    except IngestGuardError as error:
        return Finding(good=False, text=f"spider {spider.name}: {error}")
    except Exception as error:  # noqa: BLE001 - a project's own code may raise anything; its spider does not start then
        why = f"{type(error).__name__}: {error}"
        return Finding(good=False, text=f"spider {spider.name}: its settings cannot be applied ({why})")
    return Finding(good=True, text=f"spider {spider.name} is guarded")


def _applied(spider: type[Spider], settings: Settings) -> Crawler:
    """Return a crawler with the settings that Scrapy would crawl with."""
    crawler = Crawler(spider, settings.copy())
    placement.require_addon(crawler.settings)
    crawler.addons.load_settings(crawler.settings)
    return crawler


def _second_line(settings: Settings) -> Finding:
    """Check that a part of the guard is listed by itself, so that ``-s ADDONS={}`` stops the crawl."""
    for part in placement.PARTS:
        listed = settings.getdict(part.setting)
        if any(order is not None and placement.is_class(key, part.path) for key, order in listed.items()):
            return Finding(good=True, text="a crawl with -s ADDONS={} would not start")
    return Finding(
        good=False,
        text="a crawl with -s ADDONS={} would run unguarded",
        advice=(f"add to the settings: {_SECOND_LINE}",),
    )


def _addon(settings: Settings) -> Finding:
    try:
        placement.require_addon(settings)
    except IngestGuardError as error:
        return Finding(good=False, text=str(error))
    return Finding(good=True, text="the add-on is installed")
