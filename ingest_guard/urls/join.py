"""Addresses on a page: made absolute as a browser makes them, and kept apart from what is no address of an image."""

import re
from urllib.parse import urlsplit

from w3lib.url import safe_url_string

from ingest_guard.urls.normalise import remove_dot_segments

_BLANKS = "".join(map(chr, range(0x21)))
_LINE_ENDS = str.maketrans("", "", "\t\n\r")
_LONGEST = 8192
# What needs no second look: nothing in it is written otherwise once it was sent.
_ORDINARY = re.compile(r"[A-Za-z0-9_.~:/?&=%+,;@!$'()*-]*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNFILLED = re.compile(r"\{\{|\$\{|<%|\[%|%7B%7B|\{%", re.IGNORECASE)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_PICTURES = frozenset(
    "jpg jpeg jpe jfif png apng gif webp avif bmp dib tif tiff ico jp2 j2k jpx".split()  # noqa: SIM905 - easier to read
)


class Addresses:
    """The addresses of one page.

    Parameters
    ----------
    page_url
        Of the response.
    base
        The first ``base`` element's ``href``, if there is one.
    encoding
        Of the page: what letters in a query are sent in.
    """

    def __init__(self, page_url: str, base: str | None, encoding: str) -> None:
        self._encoding = encoding
        self._base = page_url
        self._known: dict[str, str | None] = {}
        if base is not None:
            self._base = self.absolute(base) or page_url
            self._known.clear()

    def absolute(self, text: str | None) -> str | None:
        """Return an address as it would be requested, without its fragment; None where nothing can be fetched."""
        if not text or len(text) > _LONGEST:
            return None
        if text not in self._known:
            self._known[text] = self._absolute(text)
        return self._known[text]

    def _absolute(self, text: str) -> str | None:
        cleaned = text.strip(_BLANKS).translate(_LINE_ENDS).partition("#")[0]
        if not cleaned or _UNFILLED.search(cleaned):
            return None
        if "\\" in cleaned:
            path, mark, query = cleaned.partition("?")
            cleaned = path.replace("\\", "/") + mark + query
        try:
            joined = _lower(join(self._base, cleaned))
            parts = urlsplit(joined)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                return None
            if _ORDINARY.fullmatch(joined) and not _BAD_PERCENT.search(joined):
                url = joined
            else:
                url = safe_url_string(joined, self._encoding, "utf-8", quote_path=True)
        except (ValueError, UnicodeError, LookupError):
            return None
        return url if len(url) <= _LONGEST and url.isascii() else None


def join(base: str, reference: str) -> str:
    """Return an address that is relative to another one, by RFC 3986, section 5.2.

    Empty segments stay, as in a browser: Python's own ``urljoin`` takes ``a//b`` for ``a/b``.
    """
    scheme = _SCHEME.match(reference)
    if scheme is not None:
        base_scheme = base.partition(":")[0].lower()
        if reference[scheme.end() :].startswith("//") or scheme[0][:-1].lower() != base_scheme:
            return _without_dots(reference)
        reference = reference[scheme.end() :]  # https:path, as browsers read it
    start, _, rest = base.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    origin = f"{start}://{host}"
    if reference.startswith("//"):
        return _without_dots(f"{start}:{reference}")
    if reference.startswith("/"):
        return _without_dots(origin + reference)
    if reference.startswith("?"):
        return origin + (slash or "/") + path + reference
    return _without_dots(f"{origin}/{path.rpartition('/')[0]}{'/' if '/' in path else ''}{reference}")


def _without_dots(url: str) -> str:
    """Return an absolute address without dot segments in its path."""
    start, mark, rest = url.partition("://")
    path, question, query = rest.partition("?")
    return f"{start}{mark}{remove_dot_segments(path)}{question}{query}" if mark else url


def _lower(url: str) -> str:
    """Write scheme and host in lower case: two spellings of one address are one image."""
    start, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name, at, place = host.rpartition("@")
    return f"{start.lower()}{mark}{name}{at}{place.lower() if '?' not in place else place}{slash}{path}"


def names_picture(url: str) -> bool:
    """Return whether the path of an address ends as pictures' do."""
    path = url.partition("?")[0]
    return path.rpartition(".")[2].lower() in _PICTURES


def looks_like_address(text: str) -> bool:
    """Return whether the value of an attribute of a page's own may be an address: ``data-src="true"`` is none."""
    if len(text) > _LONGEST or text[:1] in "{[" or any(blank in text for blank in ' \t\n\r<>"'):
        return False
    return "/" in text or "." in text


def is_placeholder(url: str) -> bool:
    """Return whether an address as written stands for nothing yet: empty, ``data:``, ``about:blank``, a script."""
    scheme = _SCHEME.match(url.strip(_BLANKS).translate(_LINE_ENDS))
    return not url.strip(_BLANKS) or (scheme is not None and scheme[0].lower() not in {"http:", "https:"})
