from __future__ import annotations

import io
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from demo import pictures
from demo.listed import MADE_UP, originals, plain_lists, write_lists
from demo.model import Fate
from demo.oddities import bomb
from demo.site import build_site
from ingest_guard.errors import IngestGuardError
from ingest_guard.hashing.digests import digests

if TYPE_CHECKING:
    from pathlib import Path

    from demo.site import Site


def test_the_site_is_large_enough(site: Site) -> None:
    """The site has 40 pages and 150 images or more, each with an alt text, in five formats."""
    assert len(site.pages) >= 40
    assert len(site.image_paths) >= 150
    assert all(alt for _path, alt in site.shown)
    formats = Counter(site.resources[path].content_type for path in site.image_paths)
    assert {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"} <= set(formats)


def test_every_image_has_a_right_answer(site: Site) -> None:
    """Whatever a page shows has an expectation and an answer of the server, and every fate occurs."""
    assert site.image_paths <= set(site.expectations)
    assert set(site.expectations) <= set(site.resources)
    assert {expectation.fate for expectation in site.expectations.values()} == set(Fate)
    for expectation in site.expectations.values():
        assert bool(expectation.lists) == (expectation.fate is Fate.MATCH)
        assert (expectation.reason is not None) == (expectation.fate is Fate.NOT_SCANNABLE)


def test_all_images_are_on_pages_that_the_home_page_leads_to(site: Site) -> None:
    """Following links from the home page reaches every gallery page, and these show every image."""
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path not in seen and path in site.resources:
            seen.add(path)
            waiting += re.findall(r'<(?:a|link)[^>]* href="([^"]+)"', site.resources[path].plain.decode("latin-1"))
    shown = "".join(site.resources[path].plain.decode("latin-1") for path in seen)
    assert set(site.pages) <= seen
    assert all(path in shown for path in site.image_paths)


def test_the_pictures_are_the_same_each_time(site: Site) -> None:
    """Another seed gives another order of the same images, to the byte, with the same right answers."""
    other = build_site(site.seed + 1)
    assert other.shown != site.shown
    assert other.records == site.records
    assert other.expectations == site.expectations
    assert all(other.resources[path] == site.resources[path] for path in site.expectations)
    assert plain_lists(site.seed) == plain_lists(site.seed) != plain_lists(other.seed)


def test_records_are_listed_for_each_place_that_shows_an_image(site: Site) -> None:
    """Two places with other words make two expected records; nothing else than the fate 'record' makes any."""
    times = Counter(path for path, _alt in site.records)
    assert max(times.values()) == 2
    assert {site.expectations[path].fate for path in times} == {Fate.RECORD}


def test_dropped_and_kept_bodies_have_nothing_in_common(site: Site) -> None:
    """No body counts as dropped and as kept."""
    assert not set(site.dropped.values()) & set(site.kept)
    assert {original.file for original in originals().values()} <= set(site.dropped.values())


def test_the_bomb_is_small_and_claims_much() -> None:
    """The decompression bomb is a valid PNG header over 500 million pixels in less than 100 kB."""
    data = bomb()
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert len(data) < 100_000


def test_the_lists_hold_the_originals_and_thousands_that_belong_to_nothing() -> None:
    """Each list has the values of its originals, under the algorithm that it knows them by, among made-up ones."""
    lists = plain_lists(1)
    for original in originals().values():
        values = digests(original.file)
        exact = f"{original.digest} {values[original.digest]}\n"
        assert (exact in lists["hotline-a"]) == ("hotline-a" in original.lists)
        assert values["md5"] not in lists["hotline-b"]
    kinds = Counter(line.split()[0] for text in lists.values() for line in text.splitlines() if line[0] != "#")
    assert set(kinds) == {"md5", "sha1", "sha256", "pdq", "phash"}
    assert min(kinds.values()) > MADE_UP


def test_lists_are_written_one_file_each(tmp_path: Path) -> None:
    """Each list becomes a file of its name."""
    written = write_lists(tmp_path / "lists", 1)
    assert {name: file.name for name, file in written.items()} == {
        "hotline-a": "hotline-a.txt",
        "hotline-b": "hotline-b.txt",
    }
    assert all(file.read_text().startswith("# hotline-") for file in written.values())


def test_a_written_site_has_all_answers(site: Site, tmp_path: Path) -> None:
    """The written site names a file, a status and headers for each path."""
    site.write(tmp_path)
    routes = json.loads((tmp_path / "site.json").read_text())
    assert set(routes) == set(site.resources)
    route = routes["/photos/gzip/cup.jpg"]
    assert ["Content-Encoding", "gzip"] in route["headers"]
    assert (tmp_path / route["file"]).read_bytes() == site.resources["/photos/gzip/cup.jpg"].body


def test_every_photograph_names_a_free_licence() -> None:
    """Only photographs whose licence is named, and free, are used."""
    for entry in pictures.PHOTOGRAPHS.values():
        assert entry.licence.startswith(("public domain", "CC0", "no known restrictions"))


def test_missing_photographs_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-image, the error says what to type."""

    def nothing(_name: str) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(pictures.resources, "files", nothing)
    pictures.photograph.cache_clear()
    with pytest.raises(IngestGuardError, match="make demo"):
        pictures.photograph("coffee")


def test_an_unknown_coding_is_refused() -> None:
    """Only the four codings of HTTP that Scrapy undoes are known."""
    with pytest.raises(ValueError, match="unknown content coding"):
        pictures.content_encoded(b"body", "rot13")
