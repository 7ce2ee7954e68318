"""NCMEC hash sharing v2: XML as its API answers, one answer or several one after another in a file.

::

    <queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
      <images count="2" maxTimestamp="...">
        <image>
          <member id="1">...</member> <timestamp>...</timestamp> <id>...</id> <classification>A1</classification>
          <fingerprints> <md5>...</md5> <sha1>...</sha1> <pdna>...</pdna> <pdq>...</pdq> </fingerprints>
          <feedback> ... other members' ids and names ... </feedback>
        </image>
        <deletedImage> <member id="1">...</member> <id>...</id> </deletedImage>
      </images>
      <paging> <next>...</next> </paging>
    </queryResult>

A record's key is the member's id with the entry's, its severity the classification. What an element means, the elements
around it say: a member's name inside feedback is not the record's, and neither is anything else in there.

Values of a record that has no member or id are used all the same, and the record is reported: a withdrawal could not
find it. Fingerprints with negative feedback are used and counted (``negative_feedback``); what to make of it is the
operator's decision. A file whose last answer names a next page is reported, too (``more_pages``): it is not the whole
list.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists.entries import MAX_TEXT, Rejected, Removed, Row, Unsupported, severity_of
from ingest_guard.lists.streams.xml_stream import DocumentError, feed, feed_file
from ingest_guard.lists.values import PHOTODNA, key_of, photodna_row, value_row

NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"
MAX_VALUES = 1000
"""Most fingerprints of one record; the rest is rejected."""

_SUPPORTED = frozenset({"md5", "sha1", "sha256", "pdq"})
# Names of elements -> what they are counted as. The last ones come as links to files, which are not followed.
_COUNTED = ("netclean", "videntifier", "tmk_pdqf", "ssvh_pdna", "ssvh_safer_hash")
_UNSUPPORTED = {name: kind for kind in _COUNTED for name in (kind, kind.replace("_", "-"))}
_RECORDS = frozenset({"image", "video"})
_DELETED = frozenset({"deletedImage", "deletedVideo"})

_ANSWER, _GROUP, _RECORD, _FIELD, _VALUE = range(1, 6)
"""Levels of nesting."""


def read(path: Path) -> Iterator[Row]:
    """Yield what a file of NCMEC's answers holds, record by record.

    Raises
    ------
    ListFormatError
        The file cannot be read, is no such XML, is cut off, or has a document type; or a hasher plug-in for PhotoDNA is
        broken.
    """
    answers = _Answers(path)
    for _ in feed(path, answers):
        yield from answers.rows
        answers.rows.clear()
    if answers.next_page:
        yield Rejected(answers.row, "more_pages")


def parse_answer(body: bytes) -> tuple[tuple[Row, ...], str | None]:
    """Return the rows of one answer of the API, and what its ``paging/next`` says: None where no page follows.

    Raises
    ------
    DocumentError
        It is no XML, is cut off, has a document type, or is not one ``queryResult``.
    ListFormatError
        Its XML namespace is another one; or a hasher plug-in for PhotoDNA is broken.
    """
    path = Path("(answer)")
    answers = _Answers(path)
    for _ in feed_file(BytesIO(body), path, answers):
        pass
    if answers.count != 1 or len(answers.next_page) > MAX_TEXT:
        raise DocumentError(f"list file {path} has several answers in one, or an address that is too long")
    return tuple(answers.rows), answers.next_page or None


class _Answers:
    """Follows the elements, and keeps the record that is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.row = 0
        self.count = 0
        self.next_page = ""
        self.stack: list[str] = []
        self.taken: list[str] | None = None
        self.room = 0
        self.is_link = False
        self._new()

    def _new(self) -> None:
        self.kind = ""
        self.member: str | None = None
        self.fields: dict[str, str] = {}
        self.values: list[tuple[str, str | None]] = []
        self.too_many = False
        self.disputed: set[str] = set()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        namespace, _, local = name.rpartition("}")
        stack = self.stack
        stack.append(local if namespace in ("", NAMESPACE) else "?")
        level = len(stack)
        if level == _ANSWER:
            self._check_answer(namespace, local)
        elif level == _RECORD:
            self._new()
            self.kind = local
        elif level == _FIELD and local == "member":
            self.member = self.member or attributes.get("id")
        elif level == _VALUE and stack[-2] == "feedback" and local == "negativeFeedback":
            self.disputed.add(attributes.get("type", "")[:64])
        if self._is_text(level):
            self.taken, self.room = [], MAX_TEXT + 1
            self.is_link = "href" in attributes
        elif self.taken is not None:
            self.text("?")  # An element inside a value: no value.

    def _is_text(self, level: int) -> bool:
        """Return whether the text of the element that is open is wanted."""
        stack = self.stack
        if level == _VALUE:
            return stack[-2] == "fingerprints"
        if level == _FIELD:
            return stack[-1] in ("id", "classification")
        return level == _RECORD and stack[-2:] == ["paging", "next"]

    def text(self, text: str) -> None:
        """Take a piece of text; of one that is too long for any value, enough to see that it is."""
        if self.taken is not None and self.room > 0:
            self.taken.append(text[: self.room])
            self.room -= len(text)

    def end(self) -> None:
        """Leave an element."""
        local = self.stack[-1]
        level = len(self.stack)
        if self.taken is not None and self._is_text(level):
            self._take(local, level, "".join(self.taken))
            self.taken = None
        self.stack.pop()
        if level == _RECORD and self.stack[-1] != "paging":
            self._closed()

    def _take(self, local: str, level: int, text: str) -> None:
        blank = not text.strip()
        if level == _RECORD:
            self.next_page = text if len(text) > MAX_TEXT else text.strip()  # a cut one is refused
        elif level == _FIELD:
            self.fields.setdefault(local, text)
        elif len(self.values) == MAX_VALUES:
            self.too_many = True
        elif self.is_link or not blank:
            self.values.append((local, None if blank else text))

    def _closed(self) -> None:
        """Make the rows of the record that ends here."""
        self.row += 1
        key = key_of(self.member, self.fields.get("id"))
        if self.kind in _RECORDS:
            self._record(key)
        elif self.kind not in _DELETED:
            self.rows.append(Unsupported(self.row, "other"))
        else:
            self.rows.append(Rejected(self.row, "no_id") if key is None else Removed(self.row, key))

    def _record(self, key: str | None) -> None:
        row, add = self.row, self.rows.append
        severity = severity_of(self.fields.get("classification"))
        if key is None:
            add(Rejected(row, "no_id"))
        for name, text in self.values:
            add(self._value(name, text, key, severity))
        if not self.values:
            add(Rejected(row, "no_value"))
        if self.too_many:
            add(Rejected(row, "too_many_values"))
        for _ in self.disputed:
            add(Unsupported(row, "negative_feedback"))

    def _value(self, name: str, text: str | None, key: str | None, severity: str | None) -> Row:
        """Make the row of a fingerprint; its text is None where it is a link."""
        if self.kind == "video":
            return Unsupported(self.row, "video")
        if name in _SUPPORTED and text is not None:
            return value_row(name, text, self.row, key=key, severity=severity)
        if name == PHOTODNA and text is not None:
            try:
                return photodna_row(text, self.row, key=key, severity=severity)
            except BlocklistError as error:
                raise ListFormatError(f"list file {self.path}, record {self.row}: {error}") from error
        return Unsupported(self.row, _UNSUPPORTED.get(name, "other"))

    def _check_answer(self, namespace: str, local: str) -> None:
        """Hold the outermost element against what an answer of this version has."""
        self.next_page = ""
        self.count += 1
        if namespace not in ("", NAMESPACE):
            raise ListFormatError(
                f"list file {self.path} has another XML namespace than NCMEC's hash sharing v2 ({NAMESPACE}); get the "
                "list from the v2 interface"
            )
        if local != "queryResult":
            raise DocumentError(
                f"list file {self.path} has no <queryResult> at its root, as NCMEC's answers to /v2/entries have; "
                "check the file and the format's name"
            )
