"""How addresses and other texts from outside are shown: no links, no control characters."""

from __future__ import annotations

import re
from typing import Any

_SCHEME = re.compile(r"(?i)http(?=s?:)")


def defang(text: str) -> str:
    """Return a text without an address that a terminal or a mail program makes a link of; printable, too."""
    return printable(_SCHEME.sub("hxxp", text))


def printable(text: str) -> str:
    """Return a text with all but printable characters escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def defang_all(value: Any) -> Any:
    """Return a JSON value with each text in it, and each key, as :func:`defang` shows it."""
    if isinstance(value, dict):
        return {defang(key): defang_all(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [defang_all(each) for each in value]
    return defang(value) if isinstance(value, str) else value
