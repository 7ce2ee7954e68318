from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.build.collect import CollectedList, ListSource, collect, version_of
from ingest_guard.blocklist.index.sorted_rows import different
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.errors import BlocklistError, ListFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MD5 = [f"md5 {hashlib.md5(bytes([n]), usedforsecurity=False).hexdigest()}" for n in range(200)]


@pytest.fixture
def collected(list_file: Callable[..., Path]) -> Callable[..., CollectedList]:
    """Collect a plain list of the given lines."""

    def run(*lines: str, accept: bool = False, allow_empty: bool = False) -> CollectedList:
        return collect(
            ListSource("mine", "plain", list_file(*lines)), Sealer(bytes(32)), accept=accept, allow_empty=allow_empty
        )

    return run


def test_counts(collected: Callable[..., CollectedList]) -> None:
    """Rows, accepted values, duplicates, degenerate and rejected rows are all accounted for."""
    lines = [
        *MD5,
        MD5[3].upper(),
        "# comment",
        "",
        f"md5 {hashlib.md5(b'', usedforsecurity=False).hexdigest()}",
        "md5 xyz",
        "pdq " + "0f" * 32,
    ]
    report = collected(*lines).report
    assert report.rows == 204
    assert dict(report.accepted) == {"md5": 200, "pdq": 1}
    assert dict(report.duplicates) == {"md5": 1}
    assert {key: (rows.count, rows.first) for key, rows in report.degenerate.items()} == {"md5": (1, [204])}
    assert {key: (rows.count, rows.first) for key, rows in report.rejected.items()} == {"bad_length": (1, [205])}
    total = report.accepted.total() + report.duplicates.total() + report.rejected_rows + 1
    assert total == report.rows


def test_equal_addresses_are_one(collected: Callable[..., CollectedList]) -> None:
    """Two spellings of an address are one entry; one that has no spelling is rejected."""
    report = collected(
        "url http://a.example/b", "url HTTP://A.example:80/./b", f"url http://{'ü' * 99}/", accept=True
    ).report
    assert dict(report.accepted) == {"url": 1}
    assert dict(report.duplicates) == {"url": 1}
    assert report.rejected["bad_url"].first == [3]


def test_too_many_bad_rows_need_consent(collected: Callable[..., CollectedList]) -> None:
    """More than one rejected row in a hundred is an error that names file, rows and reasons, unless accepted."""
    lines = [*MD5, "md5 xyz", "sha3 00", "nonsense"]
    with pytest.raises(ListFormatError) as caught:
        collected(*lines)
    text = str(caught.value)
    assert "list.txt" in text
    assert "3 of 203 rows" in text
    assert "bad_length 1 (row 201)" in text
    assert "unknown_algorithm 2 (rows 202, 203)" in text
    assert "--accept" in text
    assert "xyz" not in text
    assert collected(*lines, accept=True).report.rejected_rows == 3
    assert collected(*MD5, "md5 xyz", "md5 xyz").report.rejected_rows == 2


def test_many_bad_rows_are_abridged(collected: Callable[..., CollectedList]) -> None:
    """Only the first row numbers of a reason are kept."""
    with pytest.raises(ListFormatError, match=r"bad_length 30 \(rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, \.\.\.\)"):
        collected(*["md5 xyz"] * 30)


def test_a_list_of_degenerate_values_only_is_an_error(collected: Callable[..., CollectedList]) -> None:
    """Where nothing is left after refusing degenerate values, the list is not built."""
    with pytest.raises(ListFormatError, match=r"1 of 1 rows cannot be used: degenerate pdq 1 \(row 1\)"):
        collected("pdq " + "00" * 32)
    with pytest.raises(BlocklistError, match="gave no entry"):
        collected("pdq " + "00" * 32, accept=True)


def test_an_empty_list_is_an_error_unless_allowed(collected: Callable[..., CollectedList]) -> None:
    """A file without any row is taken for the wrong file."""
    with pytest.raises(ListFormatError, match="has no row"):
        collected("# nothing here")
    with pytest.raises(BlocklistError, match="gave no entry"):
        collected("# nothing here", accept=True)
    assert collected("# nothing here", allow_empty=True).parts == {None: {}}


def test_the_version_is_that_of_the_content(collected: Callable[..., CollectedList]) -> None:
    """Order, case, comments and duplicates do not change a list's version; another value does."""

    def version(*lines: str) -> str:
        return version_of({name: held.values for name, held in collected(*lines).parts[None].items()})

    before = version(*MD5)
    assert version("# again", *[line.upper() for line in reversed(MD5)], MD5[0]) == before
    assert version(*MD5[1:]) != before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A list file that does not exist is named in the error."""
    source = ListSource("mine", "plain", tmp_path / "gone.txt")
    with pytest.raises(ListFormatError, match=r"gone\.txt cannot be read: No such file"):
        collect(source, Sealer(bytes(32)), accept=False, allow_empty=False)


@given(data=st.data(), size=st.sampled_from([8, 16, 20, 32]))
def test_different_keeps_one_of_each(data: Any, size: int) -> None:
    """Values are sorted as byte strings and each is kept once, ties in the first bytes included."""
    parts = st.sampled_from([b"\0" * size, b"\xff" * size, b"\0" * (size - 1) + b"\1", b"\1" + b"\0" * (size - 1)])
    rows = data.draw(st.lists(st.one_of(parts, st.binary(min_size=size, max_size=size)), max_size=20))
    values = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, size)
    assert [row.tobytes() for row in different(values)] == sorted(set(rows))
