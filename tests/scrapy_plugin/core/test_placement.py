from __future__ import annotations

import gc
import inspect
import logging
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Spider
from scrapy.core.downloader import Downloader
from scrapy.exceptions import CloseSpider, NotConfigured
from scrapy.middleware import MiddlewareManager
from scrapy.settings import Settings
from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.test import get_crawler

import ingest_guard
from ingest_guard import Addon, IngestGuardError, PolicyError, SetupError
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.settings import policy_path
from ingest_guard.scrapy_plugin.core.state import CLOSE_REASON, GuardState
from ingest_guard.scrapy_plugin.extension import Watchdog
from ingest_guard.scrapy_plugin.gate import Gate
from ingest_guard.scrapy_plugin.pipelines import CheckPipeline, RecordPipeline
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.scrapy_plugin.sentinel import Sentinel
from ingest_guard.scrapy_plugin.spidermiddlewares import LinkGuard
from ingest_guard.urls import registrable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy_plugin.conftest import Chain

GATE = "ingest_guard.scrapy_plugin.gate.Gate"
PARTS = [Gate, Sentinel, LinkGuard, CheckPipeline, RecordPipeline, Watchdog]


class Other:
    """Somebody else's component."""


class MyGate(Gate):
    """A gate with ideas of its own."""


class MyDownloader(Downloader):
    """A downloader that may go around the middlewares."""


class MyAddon(Addon):
    """An add-on with ideas of its own."""


class LateAddon:
    """An add-on that comes after the guard's and moves a part of it."""

    @staticmethod
    def update_settings(settings: Any) -> None:
        """Put the gate among the others."""
        settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", Gate, 500)


def build_all(crawler: Crawler) -> None:
    """Build the parts in the order in which Scrapy does."""
    Watchdog.from_crawler(crawler)
    for part in (Gate, Sentinel, CheckPipeline, RecordPipeline):
        part.from_crawler(crawler)
    LinkGuard(crawler)


def test_all_parts_stand_where_they_must(make_crawler: Callable[..., Crawler]) -> None:
    """The one line in ADDONS puts every part into the settings, at its end."""
    crawler = make_crawler()
    for part, cls in zip(placement.PARTS, PARTS[:3] + PARTS[3:], strict=True):
        entries = placement.merged(crawler.settings, part.setting)
        assert entries[cls] == part.order
        others = [order for key, order in entries.items() if key is not cls and order is not None]
        if part.end is not None:
            assert all(order < part.order for order in others) or all(order > part.order for order in others)
    build_all(crawler)
    assert crawler.settings.getbool("TELNETCONSOLE_ENABLED") is False
    assert crawler.settings.getbool("REMOTE_CONTROL_ENABLED") is False


@pytest.mark.parametrize("key", ["ingest_guard.Addon", "ingest_guard.scrapy_plugin.addon.Addon", Addon])
def test_every_spelling_of_the_addon(make_crawler: Callable[..., Crawler], key: object) -> None:
    """The public path, the real one and the class are the same add-on."""
    build_all(make_crawler(ADDONS={key: 0}))


def test_addon_is_lazy() -> None:
    """The public name is the class itself."""
    assert ingest_guard.Addon is Addon


SWITCHED_OFF = [
    ("DOWNLOADER_MIDDLEWARES", {GATE: None}),
    ("DOWNLOADER_MIDDLEWARES", {Gate: None}),
    ("DOWNLOADER_MIDDLEWARES", {"ingest_guard.scrapy_plugin.sentinel.Sentinel": None}),
    ("SPIDER_MIDDLEWARES", {LinkGuard: None}),
    ("ITEM_PIPELINES", {CheckPipeline: None}),
    ("ITEM_PIPELINES", {RecordPipeline: None}),
    ("EXTENSIONS", {Watchdog: None}),
]


@pytest.mark.parametrize(("setting", "value"), SWITCHED_OFF)
def test_part_that_is_switched_off(make_crawler: Callable[..., Crawler], setting: str, value: dict[Any, Any]) -> None:
    """None for a part of the guard stops the crawl, from the project as from a spider."""
    with pytest.raises(SetupError, match=f"is set to None in {setting}; remove that entry"):
        make_crawler(**{setting: value})
    spider = type("Sly", (Spider,), {"name": "sly", "custom_settings": {setting: value}})
    with pytest.raises(SetupError, match="is set to None"):
        make_crawler(spider=spider)


def test_subclass_beside_the_gate(make_crawler: Callable[..., Crawler]) -> None:
    """A second gate is not the gate."""
    with pytest.raises(SetupError, match="a second Gate; remove it"):
        make_crawler(DOWNLOADER_MIDDLEWARES={MyGate: 900})


@pytest.mark.parametrize(
    ("setting", "order", "outside"),
    [
        ("DOWNLOADER_MIDDLEWARES", 10**9, "Gate"),
        ("DOWNLOADER_MIDDLEWARES", 10**9 + 1, "Gate"),
        ("DOWNLOADER_MIDDLEWARES", -(10**9), "Sentinel"),
        ("SPIDER_MIDDLEWARES", 10**10, "LinkGuard"),
        ("ITEM_PIPELINES", -(10**10), "CheckPipeline"),
        ("ITEM_PIPELINES", 10**9, "RecordPipeline"),
    ],
)
def test_component_outside_of_the_guard(
    make_crawler: Callable[..., Crawler], setting: str, order: int, outside: str
) -> None:
    """Whatever would stand between the guard and the network, or behind the records, stops the crawl."""
    with pytest.raises(SetupError, match=rf"has order {order} in {setting}, outside of {outside}"):
        make_crawler(**{setting: {Other: order}})


def test_component_inside_is_fine(make_crawler: Callable[..., Crawler]) -> None:
    """Others may stand anywhere else, or be switched off."""
    make_crawler(DOWNLOADER_MIDDLEWARES={Other: 10**9 - 1}, ITEM_PIPELINES={Other: None})


def test_gate_moved_by_another_addon(make_crawler: Callable[..., Crawler]) -> None:
    """The final settings count, whoever wrote them last."""
    with pytest.raises(SetupError, match="Gate does not stand at 1000000000 in DOWNLOADER_MIDDLEWARES"):
        make_crawler(ADDONS={"ingest_guard.Addon": 0, LateAddon: 1})


@pytest.mark.parametrize("setting", ["DOWNLOADER", "SCRAPER", "ITEM_PROCESSOR"])
def test_foreign_classes_of_the_engine(make_crawler: Callable[..., Crawler], setting: str) -> None:
    """Another downloader may not call middlewares at all."""
    with pytest.raises(SetupError, match=rf"{setting} is .*; the guard knows what it guards only with"):
        make_crawler(**{setting: MyDownloader})
    with pytest.raises(SetupError, match="remove the setting"):
        make_crawler(**{setting: "no.such.Thing"})


EMPTY_ADDONS: list[dict[Any, Any]] = [{}, {"ingest_guard.Addon": None}, {MyAddon: 0}, {"no.such.Addon": 0}]


@pytest.mark.parametrize("addons", EMPTY_ADDONS[:2])
@pytest.mark.parametrize("more", [{}, {"EXTENSIONS": {Watchdog: None}}, {"EXTENSIONS": {Watchdog: 0, Other: 1}}])
def test_spider_that_empties_addons(
    make_crawler: Callable[..., Crawler], addons: dict[Any, Any], more: dict[str, Any]
) -> None:
    """A spider that removes the add-on, and more, does not remove the parts that were there before it."""
    seen: list[Settings] = []

    class Sly(Spider):
        name = "sly"
        custom_settings = {"ADDONS": addons, **more}  # noqa: RUF012 - as spiders do it

        @classmethod
        def update_settings(cls, settings: Any) -> None:
            super().update_settings(settings)
            seen.append(settings)

    with pytest.raises(SetupError, match="the add-on is not in the setting ADDONS"):
        make_crawler(spider=Sly)
    for part, cls in zip(placement.PARTS[:-1], PARTS, strict=False):
        assert placement.merged(seen[0], part.setting)[cls] == part.order


@pytest.mark.parametrize("part", PARTS)
def test_each_part_needs_the_addon(policy_file: Path, part: Any) -> None:
    """A part that is built without the add-on refuses, whichever it is and however it came there."""
    crawler = get_crawler(None, {"INGEST_GUARD_POLICY": str(policy_file)})
    with pytest.raises(SetupError, match="the add-on is not in the setting ADDONS"):
        getattr(part, "from_crawler", part)(crawler)


@pytest.mark.parametrize("addons", EMPTY_ADDONS)
def test_add_on_that_is_not_ours(addons: dict[Any, Any]) -> None:
    """No add-on, one that is switched off, a subclass: none of them is the guard."""
    with pytest.raises(SetupError, match=r'put ADDONS = \{"ingest_guard.Addon": 0\} back'):
        placement.require_addon(Settings({"ADDONS": addons}))


def test_second_line_of_defence(policy_file: Path) -> None:
    """A part that is listed by itself refuses to be built where the command line has emptied ADDONS."""
    settings = {"ADDONS": {}, "EXTENSIONS": {placement.WATCHDOG: 0}, "INGEST_GUARD_POLICY": str(policy_file)}
    with pytest.raises(SetupError, match="the add-on is not in the setting ADDONS"):
        get_crawler(None, settings)


def test_start_up_errors_are_one_line_in_the_log(
    make_crawler: Callable[..., Crawler], caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads what to do in one line."""
    with pytest.raises(SetupError):
        make_crawler(EXTENSIONS={Watchdog: None})
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.getMessage().startswith("The crawl does not start. ingest_guard: Watchdog is set to None")


def test_not_configured_never_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    """Scrapy would take it for a part that steps aside; so it becomes an error."""
    with pytest.raises(SetupError, match="raised NotConfigured"), placement.announced():
        raise NotConfigured("x")
    assert "does not start" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [("blocklist: absent\n", "absent"), ("blocklst: x\n", "unknown key"), (None, "cannot be read")],
)
def test_policies_that_do_not_start(
    make_crawler: Callable[..., Crawler], policy_file: Path, tmp_path: Path, text: str | None, problem: str
) -> None:
    """A typo in the policy, or a list that is not there, is an error that nothing swallows."""
    if text is None:
        with pytest.raises(PolicyError, match=problem):
            make_crawler(INGEST_GUARD_POLICY=str(tmp_path / "absent.yaml"))
        return
    policy_file.write_text(text, encoding="utf-8")
    with pytest.raises(IngestGuardError, match=problem) as caught:
        Watchdog.from_crawler(make_crawler())
    assert not isinstance(caught.value, NotConfigured)


@pytest.mark.parametrize("value", [None, ""])
def test_setting_that_is_missing(make_crawler: Callable[..., Crawler], value: str | None) -> None:
    """Without the one setting the error says what to add."""
    with pytest.raises(SetupError, match=r'INGEST_GUARD_POLICY = "policy\.yaml"'):
        make_crawler(INGEST_GUARD_POLICY=value)


def test_policy_is_looked_for_beside_scrapy_cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the project, from whatever folder in it the crawl is started; else to the working folder."""
    inner = tmp_path / "project" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    settings = Settings({"INGEST_GUARD_POLICY": "conf/policy.yaml"})
    assert policy_path(settings) == inner / "conf" / "policy.yaml"
    (tmp_path / "project" / "scrapy.cfg").write_text("")
    assert policy_path(settings) == tmp_path / "project" / "conf" / "policy.yaml"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert policy_path(Settings({"INGEST_GUARD_POLICY": "~/p.yaml"})) == tmp_path / "p.yaml"


def test_runtime_is_one_for_all_parts(make_crawler: Callable[..., Crawler]) -> None:
    """The parts of one crawler share it; those of another do not."""
    first, second = make_crawler(), make_crawler()
    assert Runtime.of(first) is Runtime.of(first)
    assert Runtime.of(first) is not Runtime.of(second)
    held = Runtime.of(first)
    held.close()
    assert Runtime.of(first) is not held


def engine(**chains: list[Any]) -> SimpleNamespace:
    """Return what looks like an engine with these chains."""

    def chain(name: str) -> SimpleNamespace:
        answering = [part.process_response for part in reversed(chains[name]) if hasattr(part, "process_response")]
        return SimpleNamespace(
            middlewares=chains[name], methods={"process_response": answering}, _mw_methods_requiring_spider=set()
        )

    return SimpleNamespace(
        downloader=SimpleNamespace(middleware=chain("downloader")),
        scraper=SimpleNamespace(spidermw=chain("spider"), itemproc=chain("items")),
    )


@pytest.fixture
def built(make_crawler: Callable[..., Crawler]) -> tuple[Crawler, dict[str, list[Any]]]:
    """Return a crawler and its parts in the right order, with others among them."""
    crawler = make_crawler()
    return crawler, {
        "downloader": [Sentinel.from_crawler(crawler), Other(), Gate.from_crawler(crawler)],
        "spider": [Other(), LinkGuard(crawler)],
        "items": [CheckPipeline.from_crawler(crawler), Other(), RecordPipeline.from_crawler(crawler)],
    }


def test_built_chain_as_it_must_be(built: tuple[Crawler, dict[str, list[Any]]]) -> None:
    """The chains that were really built are looked at, too."""
    crawler, chains = built
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    placement.require_chain(crawler)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("downloader", lambda parts: parts[:-1]),
        ("downloader", lambda parts: [*parts, Other()]),
        ("downloader", lambda parts: [Other(), *parts]),
        ("downloader", lambda parts: [parts[0], parts[2], parts[2]]),
        ("downloader", lambda _: []),
        ("downloader", lambda parts: [*parts[:-1], MyGate(parts[2]._state)]),
        ("spider", lambda parts: parts[::-1]),
        ("items", lambda parts: parts[1:]),
        ("items", lambda parts: parts[:-1]),
    ],
)
def test_built_chain_that_is_not(
    built: tuple[Crawler, dict[str, list[Any]]], name: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    """A part that is missing, doubled, replaced or not at its end is an error."""
    crawler, chains = built
    chains[name] = change(chains[name])
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    with pytest.raises(SetupError, match="is not at its end of the chain"):
        placement.require_chain(crawler)


def test_crawler_without_an_engine(make_crawler: Callable[..., Crawler]) -> None:
    """There is nothing to look at, so it is an error."""
    with pytest.raises(SetupError, match="has no engine"):
        placement.require_chain(make_crawler())


async def opened(part: Any) -> None:
    """Open a pipeline as Scrapy does."""
    await ensure_awaitable(part.open_spider())


def test_the_list_of_suffixes_is_read_while_the_workers_start(
    chain: Chain, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the wait for them, and so before the first request."""
    part, seen = chain.part("CheckPipeline"), []

    async def ready() -> None:
        seen.append(registrable._domain.cache_info().currsize)

    for check in ("placement.require_chain", "protections.require_built"):
        monkeypatch.setattr(f"ingest_guard.scrapy_plugin.pipelines.{check}", lambda _: None)
    monkeypatch.setattr(chain.state.pool, "ready", ready)
    registrable._domain.cache_clear()
    run(opened(part))
    assert seen == [1]


def test_check_pipeline_refuses_to_open(chain: Chain, run: Callable[..., Any]) -> None:
    """The pipeline's start-up error ends the crawl with an exit code, which a signal handler's does not."""
    chain.crawler.engine = engine(downloader=[], spider=[], items=[])  # type: ignore[assignment]
    with pytest.raises(SetupError):
        run(opened(chain.part("CheckPipeline")))


def test_check_pipeline_opens(built: tuple[Crawler, dict[str, list[Any]]], run: Callable[..., Any]) -> None:
    """With everything in its place it waits for the workers and is content."""
    crawler, chains = built
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    run(opened(chains["items"][0]))


def test_a_pipeline_that_nobody_waits_for_is_no_warning(chain: Chain) -> None:
    """Where another pipeline's open_spider raises, Scrapy drops what ours gave; what was never begun says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        waiting = chain.part("CheckPipeline").open_spider()
        assert inspect.isawaitable(waiting)
        del waiting
        gc.collect()


def test_watchdog_notes_what_the_crawl_is_held_against(
    built: tuple[Crawler, dict[str, list[Any]]],
    caplog: pytest.LogCaptureFixture,
    run: Callable[..., Any],
) -> None:
    """Lists and check set go into the statistics and, by name, into the log."""
    crawler, chains = built
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    watchdog = Watchdog.from_crawler(crawler)

    async def opened() -> None:
        watchdog.spider_opened()

    with caplog.at_level(logging.INFO):
        run(opened())
    state = GuardState.of(crawler)
    assert state.is_open
    assert crawler.stats.get_value("ingest_guard/list_version") == state.guard.version
    assert crawler.stats.get_value("ingest_guard/check_set") == state.guard.attestation["check_set"]
    assert "against addresses, bytes, looks (md5, pdq, sha256)" in caplog.text
    watchdog.spider_closed()
    assert crawler.stats.get_value("ingest_guard/workers/lost") == 0


def test_watchdog_stops_a_crawl_whose_chain_changed(built: tuple[Crawler, dict[str, list[Any]]]) -> None:
    """The second look comes when the spider is open."""
    crawler, chains = built
    chains["downloader"].pop()
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    watchdog = Watchdog.from_crawler(crawler)
    with pytest.raises(CloseSpider) as caught:
        watchdog.spider_opened()
    assert caught.value.reason == CLOSE_REASON
    assert GuardState.of(crawler).failed
    watchdog.spider_closed()


def test_watchdog_stops_a_crawl_whose_guard_has_failed_already(built: tuple[Crawler, dict[str, list[Any]]]) -> None:
    """A guard that failed before there was a spider to close closes it as soon as there is one."""
    crawler, chains = built
    crawler.engine = engine(**chains)  # type: ignore[assignment]
    watchdog = Watchdog.from_crawler(crawler)
    GuardState.of(crawler).fail("early")
    with pytest.raises(CloseSpider) as caught:
        watchdog.spider_opened()
    assert caught.value.reason == CLOSE_REASON
    watchdog.spider_closed()


def test_failure_closes_the_spider(chain: Chain, run: Callable[..., Any]) -> None:
    """Once the spider is open, a failure closes it with a reason of its own."""
    reasons: list[str] = []

    async def close(*, reason: str) -> None:
        reasons.append(reason)

    async def fail() -> None:
        chain.state.is_open = True
        chain.crawler.engine = SimpleNamespace(close_spider_async=close)  # type: ignore[assignment]
        chain.state.fail("the workers are gone")
        import asyncio  # noqa: PLC0415 - needed here only

        await asyncio.sleep(0.01)

    run(fail())
    assert reasons == [CLOSE_REASON]
    chain.runtime.close()


def test_addon_quietens_the_handler_that_prints_headers(make_crawler: Callable[..., Crawler]) -> None:
    """At DEBUG, Scrapy's handler prints header lines as the server sent them."""
    logger = logging.getLogger("scrapy.core.downloader.handlers.http11")
    before = logger.level
    try:
        logger.setLevel(logging.DEBUG)
        make_crawler()
        assert logger.level == logging.INFO
        logger.setLevel(logging.ERROR)
        make_crawler()
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_parts_are_middlewares_that_scrapy_can_build(chain: Chain) -> None:
    """Scrapy's own managers built them, at both ends."""
    assert isinstance(chain.downloader, MiddlewareManager)
    assert type(chain.downloader.middlewares[0]) is Sentinel
    assert type(chain.downloader.middlewares[-1]) is Gate
    assert [type(part) for part in chain.items.middlewares] == [CheckPipeline, RecordPipeline]
