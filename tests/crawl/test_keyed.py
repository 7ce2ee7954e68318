from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project, page
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store.draft import point_to
from ingest_guard.blocklist.store.signatures import sign_store
from ingest_guard.blocklist.store.versions import current_version
from ingest_guard.signing.keys import read_signing_key, write_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            for image in response.css("img::attr(src)").getall():
                yield {"image_url": response.urljoin(image)}
"""
_EXACT, _NEAR, _CLEAN = encode(drawn(1)), encode(drawn(2).resize((280, 210)), "PNG"), encode(drawn(3))


@pytest.fixture
def key() -> str:
    """Return a key as an operator would make one."""
    return secrets.token_hex(32)


@pytest.fixture
def project(tmp_path: Path, key: str) -> Project:
    """Make a project whose blocklist is keyed, and signed by one signer."""
    made = Project(tmp_path, _SPIDER, {"a": ["md5 " + "1" * 32]})
    rows = tmp_path / "rows.txt"
    rows.write_text(f"sha256 {hashlib.sha256(_EXACT).hexdigest()}\npdq {pdq_of(drawn(2))}\n")
    build(tmp_path / "blocklist", [ListSource("a", "plain", rows)], key=bytes.fromhex(key))
    write_signing_key(tmp_path / "signer")
    sign_store(tmp_path / "blocklist", read_signing_key(tmp_path / "signer"))
    return made


@pytest.fixture
def crawl_with(project: Project) -> Callable[[str], Crawl]:
    """Return a function that crawls with some lines more in the policy."""
    policy = project.project / "policy.yaml"
    before = policy.read_text()

    def run(lines: str) -> Crawl:
        policy.write_text(before + lines)
        with Server() as server:
            for name, body in {"exact": _EXACT, "near": _NEAR, "clean": _CLEAN}.items():
                server.add(f"/{name}.jpg", body, type="image/jpeg")
            server.add("/page", page(["exact.jpg", "near.jpg", "clean.jpg"]))
            return project.crawl("tested", base=server.base)

    return run


def test_a_keyed_list_matches_in_every_process(
    crawl_with: Callable[[str], Crawl], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Exact values in the crawl's process, near ones in its workers; the key leaves no trace."""
    monkeypatch.setenv("INGEST_GUARD_TEST_KEY", key)
    crawl = crawl_with("list_key: {env: INGEST_GUARD_TEST_KEY}\nsigner: [../signer.pub]\n")
    assert [url.rpartition("/")[2] for url in crawl.record_urls()] == ["clean.jpg"]
    assert (crawl.count("matched_by/sha256"), crawl.count("matched_by/pdq")) == (1, 1)
    assert crawl.exit_code == 0
    for file in (each for each in crawl.out.rglob("*") if each.is_file()):
        assert key.encode() not in file.read_bytes(), file
        assert bytes.fromhex(key) not in file.read_bytes(), file


def test_the_key_may_be_in_a_file(crawl_with: Callable[[str], Crawl], project: Project, key: str) -> None:
    """Its path counts from the policy's folder."""
    file = project.project / "key"
    file.touch(mode=0o600)
    file.write_text(key)
    assert crawl_with("list_key: {file: key}\n").count("matched") == 2


@pytest.mark.parametrize("lines", ["", "list_key: {file: other}\n", "list_key: {env: INGEST_GUARD_ABSENT_KEY}\n"])
def test_without_the_key_no_crawl_starts(crawl_with: Callable[[str], Crawl], project: Project, lines: str) -> None:
    """A missing or another key is one line at CRITICAL and an exit code that is not 0."""
    file = project.project / "other"
    file.touch(mode=0o600)
    file.write_text(other := secrets.token_hex(32))
    crawl = crawl_with(lines)
    assert crawl.exit_code != 0
    assert crawl.records == []
    assert len(crawl.critical()) == 1
    assert other not in crawl.log + crawl.output


def test_a_signer_that_has_not_signed(crawl_with: Callable[[str], Crawl], project: Project, key: str) -> None:
    """A blocklist that none of the policy's signers has signed does not start a crawl."""
    file = project.project / "key"
    file.touch(mode=0o600)
    file.write_text(key)
    crawl = crawl_with(f"list_key: {{file: key}}\nsigner: {'0' * 62}01\n")
    assert crawl.exit_code != 0
    (line,) = crawl.critical()
    assert "sign" in line


def test_a_store_that_is_pointed_back(crawl_with: Callable[[str], Crawl], project: Project, key: str) -> None:
    """After a crawl with a newer version, no crawl starts on an older one, though the signer has signed both."""
    file = project.project / "key"
    file.touch(mode=0o600)
    file.write_text(key)
    store = project.project.parent / "blocklist"
    first = current_version(store)
    build(store, [ListSource("a", "plain", store.parent / "rows.txt")], key=bytes.fromhex(key))
    sign_store(store, read_signing_key(store.parent / "signer"))
    lines = "list_key: {file: key}\nsigner: [../signer.pub]\n"
    assert crawl_with(lines).count("matched") == 2
    point_to(store, first)
    crawl = crawl_with(lines)
    assert crawl.exit_code != 0
    assert crawl.records == []
    (line,) = crawl.critical()
    assert "is older than" in line
    assert "ingest_guard_state/newest-" in line
    assert crawl_with(f"{lines}state: none\n").count("matched") == 2
