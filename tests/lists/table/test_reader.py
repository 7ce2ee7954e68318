from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing.algorithms import Algorithm
from ingest_guard.lists import Entry, Rejected, Removed, Row, Unsupported, reader
from ingest_guard.lists.table import fields as mapper_targets
from ingest_guard.lists.table import reader as mapper

if TYPE_CHECKING:
    from collections.abc import Callable

MD5 = bytes.fromhex("0123456789abcdef0123456789abcdef")
SHA1 = bytes(range(20))
PDQ = bytes(range(32))
SETTINGS = Path(__file__).parents[3] / "settings" / "lists"

LAYOUT = """\
format: csv
values:
  - {column: MD5, algorithm: md5}
id: Id
severity: {column: Category}
removed: {column: State, values: [gone, 1]}
skip:
  - {column: Type, values: [video], as: video}
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str | bytes], list[Row]]:
    """Read a file by a description."""

    def read(layout: str, data: str | bytes) -> list[Row]:
        config, file = tmp_path / "map.yaml", tmp_path / "list.csv"
        config.write_text(layout)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return list(mapper.reader(config)(file))

    return read


def test_what_columns_mean(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Values, id, severity, deletions and rows about something else; header names in any case and order."""
    rows = [
        "type, ID ,md5,category,STATE,extra",
        f"image,7,{MD5.hex().upper()},a1,active,x",
        f"image,8,{MD5.hex()},,,",
        "image,7,,,Gone,",
        "image,9,,,1,",
        f"Video,9,{MD5.hex()},A,,",
        "image,,,,gone,",
        "image,10,,A,,",
    ]
    found = read(LAYOUT, "\n".join(rows))
    assert found == [
        Entry("md5", MD5, 2, "7", "A1"),
        Entry("md5", MD5, 3, "8", None),
        Removed(4, "7"),
        Removed(5, "9"),
        Unsupported(6, "video"),
        Rejected(7, "removed_without_id"),
        Rejected(8, "no_value"),
    ]
    assert MD5.hex() not in repr(found)


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ("image,7,{md5},not a severity,,", {"bad_severity"}),
        ("image," + "7" * 300 + ",{md5},A,,", {"bad_id"}),
        (b"image,\xff,{md5},A,,", {"unreadable_text"}),
        (b"image,7,{md5},A,\xff,", {"unreadable_text"}),
        (b"im\0age,7,{md5},A,,", {"unreadable_text"}),
    ],
)
def test_hashes_are_kept_where_only_their_label_is_bad(
    read: Callable[[str, str | bytes], list[Row]], row: str | bytes, reasons: set[str]
) -> None:
    """A bad id, severity or mark is told as rejected; the hash counts all the same."""
    data = row if isinstance(row, bytes) else row.encode()
    entry, *others = read(LAYOUT, b"Type,Id,MD5,Category,State,x\n" + data.replace(b"{md5}", MD5.hex().encode()))
    assert isinstance(entry, Entry)
    assert entry.value == MD5
    assert {other.reason for other in others if isinstance(other, Rejected)} == reasons
    assert len(others) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"image,7,{md5}0,,,", "bad_length"),
        (b"image,7,zz23456789abcdef0123456789abcdef,,,", "not_hex"),
        (b"image,7,01\xff3456789abcdef0123456789abcdef,,,", "unreadable_text"),
        (b'image,7,"{md5},,,', "bad_quoting"),
        (b"image,7,{md5}", "too_few_fields"),
        (b"image,7,{md5},,,,1,2", "too_many_fields"),
    ],
)
def test_rows_that_cannot_be_used(read: Callable[[str, str | bytes], list[Row]], row: bytes, reason: str) -> None:
    """A row that cannot be used is a reason and a number, and its neighbours are read."""
    md5 = MD5.hex().encode()
    data = b"Type,Id,MD5,Category,State,x\n" + row.replace(b"{md5}", md5) + b"\nimage,8," + md5 + b",,,,,,\n"
    assert read(LAYOUT, data) == [Rejected(2, reason), Entry("md5", MD5, 3, "8")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "ascii"])
def test_encodings(read: Callable[[str, str | bytes], list[Row]], encoding: str) -> None:
    """Each encoding is read, with a byte-order mark where it has one."""
    text = f"{'é' if encoding != 'ascii' else 'e'};Id\n{MD5.hex()};1\n"
    layout = f"format: csv\ndelimiter: ';'\nencoding: {encoding}\nvalues: [{{column: 1, algorithm: md5}}]\nid: id\n"
    data = text.encode(encoding)
    assert read(layout, data) == [Entry("md5", MD5, 2, "1")]
    if encoding == "utf-8":
        assert read(layout.replace("column: 1", "column: É"), b"\xef\xbb\xbf" + data) == [Entry("md5", MD5, 2, "1")]


def test_notations_of_values(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Hex, Base64 in both alphabets, Base32 and comma-separated bytes are told apart by length."""
    layout = "format: tsv\nvalues:\n  - {column: v, algorithm: sha1, encoding: [hex, base64, base32, bytes]}\n"
    value = b"\xfb\xff" * 10
    notations = [
        value.hex(),
        base64.b64encode(value).decode(),
        base64.urlsafe_b64encode(value).decode().rstrip("="),
        base64.b32encode(value).decode().lower(),
        ",".join(map(str, value)),
        f"[{', '.join(map(str, value))}]",
    ]
    found = read(layout, "v\n" + "\n".join(notations) + "\n256,1\n")
    assert found[:-1] == [Entry("sha1", value, row) for row in range(2, 8)]
    assert isinstance(found[-1], Rejected)


def test_an_algorithm_in_each_row(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """The row names the algorithm, in a well-known spelling or one of the description's."""
    layout = """
format: csv
header: false
quote: none
comment: "#"
values:
  - column: 2
    algorithm: {column: 1, names: {secure hash 1: sha1}, unsupported: {TMK: video}}
severity: {constant: a}
blank: ["-", 0]
"""
    rows = [
        "# x",
        f"MD5,{MD5.hex()}",
        f"Secure Hash 1,{SHA1.hex()}",
        f"SHA-1,{SHA1.hex()}",
        "tmk,00",
        "crc,00",
        "md5,-",
    ]
    assert read(layout, "\n".join(rows)) == [
        Entry("md5", MD5, 2, None, "A"),
        Entry("sha1", SHA1, 3, None, "A"),
        Entry("sha1", SHA1, 4, None, "A"),
        Unsupported(5, "video"),
        Rejected(6, "unknown_algorithm"),
        Rejected(7, "no_value"),
    ]


def test_addresses_and_domains(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Columns may hold addresses and hosts, with the rules of their own lists."""
    layout = "format: csv\nvalues: [{column: u, algorithm: url}, {column: d, algorithm: domain}]\n"
    assert read(layout, "u,d\nexample.org/a,*.example.org\nftp://example.org/,co.uk\n") == [
        Entry("url", "http://example.org/a", 2),
        Entry("url", "https://example.org/a", 2),
        Entry("domain", "example.org", 2),
        Unsupported(3, "other_scheme"),
        Rejected(3, "public_suffix"),
    ]


def test_photodna_needs_a_plug_in(
    read: Callable[[str, str | bytes], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one its values are counted as not compared; with one, whatever it is called, they are read."""
    layout = "format: csv\nvalues: [{column: p, algorithm: photodna, encoding: [base64, bytes]}]\n"
    data = f"p\n{base64.b64encode(bytes(144)).decode()}\n"
    assert read(layout, data) == [Unsupported(2, "pdna")]
    plug_in = Algorithm("pdna", 144, "bytes", "l2", 1)
    monkeypatch.setattr(mapper_targets, "find", lambda name: plug_in if name == "pdna" else None)
    assert read(layout, data) == [Entry("pdna", bytes(144), 2)]


def test_a_broken_plug_in_is_an_error(
    read: Callable[[str, str | bytes], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a plug-in is broken, neither the description nor the table is read."""

    def broken(name: str) -> Algorithm | None:
        raise BlocklistError("plug-in x is broken")

    layout = "format: csv\nvalues: [{column: p, algorithm: photodna}]\n"
    monkeypatch.setattr(mapper_targets, "find", broken)
    with pytest.raises(ListFormatError, match=r"list file .*list.csv: plug-in x is broken"):
        read(layout, "p\n00\n")
    with pytest.raises(ListFormatError, match=r"list map .*map.yaml: plug-in x is broken"):
        read(layout.replace("photodna", "x"), "p\n")


JSON_LAYOUT = """\
format: jsonl
values:
  - {column: hashes.md5, algorithm: md5}
  - {column: pdq, algorithm: pdq, encoding: [base64, bytes], optional: true}
id: [source, id]
skip: [{column: media, unless: [image, picture], as: other_media}]
removed: {column: deleted, values: "true"}
"""


def test_json_lines(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Names reach into objects; a column may hold several values; lists of numbers are bytes."""
    base = {"media": "Image", "source": "a/b", "id": 1}
    objects = [
        {**base, "hashes": {"md5": [MD5.hex(), MD5.hex().upper()]}, "pdq": list(PDQ)},
        {**base, "hashes": {"md5": None}, "pdq": base64.b64encode(PDQ).decode()},
        {**base, "hashes.md5": MD5.hex(), "id": None},
        {**base, "deleted": True},
        {**base, "media": "video"},
        {**base, "hashes": {"md5": [1.5]}, "id": {"a": 1}},
        {**base, "hashes": {"md5": MD5.hex()}, "id": ["a", "b"]},
        {**base, "hashes": [], "pdq": "\ud800"},
        {**base, "media": None, "hashes": {"md5": ["", "zz", MD5.hex()]}},
    ]
    assert read(JSON_LAYOUT, "\n".join(map(json.dumps, objects)) + "\n[]\n\nx") == [
        Entry("md5", MD5, 1, "a%2Fb/1"),
        Entry("md5", MD5, 1, "a%2Fb/1"),
        Entry("pdq", PDQ, 1, "a%2Fb/1"),
        Entry("pdq", PDQ, 2, "a%2Fb/1"),
        Entry("md5", MD5, 3),
        Removed(4, "a%2Fb/1"),
        Unsupported(5, "other_media"),
        Rejected(6, "not_text"),
        Entry("md5", MD5, 7),
        Rejected(7, "unreadable_text"),
        Rejected(8, "unreadable_text"),
        Rejected(9, "bad_length"),
        Entry("md5", MD5, 9, "a%2Fb/1"),
        Rejected(10, "not_an_object"),
        Rejected(12, "not_json"),
    ]


def test_a_name_that_no_object_has(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """It is an error that names file, line and key of the description; an empty file has no fault."""
    with pytest.raises(ListFormatError, match=r"no object has 'hashes.md5', which .*line 3: key values.0.column"):
        read(JSON_LAYOUT, json.dumps({"id": 1, "source": 2, "pdq": 3}))
    assert read(JSON_LAYOUT, "") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "no header can be read"),
        ('"MD5', "no header can be read"),
        ("Type,Id,Category,State\n", r"line 1: the header has no column 'MD5', which .*line 3: key values.0.column"),
        ("Type,Id,Category,State,MD5,md5\n", "line 1: the header has 2 columns 'MD5'"),
        (MD5.hex(), "the header has no column"),
    ],
)
def test_headers_that_do_not_fit(read: Callable[[str, str | bytes], list[Row]], data: str, message: str) -> None:
    """A column that is not there is an error, which never shows what is: it may be a hash."""
    with pytest.raises(ListFormatError, match=message) as caught:
        read(LAYOUT, data)
    assert MD5.hex() not in str(caught.value)


def test_an_optional_column_may_be_absent(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Deliveries differ in which hashes they have."""
    layout = "format: csv\nvalues: [{column: a, algorithm: md5}, {column: b, algorithm: sha1, optional: true}]\n"
    assert read(layout, f"a\n{MD5.hex()}\n") == [Entry("md5", MD5, 2)]


@pytest.mark.parametrize(
    ("layout", "messages"),
    [
        ("", ["line 1: expected keys and values: format and values at least"]),
        ("- a", ["line 1: expected keys and values"]),
        ("a: [", ["line 1"]),
        ("format: xls\nvalues: []\n", ["line 1: key format: expected 'csv', 'tsv' or 'jsonl'", "line 2: key values: "]),
        ("format: csv\n", ["line 1: key values: this key is missing"]),
        (
            "format: csv\nvalues:\n  - {colum: a, algorithm: mdd5}\n",
            [
                "line 3: key values.0.column: this key is missing",
                "line 3: key values.0.colum: unknown key",
                "line 3: key values.0.algorithm: not an algorithm that lists may hold",
            ],
        ),
        (
            "format: csv\nvalues: [{column: a, algorithm: {names: {a: md5}}}]\n",
            ["key values.0.algorithm: expected the name"],
        ),
        ("format: csv\nvalues: [{column: a, algorithm: {column: b, names: {yes: md5}}}]\n", ["needs quotes"]),
        (
            "format: csv\nvalues: [{column: a, algorithm: {column: b, names: [a]}}]\n",
            ["names: expected keys and values"],
        ),
        (
            "format: csv\nvalues: [{column: a, algorithm: {column: b, unsupported: {a: 'A b'}}}]\n",
            ["one lower-case word"],
        ),
        (
            "format: csv\nvalues: [{column: true, algorithm: md5}]\n",
            ["expected a column: its name, or its number from 1"],
        ),
        ("format: csv\nvalues: [{column: 0, algorithm: md5}]\n", ["expected a column"]),
        ("format: csv\nvalues: [{column: a, algorithm: md5, encoding: rot13}]\n", ["key values.0.encoding"]),
        (
            "format: csv\nheader: false\nvalues:\n- {column: a, algorithm: md5}\n",
            [
                "line 4: key values.0.column: without a header columns are numbers from 1",
            ],
        ),
        (
            "format: jsonl\nvalues:\n- {column: 1, algorithm: md5}\n",
            ["line 3: key values.0.column: JSON Lines have names"],
        ),
        ("format: jsonl\nheader: false\nvalues:\n- {column: a, algorithm: md5}\n", ["are for csv and tsv"]),
        (
            "format: csv\ndelimiter: ab\nvalues:\n- {column: a, algorithm: md5}\n",
            ["line 2: key delimiter: expected one char"],
        ),
        ("format: csv\nvalues:\n- {column: a, algorithm: md5}\nremoved: {column: b, values: [x]}\n", ["needs 'id'"]),
        (
            "format: csv\nvalues:\n- {column: a, algorithm: md5}\nid: b\nremoved: {column: b, values: [no]}\n",
            ["needs quotes"],
        ),
        ("format: csv\nvalues:\n- {column: a, algorithm: md5}\nseverity: {}\n", ["either 'column' or 'constant'"]),
        ("format: csv\nvalues:\n- {column: a, algorithm: md5}\nseverity: {constant: a b}\n", ["expected a severity"]),
        (
            "format: csv\nvalues:\n- {column: a, algorithm: md5}\nseverity: {constant: a, names: {b: c}}\n",
            ["'names' are for"],
        ),
        ("format: csv\nvalues:\n- {column: a, algorithm: md5}\nskip: [{column: b}]\n", ["either 'values' or 'unless'"]),
        ("format: csv\nvalues:\n- {column: a, algorithm: md5}\nskip: {column: b}\n", ["expected a list"]),
    ],
)
def test_descriptions_that_are_wrong(
    read: Callable[[str, str | bytes], list[Row]], layout: str, messages: list[str]
) -> None:
    """The error names file, line and key, and what was expected."""
    with pytest.raises(ListFormatError, match=r"^list map .*map\.yaml: ") as caught:
        read(layout, "")
    for message in messages:
        assert message in str(caught.value)


def test_a_column_that_was_merged_in(read: Callable[[str, str | bytes], list[Row]]) -> None:
    """Where YAML's merge hides the column's own line, the error names the one that merged it."""
    layout = (
        "format: csv\nheader: false\nvalues:\n- &a {column: 1, algorithm: md5}\n- {<<: *a, column: b}\n- {<<: *a}\n"
    )
    with pytest.raises(ListFormatError, match=r"map.yaml: line 5: key values.1.column: without a header"):
        read(layout, "")
    with pytest.raises(ListFormatError, match=r"line 4: key values.0.column: JSON.*line 6: key values.2.column: JSON"):
        read(layout.replace("csv", "jsonl").replace("header: false", "encoding: ascii"), "")


def test_missing_files(tmp_path: Path) -> None:
    """A description or table that is not there is an error that says what to do."""
    with pytest.raises(ListFormatError, match=r"list map .*cannot be read \(No such file.*settings/lists has"):
        mapper.reader(tmp_path / "gone.yaml")
    with pytest.raises(ListFormatError, match=r"gone.csv cannot be read: No such file"):
        list(mapper.reader(SETTINGS / "iwf.yaml")(tmp_path / "gone.csv"))


def test_the_registry_knows_mapped_lists(tmp_path: Path) -> None:
    """The format's name carries the description's path."""
    file = tmp_path / "a.csv"
    file.write_text(f"a;SHA-256;{'0f' * 32};\n")
    assert list(reader(f"map={SETTINGS / 'interpol.yaml'}")(file)) == [
        Entry("sha256", b"\x0f" * 32, 1, "a", "BASELINE")
    ]


C3P = {
    "media_id": 5,
    "media_type": "image",
    "classification": "csam",
    "sha1_base32": base64.b32encode(SHA1).decode(),
    "sha256_hex": "0F" * 32,
    "hashes": {"md5": MD5.hex(), "pdq": base64.b64encode(PDQ).decode(), "photodna": [1] * 144},
}
IWF = [
    "Image ID,Media Type,Category,Status,MD5,SHA1,SHA256,PhotoDNA",
    f"1,image,Category A,,{MD5.hex()},{SHA1.hex()},{'0f' * 32},{base64.b64encode(bytes(144)).decode()}",
    "2,image,B,withdrawn,,,,",
    f"3,video,C,,{MD5.hex()},,,",
]
EXAMPLES = {
    "iwf": (
        "\n".join(IWF),
        Counter(Entry=3, Unsupported=2, Removed=1),
        {"A"},
    ),
    "c3p": (
        json.dumps(C3P) + '\n{"media_id": 5, "media_type": "image", "state": "retracted"}\n{"media_type": "video"}\n',
        Counter(Entry=4, Unsupported=2, Removed=1),
        {"CSAM"},
    ),
    "interpol": (
        f"# list\n1;MD5;{MD5.hex()};\n2;Secure Hash 1;{SHA1.hex()};\n3;MD5 video;{MD5.hex()};\n2;;;deleted\n",
        Counter(Entry=2, Unsupported=1, Removed=1),
        {"BASELINE"},
    ),
}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_shipped_descriptions(tmp_path: Path, name: str) -> None:
    """Each description that is shipped reads a file laid out as it says."""
    data, counts, severities = EXAMPLES[name]
    file = tmp_path / "list"
    file.write_text(data)
    found = list(mapper.reader(SETTINGS / f"{name}.yaml")(file))
    assert Counter(type(row).__name__ for row in found) == counts
    assert {row.severity for row in found if isinstance(row, Entry)} == severities


def test_every_description_that_is_shipped_is_tested() -> None:
    """None is forgotten."""
    described = {path.stem for path in SETTINGS.glob("*.yaml") if "\nformat: " in path.read_text(encoding="utf-8")}
    assert described == set(EXAMPLES)


cells = st.sampled_from(
    ["image", "video", "gone", "A", MD5.hex(), "secret", '"', '"a\nb"', ",", "\0", "é", "7" * 300, ""]
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.lists(cells, max_size=7), max_size=6), data=st.binary(max_size=30))
def test_no_table_is_an_error(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], data: bytes) -> None:
    """Whatever stands below the header, its rows have numbers and reasons, and nothing of it shows in a repr."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "map.yaml").write_text(LAYOUT)
    text = "\n".join(",".join(row) for row in rows)
    (folder / "list").write_bytes(b"Type,Id,MD5,Category,State\n" + text.encode() + data)
    for row in mapper.reader(folder / "map.yaml")(folder / "list"):
        assert row.row >= 2
        assert "secret" not in repr(row)
        assert MD5.hex() not in repr(row)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(MD5.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["md5", "a"]), inner, max_size=2),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(
    objects=st.lists(st.dictionaries(st.sampled_from(["hashes", "pdq", "id", "source", "media", "deleted"]), values))
)
def test_no_object_is_an_error(tmp_path_factory: pytest.TempPathFactory, objects: list[object]) -> None:
    """Whatever JSON Lines hold, the only error is a name that no object has."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "map.yaml").write_text(JSON_LAYOUT)
    (folder / "list").write_text("\n".join(map(json.dumps, objects)))
    try:
        found = list(mapper.reader(folder / "map.yaml")(folder / "list"))
    except ListFormatError as error:
        assert "no object has" in str(error)  # noqa: PT017 - most examples have all names
    else:
        assert len({row.row for row in found}) == len(objects)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=60))
def test_no_description_is_another_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever a description holds, it is read or refused."""
    config = tmp_path_factory.mktemp("maps") / "map.yaml"
    config.write_bytes(b"format: csv\nvalues: [{column: a, algorithm: md5}]\n" + data)
    try:
        mapper.reader(config)
    except ListFormatError as error:
        assert str(error).startswith(f"list map {config}: ")  # noqa: PT017 - some are read
