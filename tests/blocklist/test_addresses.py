from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from scrapy import Request

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.changes import compare
from ingest_guard.blocklist.build.update import update
from ingest_guard.errors import BlocklistError
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.policy.policy import Policy
from ingest_guard.urls.normalise import ADDRESS_FORMAT

CHARS = [chr(code) for code in range(0x21, 0x7F) if code != ord("#")] + ["\u00df", "\u65e5", "%zz", "%7c", "%C3%BC"]
PLACES = ["http://h.example/{n}/a{c}b.jpg", "http://h.example/{n}?a{c}b", "http://u{c}v@h.example/{n}"]
ROWS = [place.format(n=number, c=char) for place in PLACES for number, char in enumerate(CHARS)]


def sendable(url: str) -> bool:
    """Return whether a crawl could ask for an address."""
    try:
        return bool(Request(url).url)
    except ValueError:
        return False


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a blocklist of addresses with every printable character in path, query and user."""
    folder = tmp_path_factory.mktemp("addresses")
    (folder / "list.txt").write_text("".join(f"{row}\n" for row in ROWS if sendable(row)), "utf-8")
    build(folder / "store", [ListSource("l", "urls", folder / "list.txt")])
    return folder / "store"


def test_a_listed_address_is_found_as_written_and_as_sent(store: Path) -> None:
    """Whatever Scrapy escapes in it; and none of another path."""
    with Blocklist.open(store) as opened:
        for row in filter(sendable, ROWS):
            assert opened.match_url(row) == ["l"], row
            assert opened.match_url(Request(row).url) == ["l"], row
        assert opened.match_url("http://h.example/none") == []


def test_an_allowed_address_is_taken_out_however_it_is_spelled(store: Path) -> None:
    """A row of the allow-list in the spelling that was sent takes out the entry as the list has it."""
    rows = [row for row in ROWS if sendable(row)]
    allow = store.parent / "allow.txt"
    allow.write_text("".join(f"url {Request(row).url}\n" for row in rows), "utf-8")
    policy = Policy.model_validate({"blocklist": store, "allow": {"files": (allow,)}})
    values = AllowList.read(policy).values
    with Blocklist.open(store) as opened:
        allowing = opened.allowing(values, {})
        assert not any(allowing.match_url(row) for row in rows)


def test_hosts_in_their_own_letters(tmp_path: Path) -> None:
    """A listed domain is the one that browsers ask for, not the one that Python's codec makes of it."""
    (tmp_path / "list.txt").write_text("stra\u00dfe.example\nb\u00fccher.example\nxn--nxasmm1c.example\n", "utf-8")
    build(tmp_path / "store", [ListSource("l", "domains", tmp_path / "list.txt")])
    with Blocklist.open(tmp_path / "store") as opened:
        for found in [
            "stra\u00dfe.example",
            "xn--strae-oqa.example",
            "a.B\u00dcCHER.example",
            "\u03b2\u03cc\u03bb\u03bf\u03c2.example",
        ]:
            assert opened.match_url(f"http://{found}/x") == ["l"]
        for other in ["strasse.example", "\u03b2\u03cc\u03bb\u03bf\u03c3.example"]:
            assert opened.match_url(f"http://{other}/x") == []


def aged(folder: Path) -> Path:
    """Make the current version one of a release that spelled addresses in another way, as that release wrote it."""
    version = next((folder / "versions").iterdir())
    manifest: dict[str, Any] = json.loads((version / "manifest.json").read_bytes())
    assert manifest.pop("addresses") == ADDRESS_FORMAT
    data = (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()
    version.chmod(0o755)
    (version / "manifest.json").chmod(0o644)
    (version / "manifest.json").write_bytes(data)
    name = hashlib.sha256(data).hexdigest()
    pointer = next(path for path in folder.iterdir() if path.is_file() and version.name in path.read_text())
    (folder / "versions").chmod(0o755)
    moved = version.rename(version.with_name(name))
    pointer.chmod(0o644)
    pointer.write_text(pointer.read_text().replace(version.name, name))
    return moved


def made(tmp_path: Path, *rows: str) -> tuple[Path, ListSource]:
    """Build a store of a plain list, and age it."""
    file = tmp_path / "list.txt"
    file.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    source = ListSource("l", "plain", file)
    build(tmp_path / "store", [source], confirm=True)
    aged(tmp_path / "store")
    return tmp_path / "store", source


MD5 = f"md5 {'0a' * 16}"


@pytest.mark.parametrize("row", ["url http://h.example/a", "domain h.example"])
def test_an_older_list_of_addresses_says_how_to_rebuild(tmp_path: Path, row: str) -> None:
    """Its digests may be of another spelling, so it is refused, not half used; a build replaces it."""
    store, source = made(tmp_path, row, MD5)
    for use in (lambda: Blocklist.open(store), lambda: update(store, [source])):
        with pytest.raises(BlocklistError, match="rebuild it from its list files: ingest-guard blocklist build"):
            use()
    with Blocklist.open(store, old_addresses=True) as opened:
        assert opened.match_exact({"md5": "0a" * 16}) == [("l", "md5")]
        assert opened.match_url("http://h.example/a") == []
    old = next((store / "versions").iterdir())
    report = build(store, [source], confirm=True)
    assert report.parent == old.name
    with Blocklist.open(store) as opened:
        assert opened.match_url("http://h.example/a") == ["l"]
    changes = compare(old, store).changes
    assert [change.kept for key, change in changes.items() if key[2] in {"url", "domain"}] == [None]


def test_an_older_list_without_addresses_is_used_as_it_is(tmp_path: Path) -> None:
    """An update may even bring addresses into it."""
    store, source = made(tmp_path, MD5)
    with Blocklist.open(store) as opened:
        assert opened.match_exact({"md5": "0a" * 16}) == [("l", "md5")]
    Path(source.path).write_text("url http://h.example/[a]\n")
    update(store, [source])
    with Blocklist.open(store) as opened:
        assert opened.match_url("http://h.example/%5Ba%5D") == ["l"]
