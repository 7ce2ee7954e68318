"""Addresses on a page: made absolute as a browser makes them, and kept apart from what is no address of an image."""

import re
from urllib.parse import quote

import webencodings
from ada_url import check_url, join_url, normalize_url
from w3lib.url import safe_url_string

_BLANKS = "".join(map(chr, range(0x21)))
_LINE_ENDS = str.maketrans("", "", "\t\n\r")
_LONGEST = 8192
# What needs no second look: nothing in it is written otherwise once it was sent.
_ORDINARY = re.compile(r"[A-Za-z0-9_.~:/?&=%+,;@!$'()*-]*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FIELD = (
    r"(?:(?:image|img|max|min|target|device)?[ _-]?(?:width|height|size|ratio)|dimensions?|resolution|quality|format|"
    r"ext|extension|density|dpr|pixelratio|crop|url|uri|src|source|href|path|image|img|file|filename|slug|thumb|w|h|wxh)"
)
"""What templates of pages name in marks that real addresses have as well."""
_UNFILLED = re.compile(
    # Marks that no address has: of Mustache, JavaScript, Jinja, Twig, ERB, PHP, ASP, AngularJS, mail systems.
    r"\{\{|\}\}|[$#@]\{|<[%?]|%>|\[%|\{%|\[\[|\*\||%%[\w.-]{1,60}%%|@@[\w.-]{1,60}@@|"
    # One pair of braces around a name, but around no GUID.
    r"\{(?![0-9A-Fa-f]{8}-|[0-9A-Fa-f]{32}\})[A-Za-z_$][\w.$|-]{0,60}\}|\{0\}|"
    # Marks that addresses have, too: around a name of what templates fill in.
    rf"<{_FIELD}>|%{_FIELD}%|__{_FIELD}__|\[{_FIELD}\](?![\[=])|"
    rf"(?:(?<![A-Za-z0-9:.])):{_FIELD}(?=[^0-9A-Za-z_@:-]|x:|$)|(?<=[/_]):{_FIELD}[x_-]:?{_FIELD}?",
    re.IGNORECASE,
)
_FRAGMENT_MARK = re.compile(r"##[\w.-]{1,60}##|#\{")
"""Marks at which an address would be cut off."""
_ESCAPED_MARK = re.compile(r"%(?:7B|7D|5B|5D|24|3C|3E|7C|25(?=25|[A-Za-z_]))", re.IGNORECASE)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
# A port that nothing listens at, a label that no name server knows.
_UNREACHABLE = re.compile(r"https?://[^/]*(?::0/|[^/.:@]{64})")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
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
        Of the page, by its WHATWG name: what letters in a query are sent in.
    """

    def __init__(self, page_url: str, base: str | None, encoding: str) -> None:
        # Browsers send what they have read as UTF-16 in UTF-8.
        self._encoding = None if encoding.lower().startswith(("utf", "replacement")) else encoding
        self._base = page_url if check_url(page_url.encode("utf-8", "replace").decode()) else None
        self._known: dict[str, str | None] = {}
        if base is not None:
            self._base = self.absolute(base) or self._base
            self._known.clear()

    def absolute(self, text: str | None) -> str | None:
        """Return an address as it would be requested, without its fragment; None where nothing can be fetched."""
        if not text or len(text) > _LONGEST:
            return None
        if text not in self._known:
            self._known[text] = self._absolute(text)
        return self._known[text]

    def _absolute(self, text: str) -> str | None:
        whole = text.strip(_BLANKS).translate(_LINE_ENDS)
        cleaned = whole.partition("#")[0]
        if not cleaned or is_unfilled(whole):
            return None
        try:
            if self._encoding is not None and not cleaned.isascii():
                cleaned = _with_query_in(cleaned, self._encoding)
            url = normalize_url(cleaned) if self._base is None else join_url(self._base, cleaned)
            if not url.startswith(("http://", "https://")) or _UNREACHABLE.match(url):
                return None
            if not _ORDINARY.fullmatch(url) or _BAD_PERCENT.search(url) or url[-1] == "?":
                # Scrapy escapes more than browsers do: the address of a record is the one that was asked for.
                url = safe_url_string(url, quote_path=True)
        except (ValueError, LookupError):
            return None
        return url if len(url) <= _LONGEST else None


def _with_query_in(url: str, encoding: str) -> str:
    """Return an address whose query is escaped in the encoding of the page, as browsers do; the path is UTF-8."""
    path, mark, query = url.partition("?")
    if not mark or query.isascii():
        return url
    # What the encoding lacks is sent as a character reference.
    known = webencodings.lookup(encoding)
    if known is None:
        raise LookupError(encoding)
    encode = known.codec_info.encode
    escaped = _BEYOND_ASCII.sub(lambda found: quote(encode(found[0], "xmlcharrefreplace")[0], safe=""), query)
    return f"{path}?{escaped}"


def is_unfilled(text: str) -> bool:
    """Return whether an address is a template that a script was to fill in: ``/a_{width}x.jpg``, ``%%URL%%``."""
    plain = _ESCAPED_MARK.sub(lambda mark: chr(int(mark[0][1:], 16)), text)
    return _FRAGMENT_MARK.search(plain) is not None or _UNFILLED.search(plain.partition("#")[0]) is not None


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
    if url.startswith(("https://", "http://", "/")):
        return False
    scheme = _SCHEME.match(url.strip(_BLANKS).translate(_LINE_ENDS))
    return not url.strip(_BLANKS) or (scheme is not None and scheme[0].lower() not in {"http:", "https:"})
