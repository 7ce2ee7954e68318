"""The exchanges whose answers are JSON (StopNCII, Tech Against Terrorism, ThreatExchange), and files of signals.

Answers come as pages, one document each, in an array or as JSON Lines; or as the records of such pages alone.

StopNCII::

    {"count": 1, "nextPageToken": "...", "hasMoreRecords": false, "hashRecords": [
      {"signalType": "ImagePDQ", "hashValue": "...", "hashStatus": "Active", "lastModtimestamp": 1, ...}]}

A record is known by its signal type and value. ``Withdrawn`` and ``Deleted`` take it back; any other status leaves it
listed. What people submit is not verified: give such a list a threshold and an action of its own.

Tech Against Terrorism::

    {"count": 1, "next": null, "previous": null, "checkpoint": "...", "results": [
      {"id": 1, "hash_digest": "...", "algorithm": "PDQ", "deleted": false, "file_type": "jpg", ...}]}

MD5 and SHA digests are used whatever the type of the file: they are compared with the bytes of every response.

ThreatExchange, the JSON of Meta's ``threat_updates``::

    {"data": [{"id": "1", "type": "HASH_PDQ", "indicator": "...", "should_delete": false, "last_updated": 1,
               "descriptors": {"data": [{...}]}}], "paging": {...}}

A record that should be deleted, or that has no descriptor any more, is taken back. A file that does not begin with a
bracket is a file of signals as python-threatexchange has them: ``signal_type value`` in each line, or values
alone where the type is known, which ``signals_reader("pdq")`` is for (``--list ID:threatexchange=pdq:FILE``).
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists.address_lists import address_rows, addresses
from ingest_guard.lists.entries import Rejected, Removed, Row, Unsupported
from ingest_guard.lists.streams.json_pages import Shape, is_true, read, text_of
from ingest_guard.lists.streams.text_lines import lines, opened, readable
from ingest_guard.lists.values import PHOTODNA, key_of, photodna_row, value_row

_STOPNCII = Shape("hashRecords", "hasMoreRecords", frozenset({"signalType", "hashValue", "hashStatus"}))
_TAT = Shape("results", "next", frozenset({"id", "hash_digest", "algorithm", "deleted"}))
_UPDATES = Shape("data", "next", frozenset({"id", "type", "indicator", "should_delete", "descriptors"}))
_GONE = frozenset({"withdrawn", "deleted"})
_HEAD = 1024


def stopncii_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``hashRecords``, the `row`-th."""
    signal = text_of(record, "signalType").lower()
    text = text_of(record, "hashValue")
    if not signal or not text:
        return [Rejected(row, "no_value")]
    key = key_of(signal, text.lower())
    if text_of(record, "hashStatus").lower() in _GONE:
        return [Rejected(row, "no_id") if key is None else Removed(row, key)]
    if not signal.startswith("image") and signal != "url":
        kind = "video" if signal.startswith("video") else signal
        return [Unsupported(row, kind if kind in {"video", "text"} else "other")]
    return rows_of(signal.removeprefix("image"), text, row, key)


def tat_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``results``, the `row`-th."""
    is_removed = is_true(record.get("deleted"))
    return _keyed_rows(record, row, "algorithm", "hash_digest", is_removed=is_removed)


# Files of answers: their readers raise what :func:`ingest_guard.lists.streams.json_pages.read` does.
read_stopncii = partial(read, shape=_STOPNCII, rows=stopncii_rows)
read_tat = partial(read, shape=_TAT, rows=tat_rows)


def read_threatexchange(path: Path) -> Iterator[Row]:
    """Yield what a file of signals, or of ``threat_updates``, holds.

    Raises
    ------
    ListFormatError
        The file cannot be read; or it is JSON, and see :func:`ingest_guard.lists.streams.json_pages.read`; or a hasher
        plug-in for PhotoDNA is broken.
    """
    with opened(path) as file:
        is_json = file.read(_HEAD).lstrip("\ufeff \t\r\n").startswith(("{", "["))
    yield from read(path, _UPDATES, update_rows) if is_json else _signals(path, None)


def update_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``data``, the `row`-th; all that counts of its descriptors is that there are some."""
    is_removed = is_true(record.get("should_delete")) or not record.get("descriptors")
    return _keyed_rows(record, row, "type", "indicator", is_removed=is_removed)


def _keyed_rows(record: dict[str, Any], row: int, kind: str, value: str, *, is_removed: bool) -> list[Row]:
    """Return the rows of a record that has an ``id``, and its kind and value in these fields."""
    key = key_of(record.get("id"))
    missing: list[Row] = [] if key is not None else [Rejected(row, "no_id")]
    if is_removed:
        return missing if key is None else [Removed(row, key)]
    name, text = text_of(record, kind), text_of(record, value)
    if not name or not text:
        return [*missing, Rejected(row, "no_value")]
    # Without an id the value is used all the same: a withdrawal could not find it, and the report says so.
    return missing + rows_of(name, text, row, key)


def signals_reader(signal_type: str) -> Callable[[Path], Iterator[Row]]:
    """Return a reader of files whose lines are values of one type and nothing else.

    Raises
    ------
    ListFormatError
        Exchanges have no such type.
    """
    if not is_known(signal_type):
        raise ListFormatError("threatexchange=TYPE: that type is unknown; use pdq, md5, sha1, sha256, pdna or url")
    return lambda path: _signals(path, signal_type)


def _signals(path: Path, signal_type: str | None) -> Iterator[Row]:
    with opened(path, newline="\n") as file:
        for row, line in lines(file):
            if line is None:
                yield Rejected(row, "line_too_long")
            elif text := line.strip():
                try:
                    found = _signal(text, signal_type, row)
                except BlocklistError as error:
                    raise ListFormatError(f"list file {path}, row {row}: {error}") from error
                yield from found


def _signal(text: str, signal_type: str | None, row: int) -> list[Row]:
    if not readable(text):
        return [Rejected(row, "unreadable_text")]
    if signal_type is not None:
        return rows_of(signal_type, text, row)
    name, _, value = text.partition(" ")
    if is_known(name):
        return rows_of(name, value.strip(), row) if value else [Rejected(row, "no_value")]
    # Most likely a value alone: 64 hex digits may be PDQ as well as SHA-256.
    return [Rejected(row, "unknown_type" if value else "no_type")]


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
