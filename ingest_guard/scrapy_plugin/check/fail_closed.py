"""Nothing but ordinary exceptions leaves a part of the guard.

Scrapy waits for ever after a ``SystemExit`` out of a middleware, and an interrupt that ends one check must not end it
half-way with the response unchecked. Either latches the guard.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.verdict import Reason

# The others are how coroutines are cancelled and closed, and must go through.
_ENDS = (SystemExit, KeyboardInterrupt)


def fenced(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method of a part, which has a ``_state``, latch the guard where it would end the process.

    What it was about is dropped: the method raises ImageBlocked.
    """
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def generating(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            try:
                async with aclosing(method(self, *args, **kwargs)) as each:
                    async for value in each:
                        yield value
            except _ENDS as error:
                raise _latch(self, error) from None

        return generating

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def asynchronous(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return await method(self, *args, **kwargs)
            except _ENDS as error:
                raise _latch(self, error) from None

        return asynchronous

    @functools.wraps(method)
    def synchronous(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except _ENDS as error:
            raise _latch(self, error) from None

    return synchronous


def _latch(part: Any, error: BaseException) -> ImageBlocked:
    part._state.fail(f"a part of it ended with {type(error).__name__}")  # noqa: SLF001 - all parts have one
    return ImageBlocked("not_scannable", Reason.GUARD_FAILED)
