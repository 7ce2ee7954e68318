"""Style sheets: every URL and every string of one, as https://drafts.csswg.org/css-syntax/ has them.

Only what can hold a ``data:`` URL is given to tinycss2, which takes a thousand times as long as the test for it.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any, Final

import tinycss2

from ingest_guard.pages.data_urls import is_data_url
from ingest_guard.pages.findings import EMBEDDED, Kind, Piece
from ingest_guard.pages.may_hold import may_hold
from ingest_guard.pages.strings import urls_in_text

_IN_WORDS: Final = (string.ascii_letters + string.digits + "_- \t\n\f\r").encode() + bytes(range(0x80, 0x100))


def count_tokens(text: str) -> int:
    """Return about how many tokens a style sheet has, never less than a quarter of them: they are what it costs."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data.translate(None, _IN_WORDS)) + len(data.split())


def read_styles(text: str, *, is_readable: bool = True, is_shown: bool = True) -> Iterator[Piece]:
    """Yield the ``data:`` URLs of a style sheet or of a ``style`` attribute.

    Parameters
    ----------
    text
        Rules, declarations or any part of them.
    is_readable
        False where it is over a limit: that is a doubt where it can hold a URL.
    is_shown
        False where no browser takes the text for a style.
    """
    if not may_hold(text):
        return
    if not is_readable:
        yield from urls_in_text(text.encode("utf-8", "surrogatepass"))
        if is_shown:
            yield Piece(Kind.DOUBT, EMBEDDED)
        return
    waiting: list[Any] = [iter(tinycss2.parse_component_value_list(text, skip_comments=True))]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif node.type in {"url", "string"}:
            if is_data_url(node.value):
                yield Piece(Kind.URL, node.value, is_shown=is_shown)
        elif node.type == "function":
            waiting.append(iter(node.arguments))
        elif node.type in {"{} block", "[] block", "() block"}:
            waiting.append(iter(node.content))
