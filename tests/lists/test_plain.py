from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.errors import ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected
from ingest_guard.lists.plain import MAX_LINE, parse, read

if TYPE_CHECKING:
    from pathlib import Path

MD5 = "0123456789abcdef0123456789abcdef"


def rows(tmp_path: Path, data: bytes) -> list[Entry | Rejected]:
    """Read a list file of this content."""
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    return list(read(path))


def test_every_algorithm(tmp_path: Path) -> None:
    """Each algorithm's values are read, in either case of hex digits and names."""
    lines = [f"{name} {'aB' * algorithms.get(name).length}" for name in algorithms.names() if name != "url"]
    lines += ["MD5 " + MD5, "url https://example.org/a#b"]
    found = rows(tmp_path, "\n".join(lines).encode())
    values = {entry.algorithm: entry.value for entry in found if isinstance(entry, Entry)}
    assert len(found) == len(lines)
    assert values.pop("url") == "https://example.org/a#b"
    assert values.pop("md5") == bytes.fromhex(MD5)
    assert values == {name: b"\xab" * algorithms.get(name).length for name in values}
    assert [found_row.row for found_row in found] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize(
    "data",
    [
        f"md5 {MD5}\n",
        f"md5 {MD5}",
        f"\ufeffmd5 {MD5}\r\n",
        f"md5 {MD5} # a comment\n",
        f"  md5\t{MD5}  \r\n\r\n  # more\n#\n",
        f"\n\n# first\nmd5 {MD5}",
    ],
)
def test_comments_blank_lines_and_line_ends(tmp_path: Path, data: str) -> None:
    """Comments, blank lines, CRLF, tabs, a byte-order mark and a missing last line end do not matter."""
    (entry,) = rows(tmp_path, data.encode())
    assert isinstance(entry, Entry)
    assert (entry.algorithm, entry.value) == ("md5", bytes.fromhex(MD5))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("photodna 00", "unknown_algorithm"),
        (MD5, "unknown_algorithm"),
        ("md5", "missing_value"),
        ("md5 # nothing", "missing_value"),
        (f"md5 {MD5} more", "too_many_fields"),
        (f"md5 {MD5[:-1]}", "bad_length"),
        (f"sha1 {MD5}", "bad_length"),
        (f"md5 {MD5[:-1]}g", "not_hex"),
        (f"md5 {MD5[:-1]}\u0660", "not_hex"),
        (f"md5 {MD5}#c", "bad_length"),
        ("phash 0123456789abcde", "bad_length"),
        ("url example.org/a", "bad_url"),
        ("url ftp://example.org/a", "bad_url"),
        ("url http://", "bad_url"),
        ("url http://[::1", "bad_url"),
        ("url http://a:b/", "bad_url"),
    ],
)
def test_bad_rows_are_rejected_with_a_reason(line: str, reason: str) -> None:
    """A row that cannot be used becomes a reason and a row number, never an error."""
    assert parse(line.encode(), 7) == Rejected(7, reason)


def test_bytes_that_are_no_text_are_rejected(tmp_path: Path) -> None:
    """A line that is not UTF-8 is rejected, and the next one is read."""
    assert rows(tmp_path, b"md5 \xff\n\nmd5 00\n") == [Rejected(1, "not_utf8"), Rejected(3, "bad_length")]


@pytest.mark.parametrize("length", [MAX_LINE - 3, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2, 5 * MAX_LINE])
def test_lines_without_end_are_cut_short(tmp_path: Path, length: int) -> None:
    """A line of any length is one row, too long ones rejected as such, and the rows after it keep their numbers."""
    found = rows(tmp_path, b"x" * length + b"\r\nmd5 " + MD5.encode() + b"\n" + b"y" * length)
    reason = "unknown_algorithm" if length <= MAX_LINE else "line_too_long"
    assert found[0] == Rejected(1, reason)
    assert isinstance(found[1], Entry)
    assert found[1].row == 2
    assert found[2] == Rejected(3, reason)


def test_a_byte_order_mark_counts_at_the_start_only() -> None:
    """A byte-order mark further down is part of a word."""
    assert parse(b"\xef\xbb\xbf# x", 1) is None
    assert parse(b"\xef\xbb\xbf# x", 2) == Rejected(2, "unknown_algorithm")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file and a folder are errors that name the path."""
    with pytest.raises(ListFormatError, match=r"gone cannot be read: No such file.*check the path"):
        list(read(tmp_path / "gone"))
    with pytest.raises(ListFormatError, match="cannot be read: Is a directory"):
        list(read(tmp_path))


def test_reading_needs_the_memory_of_a_row(tmp_path: Path) -> None:
    """Rows come one at a time: the first is there before the file has an end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        os.write(descriptor, (f"md5 {MD5}\n" * 400).encode())
        found = read(pipe)
        assert isinstance(next(found), Entry)
        found.close()  # type: ignore[attr-defined]
    finally:
        os.close(descriptor)


@given(line=st.binary(max_size=80), row=st.integers(1, 3))
def test_no_line_is_an_error(line: bytes, row: int) -> None:
    """Whatever a line holds, it is an entry, a rejection or nothing."""
    found = parse(line, row)
    assert found is None or found.row == row


words = st.sampled_from(["md5", "MD5", "pdq", "url", "phash", MD5, MD5[:16], "#", "# x", "http://a.b/c", "zz"])


@given(parts=st.lists(words, max_size=4), end=st.sampled_from(["", " ", "\t#"]))
def test_entries_have_the_size_of_their_algorithm(parts: list[str], end: str) -> None:
    """An accepted hash has as many bytes as its algorithm's values; nothing of a row shows in its repr."""
    found = parse((" ".join(parts) + end).encode(), 1)
    if isinstance(found, Entry):
        assert isinstance(found.value, str) or len(found.value) == algorithms.get(found.algorithm).length
        assert MD5 not in repr(found)
        assert "http" not in repr(found)


_LINES = f"# a list\nmd5 {MD5}\nurl https://example.org/b\u00fccher\n"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lists_in_other_encodings(tmp_path: Path, codec: str, end: str) -> None:
    """A list that an editor or shell wrote in UTF-16 has the entries of the same list in UTF-8."""
    text = _LINES.replace("\n", end)
    found = rows(tmp_path, text.encode(codec))
    assert found == rows(tmp_path, text.encode())
    assert [type(each) for each in found] == [Entry, Entry]


def test_memory_is_bounded_in_other_encodings(tmp_path: Path) -> None:
    """A line of UTF-16 that is too long is rejected as such, and the next one is read."""
    found = rows(tmp_path, f"md5 {'a' * 3 * MAX_LINE}\nmd5 {MD5}\n".encode("utf-16"))
    assert found == [Rejected(1, "line_too_long"), Entry("md5", bytes.fromhex(MD5), 2)]


_SHA1, _SHA256 = "0123456789" * 4, MD5 * 2


@pytest.mark.parametrize(
    ("line", "algorithm"),
    [
        (f"{MD5}  photo.jpg", "md5"),
        (f"{MD5} *photo.jpg", "md5"),
        (f"{MD5.upper()} *a name # with blanks", "md5"),
        (f"\\{MD5}  a\\nname", "md5"),
        (f"\\{MD5} *a\\\\b", "md5"),
        (f"{_SHA1}  photo.jpg", "sha1"),
        (f"MD5 (photo (1).jpg) = {MD5}", "md5"),
        (f"\\MD5 (a\\nb) = {MD5}", "md5"),
        (f"SHA1 (photo.jpg) = {_SHA1}", "sha1"),
        (f"SHA256 (photo.jpg) = {_SHA256}", "sha256"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\r"])
def test_what_md5sum_and_its_kin_print_is_read(tmp_path: Path, line: str, algorithm: str, end: bytes) -> None:
    """A digest and the name of a file is an entry, in both forms that these tools have."""
    digest = {"md5": MD5, "sha1": _SHA1, "sha256": _SHA256}[algorithm]
    assert rows(tmp_path, line.encode() + end + b"\n") == [Entry(algorithm, bytes.fromhex(digest), 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{_SHA256}  photo.jpg", "sha256_or_pdq"),
        (f"{_SHA256} *photo.jpg", "sha256_or_pdq"),
        (f"{MD5} photo.jpg", "unknown_algorithm"),
        (f"{MD5}  ", "unknown_algorithm"),
        (f"{MD5}0  photo.jpg", "unknown_algorithm"),
        (f"SHA256 (photo.jpg) = {MD5}", "bad_length"),
        (f"SHA512 (photo.jpg) = {MD5}", "unknown_algorithm"),
    ],
)
def test_lines_that_only_look_like_sums_are_rejected(tmp_path: Path, line: str, reason: str) -> None:
    """Above all, a digest of 64 digits may be a PDQ: the line must name its algorithm."""
    assert rows(tmp_path, line.encode()) == [Rejected(1, reason)]


def test_a_sum_of_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    """The name does not matter."""
    assert rows(tmp_path, f"{MD5}  caf\u00e9.jpg\n".encode("latin-1")) == [Entry("md5", bytes.fromhex(MD5), 1)]
