"""What a ``data:`` URL is: the one answer, for requests, items and log lines.

The WHATWG's URL standard (https://url.spec.whatwg.org/#url-parsing) strips blanks and control characters from the start
of a URL, takes tabs and line breaks out of all of it, and ignores the case of its scheme.
"""

import re

_START = re.compile(r"[\x00-\x20]*d[\t\r\n]*a[\t\r\n]*t[\t\r\n]*a[\t\r\n]*:", re.IGNORECASE)
_SCHEME = re.compile("data:", re.IGNORECASE)
_REST = re.compile(r"[^\s<>'\"]*")
# In prose, a blank follows the colon.
_VALUE = re.compile(_START.pattern + r"\S", re.IGNORECASE)
_WITH_TYPE = re.compile(
    rb"data:\s*(?:image/|[a-z]+/[\w.+-]+\s*[;,]|[^,\s]{0,200};\s*base64\s*,)|\A\s*data:[^,\s]*,", re.IGNORECASE
)


def is_data_url(url: str) -> bool:
    """Return whether a URL has the scheme ``data``, as a browser reads it."""
    return _START.match(url) is not None


def begins_data_url(text: str) -> bool:
    """Return whether a text that need not be a URL begins as a ``data:`` URL: "Data: from 2019" does not."""
    return _VALUE.match(text) is not None


def quotes_data_url(text: bytes) -> bool:
    """Return whether a text is a ``data:`` URL, or has one with a type, or with ``base64``, somewhere in it.

    ``text`` must have no tabs and line breaks any more, which URLs may have anywhere.
    """
    return _WITH_TYPE.search(text) is not None


def redact_data_urls(text: str, mark: str) -> str:
    """Return a text in which each ``data:`` URL is replaced by ``data:`` and a mark.

    A URL ends at white space, a quote or an angle bracket, and has a comma before its body; ``data:`` without one is a
    word like any other. Takes time in proportion to the text.
    """
    found = _SCHEME.search(text)
    if found is None:
        return text
    kept: list[str] = []
    at = 0
    while found is not None:
        rest = _REST.match(text, found.end())
        stop = rest.end() if rest else found.end()
        if "," in text[found.end() : stop]:
            kept += (text[at : found.start()], "data:", mark)
            at = stop
        found = _SCHEME.search(text, stop)
    return "".join([*kept, text[at:]])
