"""Project VIC / VICS JSON 1.1 to 2.0, and CAID 1.2, which uses the same shape.

::

    {"odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media",
     "value": [{"MediaID": 1, "Category": 1, "MD5": "...", "SHA1": "...",
                "AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": "..."}],
                "MediaFiles": [{"MD5": "...", "FileName": "..."}]}]}

A hash set (``#Media``) has its records in ``value``; a case file (``#Cases``) has cases there, and the records in their
``Media``. Which of the two it is shows from the shape. Such files have one line of many gigabytes, so the events of the
parser are looked at one by one and nothing but the current record's few fields is kept.

A record's key is its MediaID with its MD5: cases number their records from 0 each, some tools give all the same number,
and one must not push out the other. Its severity is the Category; what a number means, the country of the list says.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists.entries import MAX_TEXT, Rejected, Row, Unsupported, severity_of
from ingest_guard.lists.streams.json_stream import Events, events
from ingest_guard.lists.values import PHOTODNA, key_of, photodna_row, value_row

MAX_VALUES = 1000
"""Most different hashes of one record; the rest is rejected, so that a record's memory has a bound."""
MAX_DEPTH = 64
"""Deepest nesting; records have four levels."""

_MODEL = re.compile(r"(?i)projectvic|vics|caid")
_VERSION = re.compile(r"DataModels/(\d+)\.")

_ALTERNATIVE = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "pdq": "pdq", "photodna": "pdna", "pdna": "pdna"}
_UNSUPPORTED = frozenset({"sha512", "tmk", "tmkpdqf", "videntifier", "netclean"})
_SUPPORTED = frozenset({"md5", "sha1", "sha256", "pdq", PHOTODNA})
_DIRECT = (("md5", "MD5"), ("sha1", "SHA1"), ("sha256", "SHA256"), (PHOTODNA, "PhotoDNA"))
_FEW = 1000
_OPENING = frozenset({"start_map", "start_array"})
_NESTING = _OPENING | {"end_map", "end_array"}
_PUNCTUATION = str.maketrans("", "", "-_ ")


def _spellings(*names: str) -> dict[str, str]:
    """Return name or its lower- or upper-case form -> name."""
    return {form: name for name in names for form in (name, name.lower(), name.upper())}


# Kinds of containers: which of their keys count. The one on top of the stack says what a key means.
_ROOT = {"odata.metadata": "model", "@odata.context": "model", **_spellings("value")}
_RECORD = _spellings(
    "MediaID", "Category", "MD5", "SHA1", "SHA256", "PhotoDNA", "AlternativeHashes", "MediaFiles", "Media"
)
_CASE = _spellings("Media")
_HASH = _spellings("HashName", "HashValue")
_FILE = _spellings("MD5")
# These have no keys of interest, and differ only in what they are.
_RECORDS: dict[str, str] = {}
_HASHES: dict[str, str] = {}
_FILES: dict[str, str] = {}
_OTHER: dict[str, str] = {}

_ARRAYS = {"AlternativeHashes": _HASHES, "MediaFiles": _FILES}


def read(path: Path) -> Iterator[Row]:
    """Yield what a VICS file holds, record by record.

    Raises
    ------
    ListFormatError
        No ijson; the file cannot be read, is no VICS, or is cut off; or a hasher plug-in for PhotoDNA is broken.
    """
    reader = _Reader(path)
    for batch in events(path):
        yield from reader.rows(batch)
    reader.check()


class _Reader:
    """Follows the events through the levels of the document, and keeps the record that is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row = 0
        self.has_value = False
        self.stack: list[dict[str, str]] = []
        self.field: str | None = None
        self.record: dict[str, Any] = {}
        self.hash: dict[str, Any] = {}

    def rows(self, batch: Events) -> list[Row]:
        """Return the rows of the records that end in a batch."""
        found: list[Row] = []
        stack = self.stack
        fields = stack[-1] if stack else _OTHER
        field = self.field
        for kind, value in batch:
            # The order is that of how frequent they are; this loop is what the reading of such a file costs.
            if kind == "map_key":
                field = fields.get(value)
            elif kind not in _NESTING:
                if field is None:
                    continue
                if fields is _RECORD:
                    self.record[field] = value
                else:
                    self._scalar(fields, field, value)
            elif kind in _OPENING:
                fields = self._opened(kind, field)
                field = None
            else:
                if fields is _RECORD:
                    found += self._closed()
                elif fields is _HASH:
                    self._alternative()
                stack.pop()
                fields = stack[-1] if stack else _OTHER
                field = None
        self.field = field
        return found

    def check(self) -> None:
        """Hold the end of the document against what a whole one has."""
        if not self.has_value:
            raise self._no_vics("it has no 'value'")

    def _opened(self, kind: str, field: str | None) -> dict[str, str]:
        """Enter an object or array, and return its kind."""
        stack = self.stack
        above = stack[-1] if stack else None
        if len(stack) >= MAX_DEPTH:
            raise self._no_vics(f"it is nested more than {MAX_DEPTH} levels deep")
        new = _OTHER
        if above is _ROOT and field == "value":
            self.has_value = True
            new = _RECORD if kind == "start_map" else _RECORDS
        elif kind == "start_map":
            new = self._opened_map(above)
        elif above is None:
            raise self._no_vics("there is no object at its root")
        elif field == "Media":
            # A case and a record look the same until this.
            stack[-1], new = _CASE, _RECORDS
        elif above is _RECORD and field is not None:
            new = _ARRAYS.get(field, _OTHER)
        if new is _RECORD:
            self.record = {}
        stack.append(new)
        return new

    def _opened_map(self, above: dict[str, str] | None) -> dict[str, str]:
        if above is _RECORDS:
            return _RECORD
        if above is _HASHES:
            self.hash = {}
            return _HASH
        if above is _FILES:
            return _FILE
        return _ROOT if above is None else _OTHER

    def _scalar(self, fields: dict[str, str], field: str, value: Any) -> None:
        if fields is _HASH:
            self.hash[field] = value
        elif fields is _FILE:
            self._add("md5", value)
        elif field == "model" and isinstance(value, str):
            self._check_model(value)

    def _alternative(self) -> None:
        name = str(self.hash.get("HashName") or "")[:64].lower().translate(_PUNCTUATION)
        what = name if name in _UNSUPPORTED else "other"
        self._add(_ALTERNATIVE.get(name, what), self.hash.get("HashValue"))

    def _add(self, algorithm: str, value: Any) -> None:
        """Keep one more value of the open record."""
        more = self.record.setdefault("more", {})
        if len(more) <= MAX_VALUES:
            more[algorithm, value[: MAX_TEXT + 1] if isinstance(value, str) else value] = None

    def _closed(self) -> list[Row]:
        """Return the rows of the record that ends here."""
        record, self.record = self.record, {}
        self.row += 1
        md5 = record.get("MD5")
        # Without an MD5, two records of one number would have one key: better none than a wrong one.
        key = key_of(record.get("MediaID"), md5.lower()) if isinstance(md5, str) else None
        severity = severity_of(_whole(record.get("Category")))
        values = [(algorithm, record.get(field)) for algorithm, field in _DIRECT]
        if "more" in record:
            values += record["more"]
        rows: list[Row] = []
        seen = set()
        for algorithm, text in values:
            same = (algorithm, text.lower() if isinstance(text, str) and algorithm != PHOTODNA else text)
            if text is None or text == "" or same in seen:
                continue
            seen.add(same)
            rows.append(self._row(algorithm, text, key, severity))
        if len(record.get("more", ())) > MAX_VALUES:
            rows.append(Rejected(self.row, "too_many_values"))
        return rows or [Rejected(self.row, "no_value")]

    def _row(self, algorithm: str, text: Any, key: str | None, severity: str | None) -> Row:
        if algorithm == PHOTODNA and isinstance(text, str):
            try:
                return photodna_row(text, self.row, key=key, severity=severity)
            except BlocklistError as error:
                raise ListFormatError(f"list file {self.path}, record {self.row}: {error}") from error
        if algorithm not in _SUPPORTED:
            return Unsupported(self.row, algorithm)
        if not isinstance(text, str):
            return Rejected(self.row, "not_text")
        return value_row(algorithm, text, self.row, key=key, severity=severity)

    def _check_model(self, model: str) -> None:
        version = _VERSION.search(model)
        if not _MODEL.search(model):
            raise self._no_vics("its data model is none of Project VIC or CAID")
        if version and version.group(1) not in ("1", "2"):
            raise self._no_vics("its data model is newer than 2.0, which is the latest that is known here")

    def _no_vics(self, why: str) -> ListFormatError:
        return ListFormatError(f"list file {self.path} is no VICS JSON: {why}; check the file and the format's name")


def _whole(number: Any) -> Any:
    """Return 1.0 as 1; anything else as it is."""
    if isinstance(number, Decimal) and abs(number) < _FEW and number == int(number):
        return int(number)
    return number
