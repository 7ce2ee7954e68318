"""What exchanges call a kind of value -> rows: one table for all that speak of signals, indicators or algorithms."""

from ingest_guard.lists.address_lists import address_rows, addresses
from ingest_guard.lists.entries import Rejected, Row, Unsupported
from ingest_guard.lists.values import PHOTODNA, photodna_row, value_row

_HASHES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "pdq": "pdq",
    "photodna": PHOTODNA,
    "pdna": PHOTODNA,
}
_ADDRESSES = frozenset({"url", "uri", "rawuri"})
# Compared word -> what it is counted as.
_VIDEO = ("videomd5", "videosha1", "videosha256", "videopdq", "vpdq", "videotmk", "tmk", "tmkpdqf")
_TEXT = ("rawtext", "text", "textstring", "trendquery", "texttlsh", "tlsh", "pdftlsh", "tlshpdf")
_UNSUPPORTED = {
    **dict.fromkeys(_VIDEO, "video"),
    **dict.fromkeys(_TEXT, "text"),
    **dict.fromkeys(("pdqocr", "urlmd5", "sha512"), "other"),
}


def folded(name: str) -> str:
    """Return a kind's name as the tables have it: no case, no punctuation, no leading ``HASH_``."""
    return name.lower().removeprefix("hash_").replace("_", "").replace("-", "").replace(" ", "")


def is_known(name: str) -> bool:
    """Return whether a kind is in the tables at all."""
    word = folded(name)
    return word in _HASHES or word in _ADDRESSES or word in _UNSUPPORTED


def rows_of(name: str, text: str, row: int, key: str | None = None) -> list[Row]:
    """Return the rows of one value of a kind; unknown kinds are unsupported.

    Raises
    ------
    BlocklistError
        A hasher plug-in for PhotoDNA is broken.
    """
    word = folded(name)
    if word in _ADDRESSES:
        found = address_rows(addresses, text, row, key) or [Rejected(row, "bad_url")]
        return [Unsupported(row, "other") if isinstance(each, Unsupported) else each for each in found]
    algorithm = _HASHES.get(word)
    if algorithm is None:
        return [Unsupported(row, _UNSUPPORTED.get(word, "other"))]
    if algorithm == PHOTODNA:
        return [photodna_row(text, row, key=key)]
    return [value_row(algorithm, text, row, key=key)]
