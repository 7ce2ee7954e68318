from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from support.attested import OTHER, data_set, manifest, record, write_shard
from support.blocklists import make_blocklist

from ingest_guard import Guard, Policy
from ingest_guard.dataset.attestation.draft import DRAFT
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.output.manifest import BucketKeeper, counts_of, keeper_of
from ingest_guard.signing.keys import read_public_key, write_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest_guard.scrapy_plugin.output.manifest import ManifestKeeper

STATS = {
    "ingest_guard/checked": 3,
    "ingest_guard/no_known_match": 2,
    "ingest_guard/matched": 1,
    "ingest_guard/matched/a": 1,
    "ingest_guard/opted_out/noai": 5,
    "ingest_guard/workers/lost": 7,
    "ingest_guard/list_version": "text",
    "downloader/request_count": 9,
}


@pytest.fixture
def make_guard(tmp_path: Path) -> Callable[..., Guard]:
    """Return a maker of guards; each call builds another version of the blocklist."""

    def make(number: int = 1, lines: str = "") -> Guard:
        make_blocklist(tmp_path / "blocklist", {"a": [("md5", hashlib.md5(bytes([number])).hexdigest())]})  # noqa: S324 - a value for a list
        (tmp_path / "policy.yaml").write_text(f"blocklist: blocklist\nworkers: inline\n{lines}")
        return Guard.from_policy(Policy.load(tmp_path / "policy.yaml"))

    return make


@pytest.fixture
def make_keeper(tmp_path: Path) -> Callable[..., ManifestKeeper]:
    """Return a maker of keepers for crawls into ``set``."""

    def make(guard: Guard, **settings: Any) -> ManifestKeeper:
        crawler = SimpleNamespace(settings={"INGEST_GUARD_DATASET": str(tmp_path / "set"), **settings})
        runtime: Any = SimpleNamespace(crawler=crawler, policy=guard.policy, on_version=[], incidents=None)
        keeper = keeper_of(runtime)
        assert keeper is not None
        assert runtime.on_version == [keeper.used]
        return keeper

    return make


def ended(keeper: ManifestKeeper, stats: dict[str, Any] | None = None, reason: str = "finished") -> bool:
    """Let a crawl end."""
    return asyncio.run(keeper.write(reason, STATS if stats is None else stats))


def shard(folder: Path, name: str, *guards: Guard) -> None:
    """Write a shard with a record for each guard."""
    records = [record(number, guard.attestation["check_set"]) for number, guard in enumerate(guards)]
    write_shard(folder / "set" / name, records)


Maker = "Callable[..., Any]"


def test_lists_that_were_swapped_are_all_named(tmp_path: Path, make_guard: Maker, make_keeper: Maker) -> None:
    """Each check set that was in use, in order; the draft knows it before any record does."""
    first, second = make_guard(1), make_guard(2)
    keeper = make_keeper(first)
    keeper.used(first)
    assert len(Manifest.parse((tmp_path / "set" / DRAFT).read_bytes()).check_sets) == 1
    keeper.used(second)
    draft = Manifest.parse((tmp_path / "set" / DRAFT).read_bytes())
    assert [each.check_set for each in draft.check_sets] == [g.attestation["check_set"] for g in (first, second)]
    keeper.used(second)
    shard(tmp_path, "records-00000.parquet", first, second)
    assert ended(keeper)
    found = verify(tmp_path / "set")
    assert found.problems == ()
    assert found.manifest.check_set == second.attestation["check_set"]
    assert [len(run.check_sets) for run in found.manifest.runs] == [2]
    assert [each.version for each in found.manifest.blocklist] == [first.version, second.version]
    assert found.manifest.opt_outs == {"noai": 5}
    assert not (tmp_path / "set" / DRAFT).exists()


def test_only_what_became_of_responses_is_counted() -> None:
    """Not how busy the machine was, nor other parts' statistics, nor texts."""
    assert counts_of(STATS) == {"checked": 3, "matched": 1, "matched/a": 1, "no_known_match": 2, "opted_out/noai": 5}


def test_while_a_crawl_writes_there_is_no_manifest(tmp_path: Path, make_guard: Maker, make_keeper: Maker) -> None:
    """What an earlier one said holds no longer; after the crawl it covers both."""
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    shard(tmp_path, "records-00000.jsonl", guard)
    assert ended(keeper, reason="shutdown")
    assert (tmp_path / "set" / "attestation.json").exists()
    again = make_keeper(guard)
    again.used(guard)
    for name in ("attestation.json", "croissant.json"):
        assert not (tmp_path / "set" / name).exists()
    # JSON Lines may grow.
    shard(tmp_path, "records-00000.jsonl", guard, guard)
    assert ended(again)
    found = verify(tmp_path / "set")
    assert found.problems == ()
    assert [run.finish_reason for run in found.manifest.runs] == ["shutdown", "finished"]
    assert found.manifest.outcomes["checked"] == 6
    assert len(found.manifest.check_sets) == 1


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_shard_that_was_changed_meanwhile_stops_the_manifest(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    """Grown in another way than at its end, or gone."""
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    name = f"records-00000.{suffix}"
    shard(tmp_path, name, guard, guard)
    assert ended(keeper)
    write_shard(tmp_path / "set" / name, [record(n, guard.attestation["check_set"]) for n in (5, 6, 7, 8)])
    again = make_keeper(guard)
    again.used(guard)
    assert not ended(again)
    assert f"{name} was changed since the crawl that wrote it" in caplog.text
    (tmp_path / "set" / name).unlink()
    third = make_keeper(guard)
    third.used(guard)
    assert not ended(third)
    assert f"{name} was removed" in caplog.text


def test_records_that_nobody_knows_of_stop_the_manifest(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that somebody has put there."""
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    write_shard(tmp_path / "set" / "theirs.parquet", [record(1, OTHER)])
    assert not ended(keeper)
    assert "theirs.parquet has 1 records of which nobody knows" in caplog.text
    assert not (tmp_path / "set" / "attestation.json").exists()


def test_a_feed_that_was_not_stored_stops_the_manifest(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """Records are missing that its numbers speak of."""
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    assert not ended(keeper, {**STATS, "feedexport/failed_count/FileFeedStorage": 1})
    assert "a feed could not be stored" in caplog.text


@pytest.mark.parametrize(("made", "is_whole"), [(0, True), (1, True), (2, False), (1000, False)])
def test_records_that_lie_elsewhere_stop_the_manifest(
    tmp_path: Path,
    make_guard: Maker,
    make_keeper: Maker,
    caplog: pytest.LogCaptureFixture,
    made: int,
    *,
    is_whole: bool,
) -> None:
    """What an earlier crawl has written makes up for no record of this one."""
    guard = make_guard()
    first = make_keeper(guard)
    first.used(guard)
    shard(tmp_path, "records-00000.parquet", guard, guard)
    assert ended(first, {"ingest_guard/records": 2})
    second = make_keeper(guard)
    second.used(guard)
    shard(tmp_path, "records-00001.parquet", guard)
    assert ended(second, {"ingest_guard/records": made}) is is_whole
    assert ("and 1 of them lie in the data set" in caplog.text) is not is_whole


def test_a_crawl_that_never_began_has_no_manifest(tmp_path: Path, make_guard: Maker, make_keeper: Maker) -> None:
    """And takes nothing away."""
    assert not ended(make_keeper(make_guard()))
    assert not (tmp_path / "set").exists()


def test_records_from_elsewhere_get_no_company(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """What is promised of some would not hold for the others; it is told once."""
    data_set(tmp_path / "set", records="foreign", check_set=None, runs=(), check_sets=())
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    keeper.used(guard)
    assert not ended(keeper)
    assert caplog.text.count("let the crawl write to a folder of its own") == 1


@pytest.mark.parametrize("name", [DRAFT, "attestation.json"])
def test_an_earlier_manifest_that_cannot_be_read_stops_the_manifest(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It is not written over."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_text("{}")
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    assert not ended(keeper)
    assert "not a manifest that this release reads" in caplog.text
    assert (tmp_path / "set" / name).read_text() == "{}"


def test_items_without_an_image_are_told_apart_where_a_policy_passes_them(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker
) -> None:
    """They are rows without an attestation."""
    guard = make_guard(1, "records: {items_without_image: pass}\n")
    keeper = make_keeper(guard)
    keeper.used(guard)
    (tmp_path / "set" / "items.jsonl").write_text('{"title": "a page"}\n')
    assert ended(keeper)
    found = verify(tmp_path / "set")
    assert (found.problems, found.manifest.unattested) == ((), 1)


def test_the_environment_names_the_key_before_the_policy(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``INGEST_GUARD_SIGN_KEY`` is a path, never a key."""
    for name in ("one", "two"):
        write_signing_key(tmp_path / name)
    guard = make_guard(1, "dataset: {sign_key: one}\n")
    monkeypatch.setenv("INGEST_GUARD_SIGN_KEY", str(tmp_path / "two"))
    keeper = make_keeper(guard)
    keeper.used(guard)
    assert ended(keeper)
    assert verify(tmp_path / "set").signers == (read_public_key(tmp_path / "two.pub"),)


def test_a_fault_of_ours_tells_no_record(
    tmp_path: Path,
    make_guard: Maker,
    make_keeper: Maker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever goes wrong is named by its kind alone."""

    def fail(*_: Any) -> None:
        raise ValueError("secret")

    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    monkeypatch.setattr("ingest_guard.dataset.attestation.draft.require_unchanged", fail)
    assert not ended(keeper)
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_full_disk_stops_the_manifest_and_not_the_crawl(
    tmp_path: Path, make_guard: Maker, make_keeper: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder cannot be made, say."""
    (tmp_path / "set").write_text("a file")
    guard = make_guard()
    keeper = make_keeper(guard)
    keeper.used(guard)
    assert not ended(keeper)
    assert "will have no manifest" in caplog.text


def test_sums_are_of_the_runs_whose_numbers_are_known() -> None:
    """A manifest can be counted again at any time."""
    made = manifest()
    assert made.counted() == made
    assert json.loads(made.to_bytes())["opt_outs"] == {"noai": 4}


class Bucket:
    """A place that holds files in memory."""

    uri = "mem://set"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: dict[str, bytes] = {}

    def names(self) -> list[str]:
        """Return the names of the shards."""
        return sorted(name for name in self.held if name.startswith("records-"))

    @contextlib.contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """Lend one."""
        if name not in self.held:
            raise SetupError("not there")
        file = self.folder / f"lent{name}"
        file.write_bytes(self.held[name])
        yield file
        file.unlink()


class Storage:
    """What puts files into the bucket, as Scrapy's storages do."""

    bucket: Bucket
    is_full = False

    def __init__(self, uri: str, *, feed_options: dict[str, Any]) -> None:
        self.name = uri.removeprefix("mem://set/")
        assert feed_options == {"overwrite": True}

    def open(self, spider: object) -> io.BytesIO:
        """Open a file for what is to come."""
        return io.BytesIO()

    def store(self, file: io.BytesIO) -> None:
        """Put it there."""
        if self.is_full:
            raise OSError("full")
        self.bucket.held[self.name] = file.getvalue()


class TestBucket:
    """A data set that is elsewhere."""

    @pytest.fixture
    def bucket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
        """Return an empty one."""
        (tmp_path / "lent").mkdir()
        monkeypatch.setattr(Storage, "bucket", Bucket(tmp_path / "lent"), raising=False)
        return Storage.bucket

    def crawl(self, guard: Guard, bucket: Bucket, shard_name: str | None = None, reason: str = "finished") -> bool:
        """Let a crawl begin, write a shard, and end."""
        settings = Settings({"FEED_STORAGES": {"mem": Storage}})
        crawler = SimpleNamespace(settings=settings, spider=None)
        runtime: Any = SimpleNamespace(crawler=crawler, policy=guard.policy, incidents=None)

        async def run() -> bool:
            keeper = BucketKeeper(runtime, bucket)  # type: ignore[arg-type]
            keeper.used(guard)
            keeper.used(guard)
            while keeper._is_uploading:  # noqa: ASYNC110 - nobody else waits for the draft
                await asyncio.sleep(0)
            if shard_name is not None:
                line = json.dumps(record(len(bucket.held), guard.attestation["check_set"]))
                bucket.held[shard_name] = f"{line}\n".encode()
            return bool(reason) and await keeper.write(reason, STATS)

        return asyncio.run(run())

    def test_runs_add_up(self, tmp_path: Path, make_guard: Maker, bucket: Bucket) -> None:
        """Those that ended and those that were killed; the later of manifest and draft counts."""
        first, second = make_guard(1), make_guard(2)
        assert self.crawl(first, bucket, "records-00000.jsonl")
        assert not self.crawl(second, bucket, "records-00001.jsonl", reason="")
        assert self.crawl(first, bucket, "records-00002.jsonl")
        (tmp_path / "got").mkdir()
        for name, data in bucket.held.items():
            (tmp_path / "got" / name).write_bytes(data)
        found = verify(tmp_path / "got")
        assert found.problems == ()
        assert [run.finish_reason for run in found.manifest.runs] == ["finished", None, "finished"]
        assert len(found.manifest.check_sets) == 2
        assert found.manifest.rows == 3

    def test_a_changed_shard_stops_the_manifest(
        self, make_guard: Maker, bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As on this machine; what grew was changed, too."""
        guard = make_guard()
        assert self.crawl(guard, bucket, "records-00000.jsonl")
        before = bucket.held["attestation.json"]
        bucket.held["records-00000.jsonl"] *= 2
        assert not self.crawl(guard, bucket)
        assert "records-00000.jsonl was changed" in caplog.text
        assert bucket.held["attestation.json"] == before

    def test_a_bucket_that_takes_nothing_stops_the_manifest(
        self, make_guard: Maker, bucket: Bucket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Told once, by the kind of the error."""
        monkeypatch.setattr(Storage, "is_full", True)
        assert not self.crawl(make_guard(), bucket)
        assert "its draft cannot be uploaded (OSError)" in caplog.text
