from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected, Removed, Row, Unsupported, reader, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MD5 = "00112233445566778899aabbccddeeff"
SHA1 = MD5 + "01234567"
PDQ = MD5 + MD5[::-1]
PDQ_BYTES = bytes.fromhex(PDQ)


def rows(tmp_path: Path, name: str, text: str | bytes) -> list[Row]:
    """Read a file of this content in a format."""
    path = tmp_path / "list"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(reader(name)(path))


def stopncii(signal: Any = "ImagePDQ", value: Any = PDQ, status: Any = "Active", **more: Any) -> dict[str, Any]:
    """Return a record as StopNCII's FetchHashes gives it."""
    record = {"lastModtimestamp": 1, "signalType": signal, "hashValue": value, "hashStatus": status}
    return {**record, "caseNumbers": {"hashValue": "Active"}, "CSPFeedbacks": [{"hashStatus": "Deleted"}], **more}


def tat(id_: Any = 7, algorithm: Any = "PDQ", digest: Any = PDQ, deleted: Any = False) -> dict[str, Any]:  # noqa: FBT002 - as the fields come
    """Return a record as Tech Against Terrorism's hash list gives it."""
    record = {"id": id_, "algorithm": algorithm, "hash_digest": digest, "deleted": deleted}
    return {**record, "file_type": "mp4", "ideology": "x", "updated_on": 1.5, "something_new": {"id": 9}}


def update(
    id_: Any = "7",
    kind: Any = "HASH_PDQ",
    indicator: Any = PDQ,
    should_delete: Any = False,  # noqa: FBT002 - as the fields come
    **more: Any,
) -> dict[str, Any]:
    """Return a row as Meta's threat_updates gives it."""
    record = {"id": id_, "type": kind, "indicator": indicator, "should_delete": should_delete, "last_updated": 1}
    return {**record, "descriptors": {"data": [{"id": "5", "status": "MALICIOUS", "type": "x"}]}, **more}


def stopncii_page(*records: dict[str, Any], more: bool = False) -> dict[str, Any]:
    """Return a page of StopNCII."""
    return {"count": len(records), "hasMoreRecords": more, "hashRecords": list(records)}


def tat_page(*records: dict[str, Any], more: bool = False) -> dict[str, Any]:
    """Return a page of Tech Against Terrorism."""
    return {"count": len(records), "next": "?offset=2" if more else None, "results": list(records)}


def updates_page(*records: dict[str, Any], more: bool = False) -> dict[str, Any]:
    """Return a page of threat_updates."""
    paging = {"cursors": {"after": "x"}, **({"next": "https://x"} if more else {})}
    return {"data": list(records), "paging": paging}


PAGES: dict[str, tuple[Any, Any]] = {
    "stopncii": (stopncii, stopncii_page),
    "tat": (tat, tat_page),
    "threatexchange": (update, updates_page),
}
KEYS = {"stopncii": f"imagepdq/{PDQ}", "tat": "7", "threatexchange": "7"}


@pytest.mark.parametrize("name", PAGES)
def test_pages_and_records_in_every_wrapping(tmp_path: Path, name: str) -> None:
    """Pages and records, one, in an array, or one a line, give the same entries with their keys."""
    record, page = PAGES[name]
    one, expected = record(), Entry("pdq", PDQ_BYTES, 1, KEYS[name])
    for text in (
        json.dumps(one),
        json.dumps([one]),
        json.dumps(page(one)),
        json.dumps([page(more=True), page(one)]),
        json.dumps(page(more=True)) + "\n" + json.dumps(page(one)) + "\n",
        "\ufeff" + json.dumps(page(one), indent=1),
    ):
        assert rows(tmp_path, name, text) == [expected]
    lines = "".join(json.dumps(each) + "\n" for each in (one, page(one, one), one))
    assert [row.row for row in rows(tmp_path, name, lines)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", PAGES)
def test_a_missing_next_page_is_reported(tmp_path: Path, name: str) -> None:
    """A file whose last page says that more follow is not the whole list."""
    record, page = PAGES[name]
    assert rows(tmp_path, name, json.dumps(page(record(), more=True)))[1:] == [Rejected(1, "more_pages")]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"data": [', "cut off"),
        ('[{"id": "1"}, 7]', "something else than records"),
        ('{"a": 1} 7', "something else than JSON objects"),
        ("[" * 200, "nested more than 64 levels|cut off"),
        ('{"a":' * 200, "nested more than 64 levels"),
        ('{"id": x}', "no sound JSON"),
    ],
)
def test_what_is_no_such_list_is_an_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Cut-off files, and documents of another kind, are refused."""
    with pytest.raises(ListFormatError, match=message):
        rows(tmp_path, name, text)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (stopncii("ImageMD5", MD5.upper()), Entry("md5", bytes.fromhex(MD5), 1, f"imagemd5/{MD5}")),
        (stopncii(status="Received"), Entry("pdq", PDQ_BYTES, 1, KEYS["stopncii"])),
        (stopncii(status=None), Entry("pdq", PDQ_BYTES, 1, KEYS["stopncii"])),
        (stopncii(value=PDQ.upper(), status="Withdrawn"), Removed(1, KEYS["stopncii"])),
        (stopncii("VideoMD5", MD5, "Deleted"), Removed(1, f"videomd5/{MD5}")),
        (stopncii("Text", "x" * 600, "Deleted"), Rejected(1, "no_id")),
        (stopncii("VideoTMK", "x"), Unsupported(1, "video")),
        (stopncii("Text", "x"), Unsupported(1, "text")),
        (stopncii("Unknown", "x"), Unsupported(1, "other")),
        (stopncii("ImageNew", "x"), Unsupported(1, "other")),
        (stopncii("ImagePhotoDNA", "x"), Unsupported(1, "pdna")),
        (stopncii("URL", "ftp://x/y"), Unsupported(1, "other")),
        (stopncii(value="zz"), Rejected(1, "bad_length")),
        (stopncii(value="x" * 70_000), Rejected(1, "too_long")),
        (stopncii(value=7), Rejected(1, "no_value")),
        (stopncii(signal=None), Rejected(1, "no_value")),
        ({"error": "x"}, Rejected(1, "no_value")),
    ],
)
def test_stopncii_records(tmp_path: Path, record: dict[str, Any], expected: Row) -> None:
    """Each kind of record of StopNCII is an entry, taken back, unsupported or rejected."""
    assert rows(tmp_path, "stopncii", json.dumps(record)) == [expected]


def test_addresses_are_entries(tmp_path: Path) -> None:
    """URLs that an exchange lists become entries of addresses; what is none is rejected."""
    (found,) = rows(tmp_path, "stopncii", json.dumps(stopncii("URL", "https://example.org/a")))
    assert isinstance(found, Entry)
    assert (found.algorithm, found.row) == ("url", 1)
    (found,) = rows(tmp_path, "threatexchange", "raw_uri https://example.org/a b")
    assert isinstance(found, Rejected)
    assert rows(tmp_path, "threatexchange", "url # x") == [Rejected(1, "bad_url")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (tat(algorithm="MD5", digest=MD5), [Entry("md5", bytes.fromhex(MD5), 1, "7")]),
        (tat(algorithm="SHA-1", digest=SHA1), [Entry("sha1", bytes.fromhex(SHA1), 1, "7")]),
        (tat(algorithm="sha512", digest=MD5), [Unsupported(1, "other")]),
        (tat(algorithm="Brand new", digest=MD5), [Unsupported(1, "other")]),
        (tat(deleted=True), [Removed(1, "7")]),
        (tat(deleted="true"), [Removed(1, "7")]),
        (tat(deleted="False"), [Entry("pdq", PDQ_BYTES, 1, "7")]),
        (tat(id_=None), [Rejected(1, "no_id"), Entry("pdq", PDQ_BYTES, 1)]),
        (tat(id_=None, deleted=1), [Rejected(1, "no_id")]),
        (tat(digest=None), [Rejected(1, "no_value")]),
        (tat(algorithm={"x": 1}), [Rejected(1, "no_value")]),
    ],
)
def test_tat_records(tmp_path: Path, record: dict[str, Any], expected: list[Row]) -> None:
    """Each kind of record of Tech Against Terrorism is an entry, taken back, unsupported or rejected."""
    assert rows(tmp_path, "tat", json.dumps(record)) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (update(kind="HASH_MD5", indicator=MD5), [Entry("md5", bytes.fromhex(MD5), 1, "7")]),
        (update(kind="HASH_VIDEO_MD5", indicator=MD5), [Unsupported(1, "video")]),
        (update(kind="TEXT_STRING", indicator="x"), [Unsupported(1, "text")]),
        (update(kind="IP_ADDRESS", indicator="x"), [Unsupported(1, "other")]),
        (update(should_delete=True), [Removed(1, "7")]),
        (update(id_=7, descriptors=None), [Removed(1, "7")]),
        (update(descriptors={"data": []}), [Removed(1, "7")]),
        (update(descriptors={"data": [{}]}), [Removed(1, "7")]),
        (update(id_=None), [Rejected(1, "no_id"), Entry("pdq", PDQ_BYTES, 1)]),
        (update(indicator=None), [Rejected(1, "no_value")]),
        ({"error": {"message": "x"}}, [Rejected(1, "no_id")]),
    ],
)
def test_threat_updates(tmp_path: Path, record: dict[str, Any], expected: list[Row]) -> None:
    """Each kind of row of threat_updates is an entry, taken back, unsupported or rejected."""
    assert rows(tmp_path, "threatexchange", json.dumps(record)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"pdq {PDQ}", [Entry("pdq", PDQ_BYTES, 1)]),
        (f"  PDQ   {PDQ}  \r", [Entry("pdq", PDQ_BYTES, 1)]),
        (f"md5 {MD5}", [Entry("md5", bytes.fromhex(MD5), 1)]),
        (f"video_md5 {MD5}", [Unsupported(1, "video")]),
        ("raw_text some words", [Unsupported(1, "text")]),
        ("pdq", [Rejected(1, "no_value")]),
        (PDQ, [Rejected(1, "no_type")]),
        (f"new {PDQ}", [Rejected(1, "unknown_type")]),
        ("", []),
        ("x" * 70_000, [Rejected(1, "line_too_long")]),
        ("pdq \ufffd", [Rejected(1, "unreadable_text")]),
    ],
)
def test_files_of_signals(tmp_path: Path, line: str, expected: list[Row]) -> None:
    """Each line of a file of signals is a type and a value."""
    assert rows(tmp_path, "threatexchange", line + "\n") == expected


def test_files_of_bare_values_need_their_type(tmp_path: Path) -> None:
    """Where lines are values alone, the format says of what type; a type that there is not is an error."""
    assert rows(tmp_path, "threatexchange=pdq", f"{PDQ}\n\n00\n") == [
        Entry("pdq", PDQ_BYTES, 1),
        Rejected(3, "bad_length"),
    ]
    with pytest.raises(ListFormatError, match="that type is unknown; use pdq"):
        reader("threatexchange=pdqq")


@pytest.mark.parametrize(
    ("name", "text"), [("threatexchange", "pdna 00"), ("tat", json.dumps(tat(algorithm="PhotoDNA", digest="00")))]
)
def test_a_broken_plug_in_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """A hasher for PhotoDNA that cannot be loaded stops the import, and the error says where."""

    def fails(asked: str) -> None:
        raise BlocklistError("hasher pdna cannot be loaded")

    monkeypatch.setattr(values, "find", fails)
    with pytest.raises(ListFormatError, match=r"list, (row|record) 1: hasher pdna cannot be loaded"):
        rows(tmp_path, name, text)


def test_photodna_is_read_where_a_plug_in_claims_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hasher for it, PhotoDNA is an entry."""
    known = algorithms.Algorithm("pdna", 144, "bytes", "l1", 100.0)
    monkeypatch.setattr(values, "find", {"pdna": known}.get)
    monkeypatch.setattr(values, "get", {"pdna": known}.get)
    assert rows(tmp_path, "threatexchange", "pdna " + "a1" * 144) == [Entry("pdna", b"\xa1" * 144, 1)]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that is not there is an error that names the path, whatever the format."""
    for name in ("stopncii", "tat", "threatexchange", "threatexchange=pdq"):
        with pytest.raises(ListFormatError, match="gone cannot be read: No such file"):
            list(reader(name)(tmp_path / "gone"))


def test_rows_come_while_the_file_is_read(tmp_path: Path) -> None:
    """The first rows of a page are there long before its end, which may be broken."""
    path = tmp_path / "list.json"
    path.write_text('{"results": [' + (json.dumps(tat()) + ",") * 3000)
    found: Iterator[Row] = reader("tat")(path)
    assert next(found) == Entry("pdq", PDQ_BYTES, 1, "7")
    with pytest.raises(ListFormatError, match="cut off"):
        list(found)


hexes = st.text("0123456789abcdef", min_size=64, max_size=64)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(sorted(PAGES)), wanted=st.lists(st.tuples(hexes, st.booleans()), max_size=5))
def test_sound_pages_give_what_was_written(tmp_path: Path, name: str, wanted: list[tuple[str, bool]]) -> None:
    """Whatever sound records are written, their values come back, and withdrawals with their keys."""
    _, page = PAGES[name]
    records, expected = [], []
    for row, (text, gone) in enumerate(wanted, 1):
        if name == "stopncii":
            records.append(stopncii(value=text, status="Deleted" if gone else "Active"))
            key = f"imagepdq/{text}"
        else:
            records.append(
                tat(row, digest=text, deleted=gone) if name == "tat" else update(row, "HASH_PDQ", text, gone)
            )
            key = str(row)
        expected.append(Removed(row, key) if gone else Entry("pdq", bytes.fromhex(text), row, key))
    found = rows(tmp_path, name, json.dumps(page(*records)))
    assert found == expected
    assert not any(text in repr(found) for text, _ in wanted)


pieces = st.sampled_from(
    [
        '{"hashRecords":[',
        '{"results":[',
        '{"data":[',
        '{"id":"' + MD5 + '"',
        '"descriptors":{"a":1}',
        "{",
        "}",
        "[",
        "]",
        ",",
        '"signalType":"ImageMD5"',
        '"hashValue":"' + MD5 + '"',
        '"next":1',
        "null",
        "7",
        '"paging":{',
        ":",
        "pdq",
        MD5,
        "\n",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from([*sorted(PAGES), "threatexchange=md5"]),
    data=st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=15).map(lambda parts: " ".join(parts).encode())),
)
def test_no_bytes_raise_anything_else(tmp_path: Path, name: str, data: bytes) -> None:
    """Whatever a file holds, rows come of it or a list error, and neither shows anything of it."""
    try:
        shown = repr(rows(tmp_path, name, data))
    except ListFormatError as error:
        shown = str(error)
    assert MD5 not in shown
