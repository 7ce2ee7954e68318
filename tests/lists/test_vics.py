from __future__ import annotations

import base64
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected, Row, Unsupported, values, vics
from ingest_guard.lists.vics import MAX_VALUES, read

if TYPE_CHECKING:
    from pathlib import Path

MD5 = "00112233445566778899aabbccddeeff"
OTHER = MD5[::-1]
SHA1 = MD5 + "01234567"
PDQ = MD5 + MD5
OLD = "http://github.com/ICMEC/ProjectVic/DataModels/{}.xml#{}"
NEW = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/{}.xml/US/$metadata#{}"


def rows_of(tmp_path: Path, data: bytes) -> list[Row]:
    """Read a file of these bytes."""
    path = tmp_path / "list.json"
    path.write_bytes(data)
    return list(read(path))


def rows(tmp_path: Path, *media: Any, **document: Any) -> list[Row]:
    """Read a hash set of these records."""
    document = document or {"odata.metadata": OLD.format("1.3", "Media")}
    return rows_of(tmp_path, json.dumps({**document, "value": list(media)}).encode())


def entry(algorithm: str, text: str, row: int = 1, key: str | None = f"1/{MD5}", severity: str | None = None) -> Entry:
    """Return the entry that a value should give."""
    return Entry(algorithm, bytes.fromhex(text), row, key, severity)


@pytest.mark.parametrize(
    "document",
    [
        *({"odata.metadata": OLD.format(version, "Media")} for version in ("1.1", "1.2", "1.3")),
        {"@odata.context": NEW.format("2.0", "Media")},
        {"odata.metadata": "CAID 1.2"},
        {"something": {"else": ["x", {"MD5": OTHER}]}},
    ],
)
def test_hash_sets_of_all_versions(tmp_path: Path, document: dict[str, Any]) -> None:
    """A hash set of any version, and CAID, gives the digests of its records with keys and severities."""
    found = rows(
        tmp_path,
        {"MediaID": 1, "Category": 1, "MD5": MD5.upper(), "SHA1": SHA1, "MediaSize": "12", "IsDistributed": True},
        {"MediaID": "x", "Category": "2", "MD5": OTHER, "SHA1": None, "SHA256": "", "Series": "s"},
        **document,
    )
    assert found == [
        entry("md5", MD5, severity="1"),
        entry("sha1", SHA1, severity="1"),
        entry("md5", OTHER, 2, f"x/{OTHER}", "2"),
    ]


@pytest.mark.parametrize("model", [OLD.format("1.2", "Cases"), NEW.format("2.0", "Cases")])
def test_case_files_have_their_records_in_cases(tmp_path: Path, model: str) -> None:
    """The records of all cases of a case file are read; a case is none, and its numbers may repeat another's."""
    media = [{"MediaID": 0, "MD5": MD5}, {"MediaID": 1, "MD5": OTHER}]
    cases = [{"CaseID": "a", "Media": media, "MD5": SHA1}, {"CaseID": "b", "Media": media[::-1]}, {"Media": []}]
    found = rows(tmp_path, *cases, **{"@odata.context": model})
    assert [(each.row, getattr(each, "key", None)) for each in found] == [
        (1, f"0/{MD5}"),
        (2, f"1/{OTHER}"),
        (3, f"1/{OTHER}"),
        (4, f"0/{MD5}"),
    ]


def test_records_with_one_number_do_not_push_each_other_out(tmp_path: Path) -> None:
    """Tools that give all records one number get a key for each digest; without a digest or a number there is none."""
    media = [{"MediaID": 0, "MD5": MD5}, {"MediaID": 0, "MD5": OTHER}, {"MediaID": 0, "SHA1": SHA1}, {"MD5": MD5}]
    found = rows(tmp_path, *media)
    assert [each.key for each in found if isinstance(each, Entry)] == [f"0/{MD5}", f"0/{OTHER}", None, None]


def test_alternative_hashes_and_files_count_once(tmp_path: Path) -> None:
    """Alternative hashes and the files' digests are read, each once a record, whatever order fields come in."""
    record = {
        "odata.id": "x",
        "MediaFiles": [{"FileName": MD5, "MD5": MD5}, {"MD5": OTHER, "FilePath": None}, {"MD5": OTHER.upper()}],
        "AlternativeHashes": [
            {"HashValue": PDQ, "HashName": "PDQ"},
            {"HashName": "SHA-256", "HashValue": PDQ},
            {"HashName": "SHA1", "HashValue": SHA1},
            {"HashName": "PhotoDNA", "HashValue": "A" * 192},
            {"HashName": "SHA-512", "HashValue": "00"},
            {"HashName": "Some tool's own", "HashValue": "00"},
            {"HashName": 7, "HashValue": None},
        ],
        "Exifs": [{"MD5": SHA1, "PropertyName": "Make"}],
        "MediaID": 1,
        "MD5": MD5,
        "SHA1": SHA1,
    }
    found = rows(tmp_path, record)
    assert [(type(each), getattr(each, "algorithm", getattr(each, "what", None))) for each in found] == [
        (Entry, "md5"),
        (Entry, "sha1"),
        (Entry, "md5"),
        (Entry, "pdq"),
        (Entry, "sha256"),
        (Unsupported, "pdna"),
        (Unsupported, "sha512"),
        (Unsupported, "other"),
    ]
    assert found[2] == entry("md5", OTHER)


@pytest.mark.parametrize("text", [bytes(range(144)).hex(), base64.b64encode(bytes(range(144))).decode()])
def test_photodna_is_read_where_a_plug_in_claims_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With a hasher for it, PhotoDNA is an entry, among the alternative hashes or a field of its own."""
    known = algorithms.Algorithm("photodna", 144, "bytes", "l1", 100.0)
    monkeypatch.setattr(values, "find", {"photodna": known}.get)
    monkeypatch.setattr(values, "get", {"photodna": known}.get)
    media = [
        {"AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": text}]},
        {"PhotoDNA": text, "MD5": None},
        {"PhotoDNA": text[:-4]},
    ]
    wanted = bytes(range(144))
    assert rows(tmp_path, *media) == [
        Entry("photodna", wanted, 1),
        Entry("photodna", wanted, 2),
        Rejected(3, "bad_length"),
    ]


def test_a_broken_plug_in_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hasher for PhotoDNA that cannot be loaded stops the import, and the error says where."""

    def fails(name: str) -> None:
        raise BlocklistError("hasher pdna cannot be loaded")

    monkeypatch.setattr(values, "find", fails)
    with pytest.raises(ListFormatError, match=r"list\.json, record 2: hasher pdna cannot be loaded"):
        rows(tmp_path, {"MD5": MD5}, {"PhotoDNA": "A"})


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, [Rejected(1, "no_value")]),
        ({"MediaID": 1, "MD5": "", "SHA1": None}, [Rejected(1, "no_value")]),
        ({"MD5": [MD5]}, [Rejected(1, "no_value")]),
        ({"MD5": 12, "SHA1": True}, [Rejected(1, "not_text"), Rejected(1, "not_text")]),
        ({"PhotoDNA": 12}, [Rejected(1, "not_text")]),
        ({"MD5": MD5[1:]}, [Rejected(1, "bad_length")]),
        ({"MD5": "g" * 32}, [Rejected(1, "not_hex")]),
        ({"MD5": "0" * 70_000}, [Rejected(1, "too_long")]),
        ({"AlternativeHashes": [{"HashName": "md5", "HashValue": "0" * 70_000}]}, [Rejected(1, "too_long")]),
        ({"AlternativeHashes": "none", "MediaFiles": {"MD5": MD5}}, [Rejected(1, "no_value")]),
    ],
)
def test_bad_records_are_rejected_with_a_reason(tmp_path: Path, record: dict[str, Any], expected: list[Row]) -> None:
    """A record that cannot be used gives reasons, and the next one is read."""
    found = rows(tmp_path, record, {"MediaID": 1, "MD5": MD5})
    assert found == [*expected, entry("md5", MD5, 2)]


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        (1, "1"),
        ("2", "2"),
        (" a1 ", "A1"),
        (1.0, "1"),
        (1.5, None),
        (1e300, None),
        (None, None),
        (True, None),
        ("x y", None),
    ],
)
def test_categories_are_severities(tmp_path: Path, category: Any, severity: str | None) -> None:
    """A category is a number or a word, in whatever way it is written; anything else is none."""
    assert rows(tmp_path, {"MediaID": 1, "MD5": MD5, "Category": category}) == [entry("md5", MD5, severity=severity)]


def test_a_record_has_a_limit(tmp_path: Path) -> None:
    """Of a record with too many different digests some are read, and the rest is reported."""
    files = [{"MD5": f"{number:032x}"} for number in range(MAX_VALUES + 5)]
    found = rows(tmp_path, {"MediaFiles": files}, {"MediaID": 1, "MD5": MD5})
    assert found[-2:] == [Rejected(1, "too_many_values"), entry("md5", MD5, 2)]
    assert len(found) <= MAX_VALUES + 3


def test_a_huge_record_takes_no_memory(tmp_path: Path) -> None:
    """A record of many megabytes is read in the memory of a small one."""
    path = tmp_path / "list.json"
    noise = b'{"MD5":"%s","FilePath":"%s"},' % (MD5.encode(), b"x" * 1000)
    with path.open("wb") as file:
        file.write(b'{"value":[{"Exifs":[' + noise * 10_000 + b'0],"MediaFiles":[' + noise * 10_000)
        file.write(b'{}],"MediaID":1,"MD5":"%s"}]}' % MD5.encode())
    tracemalloc.start()
    try:
        assert list(read(path)) == [entry("md5", MD5)]
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "no object at its root"),
        (b"[{}]", "no object at its root"),
        (b"7", "it has no 'value'"),
        (b"{}", "it has no 'value'"),
        (b'{"value": 7}', "it has no 'value'"),
        (b'{"odata.metadata": "urn:books", "value": []}', "its data model is none of Project VIC or CAID"),
        (b'{"value": [], "@odata.context": "x/ProjectVic/DataModels/3.0.xml"}', "newer than 2.0"),
        (b'{"value":' + b"[" * 100, "nested more than 64 levels"),
        (b'{"value": [{"MD5": "' + MD5.encode() + b'"},', "cut off"),
        (b"<queryResult/>", "no sound JSON"),
    ],
)
def test_what_is_no_such_list_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    """Other documents and cut-off ones are refused, and nothing of them is in the error."""
    with pytest.raises(ListFormatError, match=message) as caught:
        rows_of(tmp_path, data)
    assert MD5 not in str(caught.value)


def test_one_case_may_stand_alone(tmp_path: Path) -> None:
    """A document with an object where others have an array of one is the same."""
    assert rows_of(tmp_path, json.dumps({"value": {"Media": [{"MD5": MD5}]}}).encode()) == [entry("md5", MD5, key=None)]
    assert rows_of(tmp_path, json.dumps({"value": {"MD5": MD5}}).encode()) == [entry("md5", MD5, key=None)]


def test_cutting_a_file_anywhere_is_an_error(tmp_path: Path) -> None:
    """A file that ends too early is never a shorter list."""
    data = json.dumps({"value": [{"MD5": MD5, "MediaFiles": [{"MD5": MD5}]}] * 2}).encode()
    for end in range(len(data)):
        with pytest.raises(ListFormatError, match="cut off"):
            rows_of(tmp_path, data[:end])


def test_rows_come_while_the_file_is_read(tmp_path: Path) -> None:
    """The first rows are there long before the end, which may be broken."""
    path = tmp_path / "list.json"
    path.write_text('{"value":[' + (json.dumps({"MD5": MD5}) + ",") * 5000)
    found = read(path)
    assert next(found) == entry("md5", MD5, key=None)
    with pytest.raises(ListFormatError, match="cut off"):
        list(found)


digits = "0123456789abcdefABCDEF"
good = st.lists(
    st.fixed_dictionaries(
        {"MediaID": st.integers(0, 99), "MD5": st.text(digits, min_size=32, max_size=32)},
        optional={
            "Category": st.integers(0, 9),
            "SHA1": st.text(digits, min_size=40, max_size=40),
            "Tags": st.text(max_size=5),
            "MediaSize": st.integers() | st.text(max_size=3),
            "Exifs": st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), max_size=2),
        },
    ),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(media=good, in_case=st.booleans(), indent=st.sampled_from([None, 2]))
def test_sound_files_give_what_was_written(
    tmp_path: Path,
    media: list[dict[str, Any]],
    in_case: bool,  # noqa: FBT001 - drawn
    indent: int | None,
) -> None:
    """Whatever sound records are written, their digests come back, with keys and severities, and nothing else."""
    document = {"@odata.context": NEW.format("2.0", "x"), "value": [{"Media": media}] if in_case else media}
    found = rows_of(tmp_path, json.dumps(document, indent=indent).encode())
    expected = []
    for row, record in enumerate(media, 1):
        key, severity = f"{record['MediaID']}/{record['MD5'].lower()}", record.get("Category")
        for algorithm, field in (("md5", "MD5"), ("sha1", "SHA1")):
            if field in record:
                spoken = None if severity is None else str(severity)
                expected.append(entry(algorithm, record[field], row, key, spoken))
    assert found == expected
    assert not any(record["MD5"] in repr(found) for record in media)


pieces = st.sampled_from(
    [
        '{"value":[',
        '{"Media":[',
        '{"MD5":"' + MD5 + '"',
        '"MediaFiles":[',
        '"AlternativeHashes":[',
        "{",
        "}",
        "[",
        "]",
        ",",
        '"HashName":"PDQ"',
        '"HashValue":"' + MD5 + '"',
        '"Category":1',
        "null",
        "7",
        '"x"',
        ":",
        '"MediaID":{}',
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=15).map(lambda parts: "".join(parts).encode())))
def test_no_bytes_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    """Whatever a file holds, rows come of it or a list error, and neither shows anything of it."""
    path = tmp_path / "list.json"
    path.write_bytes(data)
    try:
        shown = repr(list(vics.read(path)))
    except ListFormatError as error:
        shown = str(error)
    assert MD5 not in shown
