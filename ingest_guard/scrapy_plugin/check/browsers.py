"""Pictures that reach a disk or the memory by way of a browser, and never as a response that anything could check.

A browser that renders pages for the crawl (scrapy-playwright) fetches the pictures of a page by itself; and Scrapy's
``open_in_browser`` writes a response into a temporary file that nothing removes.
"""

import inspect
import logging
from types import SimpleNamespace
from typing import Any

from scrapy import Request
from scrapy.settings import BaseSettings
from scrapy.utils import response as scrapy_response
from scrapy.utils.misc import load_object

from ingest_guard.errors import IngestGuardError, SetupError

logger = logging.getLogger(__name__)

_PACKAGE = "scrapy_playwright"
_ABORT = "PLAYWRIGHT_ABORT_REQUEST"
_LAST = 100
_PICTURES = ("image", "media")
_BYTES_OUT = ("screenshot", "pdf")


def abort_pictures(request: Any) -> bool:
    """Return whether a browser is not to fetch something, a picture or a film: ``PLAYWRIGHT_ABORT_REQUEST``."""
    return request.resource_type in _PICTURES


def secure(settings: BaseSettings, *, strict: bool) -> None:
    """See to it that a browser that renders pages fetches no pictures by itself.

    Raises
    ------
    SetupError
        In the strict level, where a setting of the project's lets it, or keeps the browser's own cache.
    """
    if not renders_pages(settings):
        return
    abort = settings.get(_ABORT)
    if abort is None:
        settings.set(_ABORT, abort_pictures, _LAST)
    elif not _aborts_pictures(abort):
        _complain(
            f"{_ABORT} does not abort requests for pictures, so the browser loads what nothing checks; remove it, or "
            "let it return True where request.resource_type is 'image'",
            strict=strict,
        )
    contexts = settings.getdict("PLAYWRIGHT_CONTEXTS")
    kept = sorted(str(name) for name, options in contexts.items() if "user_data_dir" in (options or {}))
    if kept:
        _complain(
            f"PLAYWRIGHT_CONTEXTS has a user_data_dir ({', '.join(kept)}), in which the browser keeps a cache of its "
            "own; remove it",
            strict=strict,
        )


def renders_pages(settings: BaseSettings) -> bool:
    """Return whether a download handler is a browser's."""
    return any(path is not None and _is_browser(path) for path in settings.getwithbase("DOWNLOAD_HANDLERS").values())


def hands_out_pictures(request: Request) -> bool:
    """Return whether a request asks for the browser's page itself, or for pictures of it."""
    if request.meta.get("playwright_include_page"):
        return True
    methods = request.meta.get("playwright_page_methods") or ()
    methods = methods.values() if isinstance(methods, dict) else methods
    return any(getattr(method, "method", None) in _BYTES_OUT for method in methods)


def forbid_open_in_browser() -> None:
    """Let ``open_in_browser`` fail before it writes, also where it was imported before."""
    scrapy_response.tempfile = _NoFiles()  # type: ignore[attr-defined, assignment]


def allow_open_in_browser() -> None:
    """Undo :func:`forbid_open_in_browser`."""
    import tempfile  # noqa: PLC0415 - the real one, for the module that had it

    scrapy_response.tempfile = tempfile  # type: ignore[attr-defined]


class _NoFiles:
    """What stands in for ``tempfile`` in the module of ``open_in_browser``."""

    def __getattr__(self, name: str) -> Any:
        raise IngestGuardError(
            "ingest_guard: open_in_browser would leave the response in a temporary file; in the strict level it is off"
        )


def _is_browser(path: Any) -> bool:
    try:
        handler = load_object(path)
    except (ImportError, NameError, TypeError, ValueError, AttributeError):
        return str(path).startswith(_PACKAGE)
    # A wrapper of ours counts as what is in it.
    handler = getattr(handler, "inner_class", None) or handler
    return any(cls.__module__.split(".", 1)[0] == _PACKAGE for cls in getattr(handler, "__mro__", ()))


def _aborts_pictures(abort: Any) -> bool:
    """Ask the project's own function about a picture; whatever it cannot say without a browser counts as no."""
    probe = SimpleNamespace(
        resource_type="image", url="https://probe.example/picture.jpg", method="GET", headers={}, frame=None
    )
    try:
        answer = load_object(abort)(probe)
        if inspect.iscoroutine(answer):
            try:
                answer.send(None)
            except StopIteration as done:
                answer = done.value
            else:
                answer.close()
                return False
    except Exception:  # noqa: BLE001 - it is the project's own code
        return False
    return bool(answer)


def _complain(text: str, *, strict: bool) -> None:
    if strict:
        raise SetupError(f"ingest_guard: {text}")
    logger.warning("ingest_guard: %s", text)
