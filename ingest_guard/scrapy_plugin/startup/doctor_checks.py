"""Doctor's checks around a crawl: old stores, job folders, other people's components, the log, the machine."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scrapy.pipelines.media import MediaPipeline
from scrapy.settings import Settings
from scrapy.utils.misc import load_object

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.errors import IngestGuardError, SetupError
from ingest_guard.guard.credentials import list_key
from ingest_guard.hashing import conformance
from ingest_guard.policy import Policy
from ingest_guard.scrapy_plugin.check import browsers
from ingest_guard.scrapy_plugin.check.receivers import RAW
from ingest_guard.scrapy_plugin.core.settings import load_policy
from ingest_guard.scrapy_plugin.output import resume
from ingest_guard.scrapy_plugin.startup import process, protections
from ingest_guard.scrapy_plugin.startup.doctor import Finding, settings_of_all
from ingest_guard.scrapy_plugin.stores import stores
from ingest_guard.scrapy_plugin.stores.stores import Store

_COMPONENTS = ("EXTENSIONS", "DOWNLOADER_MIDDLEWARES", "SPIDER_MIDDLEWARES", "ITEM_PIPELINES", "ADDONS")
_OURS = ("scrapy.", "ingest_guard.")
_RAW_SIGNAL = re.compile(rf"\b({'|'.join(RAW)})\b")
_PURGE = ("type: ingest-guard purge",)
_CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def examine_environment(settings: Settings) -> list[Finding]:
    """Check everything that a crawl of this project would meet; nothing where the policy cannot be read."""
    try:
        policy = load_policy(settings)
    except IngestGuardError:
        return []
    each = settings_of_all(settings)
    held = _blocklist(policy)
    findings = [
        *_stores(each, policy, held[0] if held else None),
        *_jobs(each),
        *_doors(each, policy),
        *_handlers(each, policy),
        *_listeners(each, policy),
        *_pipelines(each),
        *map(_note, protections.unheeded_opt_outs(each, policy)),
        *_log(each, policy),
        *(_age(policy, held[1]) if held else ()),
        *_hashes(),
        *_machine(policy),
    ]
    return list(dict.fromkeys(findings))


def _note(text: str, *advice: str) -> Finding:
    return Finding(good=True, text=text, advice=advice, is_note=True)


def _stores(each: Iterable[Settings], policy: Policy, version: str | None) -> Iterator[Finding]:
    for store in _distinct(each, stores.stores_in_use):
        if store.is_old and policy.old_stores == "refuse":
            yield Finding(good=False, text=f"the {store} holds files from before the guard", advice=_PURGE)
        elif store.is_old:
            yield _note(f"the {store} holds files from before the guard, which the policy accepts", *_PURGE)
        elif store.marker is not None and version not in (None, store.marker.get("list_version")):
            yield _note(f"the {store} was last looked through with another blocklist", *_PURGE)
    idle = set(_distinct(each, stores.all_stores)) - set(_distinct(each, stores.stores_in_use))
    for store in sorted(idle, key=str):
        if store.is_old:
            yield _note(f"the {store} is not in use and holds files from before the guard", *_PURGE)
    for one in each:
        if problem := stores.find_unclean_cache(one):
            yield Finding(good=False, text=problem)
    for name in sorted({name for one in each for name in stores.remote_stores(one)}):
        yield _note(f"{name} is on another machine: nobody here knows what it holds from before the guard")


def _jobs(each: Iterable[Settings]) -> Iterator[Finding]:
    for store in _distinct(each, stores.all_stores):
        if store.kind != stores.JOB or not store.folder.is_dir():
            continue
        if stores.has_data_urls(store):
            yield Finding(good=False, text=f"the {store} holds requests that are data: URLs", advice=_PURGE)
        if not resume.was_closed(store.folder):
            yield Finding(
                good=False,
                text=f"the {store} is of a crawl that was killed: resumed, it would end at once with the rest missing",
                advice=("type: ingest-guard crawl --recover SPIDER (or remove the directory)",),
            )


def _doors(each: Iterable[Settings], policy: Policy) -> Iterator[Finding]:
    for one in each:
        for name in protections.DOORS:
            # Only what the project itself sets: by default, the add-on switches them off.
            if one.getbool(name) and (one.getpriority(name) or 0) > 0:
                text = f"{name} is on: other programs on this machine can read the memory of the crawl"
                if policy.level == "strict":
                    yield Finding(good=False, text=text, advice=("remove the setting",))
                else:
                    yield _note(text, "remove the setting")


def _handlers(each: Iterable[Settings], policy: Policy) -> Iterator[Finding]:
    for one in each:
        for scheme, path in sorted(one.getwithbase("DOWNLOAD_HANDLERS").items()):
            if path is not None and not _name(path).startswith(_OURS):
                checked = ", and what it brings is checked right there" if policy.level == "strict" else ""
                yield _note(f"{scheme}: is downloaded by {_name(path)}{checked}")
        if browsers.renders_pages(one):
            try:
                browsers.secure(one.copy(), strict=True)
            except SetupError as error:
                text = str(error).removeprefix("ingest_guard: ")
                yield Finding(good=policy.level != "strict", text=text, is_note=policy.level != "strict")


def _listeners(each: Iterable[Settings], policy: Policy) -> Iterator[Finding]:
    """Look for raw signals in the source of other people's components; only the start sees what is connected."""
    for path in _components(each, _COMPONENTS):
        found = sorted(set(_RAW_SIGNAL.findall(_source(path))))
        if not found:
            continue
        text = f"{_name(path)} seems to listen to {', '.join(found)}: unchecked bytes of responses"
        is_bad = policy.level == "strict" and found != ["response_downloaded"]
        yield Finding(good=not is_bad, text=text, is_note=not is_bad)


def _pipelines(each: Iterable[Settings]) -> Iterator[Finding]:
    for path in _components(each, ("ITEM_PIPELINES",), ours=True):
        loaded = _load(path)
        if isinstance(loaded, type) and issubclass(loaded, MediaPipeline):
            yield _note(f"{_name(path)} stores what has passed; a list that grows later does not reach what is stored")


def _log(each: Iterable[Settings], policy: Policy) -> Iterator[Finding]:
    if any(str(one.get("LOG_LEVEL")).upper() == "DEBUG" for one in each) and policy.level != "strict":
        yield _note(
            "LOG_LEVEL is DEBUG: Scrapy logs addresses (of redirects, say) before there is a verdict",
            "set LOG_LEVEL = 'INFO', or level: strict in the policy",
        )
    if not policy.hygiene.log_filter:
        yield _note("hygiene.log_filter is off: Scrapy's log lines may name the addresses of matches")
    if any(one.getbool("COOKIES_DEBUG") for one in each):
        yield _note("COOKIES_DEBUG is on: headers go into the log as servers sent them", "remove the setting")


def _age(policy: Policy, created: datetime) -> Iterator[Finding]:
    age = datetime.now(UTC) - created
    text = f"the blocklist is {_days(age.days)} old, and starts until it is {_days(policy.max_age.days)} old"
    yield Finding(good=True, text=text, is_note=age * 2 > policy.max_age)


def _hashes() -> Iterator[Finding]:
    try:
        conformance.require_conformance(conformance.NAMES)
    except IngestGuardError as error:
        yield Finding(good=False, text=str(error))


def _machine(policy: Policy) -> Iterator[Finding]:
    if problem := protections.untested_scrapy():
        yield _note(problem)
    if areas := process.swap_in_use():
        yield _note(f"swap is on ({', '.join(areas)}): bodies in memory may be written there", "swapoff -a")
    if policy.hygiene.core_dumps:
        yield _note("hygiene.core_dumps is on: a crash writes the memory of the crawl to a disk")
    if policy.hygiene.dumpable and _pipes_core_dumps():
        yield _note("core dumps go to a program here, whatever their size limit is", "set hygiene: {dumpable: false}")


def _pipes_core_dumps() -> bool:
    try:
        return _CORE_PATTERN.read_text(encoding="utf-8", errors="replace").startswith("|")
    except OSError:
        return False


def _blocklist(policy: Policy) -> tuple[str, datetime] | None:
    """Return the blocklist's version and when it was built; None where it does not open, which is reported already."""
    try:
        with Blocklist.open(policy.blocklist, key=list_key(policy), allow_empty=True) as opened:
            return opened.version, opened.created
    except IngestGuardError:
        return None


def _distinct(each: Iterable[Settings], of: Callable[[Settings], list[Store]]) -> list[Store]:
    return list(dict.fromkeys(store for one in each for store in of(one)))


def _components(each: Iterable[Settings], names: Iterable[str], *, ours: bool = False) -> list[Any]:
    """Return the components that are switched on, unless ``ours``, only other people's."""
    found = dict.fromkeys(
        key for one in each for name in names for key, order in one.getdict(name).items() if order is not None
    )
    return [key for key in found if ours or not _name(key).startswith(_OURS)]


def _load(path: Any) -> Any:
    try:
        return load_object(path)
    except Exception:  # noqa: BLE001 - other people's modules may raise anything; Scrapy reports it
        return None


def _name(path: Any) -> str:
    loaded = _load(path)
    if loaded is None:
        return str(path)
    return f"{getattr(loaded, '__module__', '')}.{getattr(loaded, '__qualname__', loaded)}"


def _source(path: Any) -> str:
    try:
        return inspect.getsource(_load(path))
    except (OSError, TypeError):
        return ""


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
