from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocklist.helpers import Made


@pytest.fixture
def raw(made: Made) -> dict[str, Any]:
    """Return a good manifest's data."""
    data: dict[str, Any] = json.loads((made.version_folder / "manifest.json").read_bytes())
    return data


def test_it_says_what_the_version_holds(made: Made, raw: dict[str, Any]) -> None:
    """Per list: id, owner, source, counts, thresholds; per file: size and digest; and when it was built."""
    listed, canary = raw["lists"]
    assert canary["counts"] == {"sha256": 1, "pdq": 1, "phash": 1}
    assert (listed["id"], listed["owner"], listed["source"]) == ("known", "an operator", "plain:list.txt")
    assert listed["counts"] == {"md5": 20, "pdq": 40, "phash": 1, "sha256": 1, "url": 1}
    assert listed["thresholds"] == {"pdq": 31, "phash": 4}
    assert set(raw["files"]) | {"manifest.json"} == {path.name for path in made.version_folder.iterdir()}
    assert raw["format"] == 2
    assert raw["created"].endswith("Z")


def test_reading_gives_back_what_was_written(made: Made) -> None:
    """A manifest that is read and written again has the same bytes, hence the same name."""
    data = (made.version_folder / "manifest.json").read_bytes()
    assert manifests.parse(data, "x").to_bytes() == data
    assert manifests.version_of(data) == made.report.version


def test_it_holds_no_listed_value(made: Made) -> None:
    """No value of a list stands in its manifest."""
    text = (made.version_folder / "manifest.json").read_text(encoding="utf-8")
    assert not any(value in text for value in made.md5)
    assert not any(row.tobytes().hex() in text for row in made.pdq)


def removed(key: str) -> Callable[[dict[str, Any]], object]:
    """Return what removes a key."""
    return lambda raw: raw.pop(key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw.update(format=1), "format"),
        (removed("lists"), "lists"),
        (lambda raw: raw.update(more=1), "more"),
        (lambda raw: raw.update(created="yesterday"), "created"),
        (lambda raw: raw["lists"][0].update(version="x"), r"lists.0.version"),
        (lambda raw: raw["lists"][0]["counts"].update(md5=-1), "counts.md5"),
        (lambda raw: raw["files"].update({"../up": {"size": 1, "sha256": "0" * 64}}), "files"),
        (lambda raw: raw["files"].update({"more.npy": {"size": 1, "sha256": "0" * 64}}), "belongs"),
        (lambda raw: raw["files"].popitem(), "belongs"),
    ],
)
def test_what_is_no_manifest_is_refused(raw: dict[str, Any], change: Callable[[Any], object], said: str) -> None:
    """Another format, a missing, unknown or malformed key, or a file that nothing uses: a clear error."""
    change(raw)
    with pytest.raises(BlocklistError, match=f"not a manifest.*{said}.*rebuild"):
        manifests.parse(json.dumps(raw).encode(), "x")


def test_garbage_is_refused() -> None:
    """What is no JSON at all is a clear error."""
    with pytest.raises(BlocklistError, match="the whole: Invalid JSON"):
        manifests.parse(b"\x00garbage", "x")


def test_times_are_utc() -> None:
    """The moment written is the present one, in UTC."""
    written = manifests.parse_time(manifests.now())
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60


@pytest.mark.parametrize("list_id", ["a", "NCMEC", "iwf.2024-05_x", "0", "a" * 64])
def test_sound_list_ids(list_id: str) -> None:
    """Letters, digits, dots, dashes and underscores make an id."""
    assert manifests.check_list_id(list_id) == list_id


@pytest.mark.parametrize("list_id", ["", ".a", "-a", "a/b", "a b", "a\n", "ä", "a" * 65, "..", "a:b"])
def test_malformed_list_ids_are_refused(list_id: str) -> None:
    """Anything that could not be part of a file name everywhere is no id."""
    with pytest.raises(BlocklistError, match="expected 1 to 64 letters"):
        manifests.check_list_id(list_id)


@pytest.mark.parametrize("list_id", ["ingest-guard", "ingest-guard-canary", "Ingest-Guard-x"])
def test_reserved_list_ids_are_refused(list_id: str) -> None:
    """Ids that begin with the package's name are not for operators."""
    with pytest.raises(BlocklistError, match="reserved"):
        manifests.check_list_id(list_id)
    assert manifests.check_list_id(list_id, reserved=True) == list_id
