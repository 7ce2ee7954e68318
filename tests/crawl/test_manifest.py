from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from support.buckets import Buckets
from support.crawl import Crawl, Project, page
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard.dataset.attestation.draft import DRAFT
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.shards.read import read_rows
from ingest_guard.signing.keys import read_public_key, write_signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDERS = """
    import os

    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        end = ""
        first = "/page"

        async def start(self):
            yield scrapy.Request(self.base + self.first, dont_filter=True)

        async def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}

        def closed(self, reason):
            if self.end == "kill":
                os.kill(os.getpid(), 9)
"""
_LISTED = encode(drawn(1), "JPEG")
_PAGES = {
    "/page": {f"/safe{number}.jpg": encode(drawn(810 + number, (160, 120)), "JPEG") for number in range(4)},
    "/more": {f"/more{number}.jpg": encode(drawn(830 + number, (160, 120)), "JPEG") for number in range(3)},
}
_LISTS = {
    "first": [f"md5 {hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()}"],
    "second": [f"md5 {'d' * 32}"],
}


@pytest.fixture
def site() -> Iterator[Server]:
    """Serve two pages with images, one of the images listed."""
    with Server() as server:
        server.add("/listed.jpg", _LISTED, type="image/jpeg")
        for path, images in _PAGES.items():
            server.add(path, page([*images, "/listed.jpg"]))
            for name, body in images.items():
                server.add(name, body, type="image/jpeg")
        yield server


def _project(folder: Path, policy: str = "", **settings: object) -> Project:
    made = {"FEEDS": None, "INGEST_GUARD_DATASET": "../out/set", "INGEST_GUARD_FORMAT": "jsonl", **settings}
    return Project(folder, _SPIDERS, _LISTS, settings=made, policy=policy)


def _crawl(project: Project, site: Server, first: str = "/page", *options: str, **arguments: object) -> Crawl:
    return project.crawl("tested", *options, base=site.base, first=first, **arguments)


def test_a_data_set_is_attested_also_when_it_grows(tmp_path: Path, site: Server) -> None:
    """The manifest holds, is signed, and after a second crawl covers both: shards, check sets, numbers."""
    write_signing_key(tmp_path / "key")
    policy = """
        dataset:
          name: Pictures of a test
          license: https://creativecommons.org/publicdomain/zero/1.0/
          sign_key: ../key
    """
    project = _project(tmp_path, policy, INGEST_GUARD_FORMAT="parquet", INGEST_GUARD_SHARD_ROWS=3)
    crawl = _crawl(project, site)
    assert crawl.exit_code == 0
    assert not crawl.faults(), crawl.faults()
    folder, public = tmp_path / "out" / "set", read_public_key(tmp_path / "key.pub")

    found = verify(folder, signers=[public])
    assert found.problems == ()
    first = found.manifest
    assert first.rows == 4
    assert {name: first.outcomes[name] for name in ("records", "matched", "matched/first")} == {
        "records": 4,
        "matched": 1,
        "matched/first": 1,
    }
    assert first.finish_reason == "finished"
    assert first.check_set == crawl.stats["ingest_guard/check_set"]
    assert [each.id for each in first.blocklist[0].lists] == ["first", "second"]
    assert first.blocklist[0].lists[0].counts == {"md5": 1}
    assert {"Python", "Scrapy", "pillow", "numpy", "pybloom-live", "ImageHash"} <= first.versions.keys()
    assert "inverse" in first.views
    assert not (folder / DRAFT).exists()
    described = json.loads((folder / "croissant.json").read_text())
    assert described["name"] == "Pictures of a test"
    assert [each["sha256"] for each in described["distribution"][:2]] == [shard.sha256 for shard in first.shards]
    assert str(tmp_path) not in (folder / "attestation.json").read_text()
    assert "key" not in crawl.log.replace("KeyboardInterrupt", "").lower().split("ingest_guard")[-1]

    project.build({**_LISTS, "second": [f"md5 {'e' * 32}"]})
    again = _crawl(project, site, "/more")
    assert again.exit_code == 0
    found = verify(folder, signers=[public])
    assert found.problems == ()
    both = found.manifest
    assert both.rows == 7
    assert set(first.shards) < set(both.shards)
    assert both.outcomes["records"] == 7
    assert both.outcomes["matched"] == 2
    assert [run.check_sets for run in both.runs] == [(first.check_set,), (both.check_set,)]
    assert len(both.check_sets) == 2
    named = {row["attestation"]["check_set"] for shard in both.shards for row in read_rows(folder / shard.name)}
    assert named == {each.check_set for each in both.check_sets}


def test_a_crawl_that_is_killed_leaves_no_manifest_and_is_not_forgotten(tmp_path: Path, site: Server) -> None:
    """The next one covers its records, and says that its numbers are lost."""
    project = _project(tmp_path)
    killed = project.wait(project.begin(*_COMMAND, "tested", "-a", f"base={site.base}", "-a", "end=kill"))
    assert killed.exit_code != 0
    folder = tmp_path / "out" / "set"
    assert not (folder / "attestation.json").exists()
    lost = Manifest.parse((folder / DRAFT).read_bytes())
    assert lost.runs[-1].ended is None

    project.build({**_LISTS, "second": [f"md5 {'e' * 32}"]})
    crawl = _crawl(project, site, "/more")
    assert crawl.exit_code == 0
    found = verify(folder)
    assert found.problems == ()
    assert [run.ended is None for run in found.manifest.runs] == [True, False]
    assert len(found.manifest.check_sets) == 2
    assert found.manifest.outcomes["records"] == 3
    assert "a run did not end well" in "".join(found.notes)


_COMMAND = ("ingest-guard", "crawl")


def test_a_changed_shard_of_an_earlier_crawl_is_not_vouched_for(tmp_path: Path, site: Server) -> None:
    """The crawl is told to have no manifest: by the log, and by the exit code of ``ingest-guard crawl``."""
    project = _project(tmp_path)
    assert _crawl(project, site).exit_code == 0
    shard = tmp_path / "out" / "set" / "records-00000.jsonl"
    shard.write_text(shard.read_text().replace("safe1", "safe7"))
    crawl = project.wait(project.begin(*_COMMAND, "tested", "-a", f"base={site.base}", "-a", "first=/more"))
    assert crawl.exit_code == 5
    assert "the manifest could not be written" in crawl.output
    assert "records-00000.jsonl was changed since the crawl that wrote it" in crawl.output
    assert not (tmp_path / "out" / "set" / "attestation.json").exists()


def test_a_crawl_with_a_key_that_cannot_be_used_does_not_start(tmp_path: Path, site: Server) -> None:
    """Better now than at the end."""
    (tmp_path / "key").write_text("no key")
    (tmp_path / "key").chmod(0o600)
    crawl = _crawl(_project(tmp_path, "dataset: {sign_key: ../key}"), site)
    assert crawl.exit_code == 1
    assert site.asked() == []
    assert "is not a private Ed25519 key" in crawl.log


def test_a_data_set_in_a_bucket_has_its_manifest_there(tmp_path: Path, site: Server) -> None:
    """It covers both crawls, and holds for what was downloaded."""
    with Buckets() as buckets:
        project = _project(
            tmp_path,
            INGEST_GUARD_DATASET="s3://the-bucket/set",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - nobody's
            AWS_REGION_NAME="eu-west-1",
            AWS_ENDPOINT_URL=buckets.base,
        )
        first = _crawl(project, site)
        assert first.faults() == []
        assert DRAFT in buckets.keys("the-bucket/set/")
        assert Manifest.parse(buckets.objects["the-bucket/set/attestation.json"]).rows == 4
        again = _crawl(project, site, "/more")
        assert again.faults() == []
        for name in buckets.keys("the-bucket/set/"):
            file = tmp_path / "downloaded" / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(buckets.objects[f"the-bucket/set/{name}"])
    found = verify(tmp_path / "downloaded")
    assert found.problems == ()
    assert found.manifest.rows == 7
    assert [run.finish_reason for run in found.manifest.runs] == ["finished", "finished"]
    assert not list((tmp_path / "out" / "tmp").iterdir())
