"""Puts the guard into every crawler of a process, whatever settings that is made with.

A ``.pth`` file of the suite's own virtual environment imports it at the start of each interpreter, so that it holds
for the processes that the tests start as well. It does nothing unless ``INGEST_GUARD_INJECT`` names a policy.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

VARIABLE = "INGEST_GUARD_INJECT"
_MODULE = "scrapy.crawler"
_ABOVE_ALL = 1000
_TOY = re.compile(r"data:,[;\w]{0,8}")


class _Finder(MetaPathFinder):
    """Finds ``scrapy.crawler`` as ever, and has it patched once it is loaded."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname != _MODULE:
            return None
        spec: ModuleSpec | None = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader)
        return spec


class _Patching(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _patch(module.Crawler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _patch(crawler_class: Any) -> None:
    apply = crawler_class._apply_settings  # noqa: SLF001 - there is no public hook that every crawler passes

    def guarded(crawler: Any) -> None:
        settings = crawler.settings
        if not settings.frozen:
            # A path, so that nothing of the guard is imported before Scrapy has installed its reactor.
            settings.set("ADDONS", {**settings.getdict("ADDONS"), "ingest_guard.Addon": 0}, _ABOVE_ALL)
            settings.set("INGEST_GUARD_POLICY", os.environ[VARIABLE], _ABOVE_ALL)
            _let_toy_addresses_pass()
        apply(crawler)

    crawler_class._apply_settings = guarded  # noqa: SLF001 - as above


def _let_toy_addresses_pass() -> None:
    """Let ``data:,`` with a few letters through: many tests use it where any address would do.

    Otherwise they would stop at the refusal, and say nothing about the rest.
    """
    from ingest_guard.scrapy_plugin import extension as watchdog  # noqa: PLC0415 - not before Scrapy has its reactor
    from ingest_guard.scrapy_plugin import spidermiddlewares  # noqa: PLC0415 - not before Scrapy has its reactor
    from ingest_guard.scrapy_plugin.check import request_rules as refusals  # noqa: PLC0415 - not before Scrapy has its reactor

    if getattr(refusals.refusal, "is_patched", False):
        return
    refuse, is_refused = refusals.refusal, spidermiddlewares.LinkGuard._is_refused  # noqa: SLF001 - as below

    def refusal(state: Any, request: Any, ticket: Any) -> str | None:
        return None if _TOY.fullmatch(request.url) else refuse(state, request, ticket)

    scheduled = watchdog.Watchdog.request_scheduled

    def request_scheduled(guard: Any, request: Any) -> None:
        if not _TOY.fullmatch(request.url):
            scheduled(guard, request)

    watchdog.Watchdog.request_scheduled = request_scheduled  # type: ignore[method-assign]
    refusal.is_patched = True  # type: ignore[attr-defined]
    refusals.refusal = refusal
    spidermiddlewares.LinkGuard._is_refused = lambda guard, each: (  # noqa: SLF001 - all three places refuse them
        not _TOY.fullmatch(getattr(each, "url", "")) and is_refused(guard, each)
    )


if os.environ.get(VARIABLE):
    sys.meta_path.insert(0, _Finder())
