from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blocklist.helpers import poke

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import versions
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path

    from blocklist.helpers import Made


def again(made: Made, keep: int = 3) -> str:
    """Build the same list once more; return the new version."""
    source = ListSource("known", "plain", made.folder.parent / "list.txt")
    return build(made.folder, [source], keep=keep).version


def test_the_pointer_names_the_newest_version(made: Made) -> None:
    """Each build is a version of its own and becomes the current one."""
    assert versions.current_version(made.folder) == made.report.version
    version = again(made)
    assert version != made.report.version
    assert versions.current_version(str(made.folder)) == version
    assert Blocklist.open(made.folder).version == version
    assert Blocklist.open(made.version_folder).version == made.report.version


def test_versions_are_listed_newest_first_and_retained(made: Made) -> None:
    """The newest versions are kept, as many as asked for, the current one among them."""
    built = [made.report.version, again(made), again(made)]
    assert versions.versions(made.folder) == built[::-1]
    built.append(again(made, keep=2))
    assert versions.versions(made.folder) == built[:-3:-1]
    built.append(again(made, keep=1))
    assert versions.versions(made.folder) == built[-1:]
    assert Blocklist.open(made.folder).version == built[-1]


def test_an_open_version_outlives_its_removal(made: Made) -> None:
    """Who has an old version open goes on with it after it was removed."""
    opened = Blocklist.open(made.folder)
    again(made, keep=1)
    assert not made.version_folder.exists()
    assert opened.match_near("pdq", made.pdq[:1])[2].tolist() == [0]
    assert opened.match_exact({"md5": made.md5[0]}) == [("known", "md5")]


def test_no_store_has_no_versions(tmp_path: Path) -> None:
    """Listing the versions of a folder without any is no error; asking for the current one is."""
    assert versions.versions(tmp_path) == []
    with pytest.raises(BlocklistError, match="holds no blocklist"):
        versions.current_version(tmp_path)


@pytest.mark.parametrize("text", [b"", b"versions\n", b"../../etc\n", b"\xff" * 64, b"A" * 64 + b"\n", b"0" * 200])
def test_a_damaged_pointer_is_refused(made: Made, text: bytes) -> None:
    """A pointer that names no version is an error that says what to do."""
    poke(made.folder / "current", lambda _: text)
    with pytest.raises(BlocklistError, match=r"current.*(build the blocklist again|rebuild)"):
        Blocklist.open(made.folder)


def test_a_pointer_to_nothing_is_refused(made: Made) -> None:
    """A pointer to a version that is gone is an error."""
    poke(made.folder / "current", lambda _: b"0" * 64 + b"\n")
    with pytest.raises(BlocklistError, match="does not exist"):
        Blocklist.open(made.folder)


def test_unreadable_versions_come_last(made: Made) -> None:
    """A version whose manifest is damaged is listed, as the oldest."""
    broken = made.folder / "versions" / ("f" * 64)
    broken.mkdir()
    (made.folder / "versions" / "notes").mkdir()
    assert versions.versions(made.folder) == [made.report.version, "f" * 64]
