from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.attested import check_set, data_set, manifest, record, write_shard

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.croissant import NAME, describe
from ingest_guard.dataset.attestation.files import write_manifest
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import About, Recheck, Shard, Source
from ingest_guard.dataset.records.schema import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = About(
    name="Pictures of a test",
    description="Made for a test.",
    license="https://creativecommons.org/publicdomain/zero/1.0/",
    url="https://example.org/set",
    creator="Somebody",
    version="1.0.0",
    cite_as="@misc{test}",
    published="2026-05-06",
)
# MLCommons' own library, in a process of its own: it brings pandas, and says much on the way.
_READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlcroissant
told = {}
for file in sys.argv[1:]:
    dataset = mlcroissant.Dataset(jsonld=file)
    issues = dataset.metadata.ctx.issues
    sets = {each.id: list(dataset.records(each.id)) for each in dataset.metadata.record_sets}
    told[file] = {"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "sets": sets}
print(json.dumps(told, default=lambda value: value.decode() if isinstance(value, bytes) else str(value)))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Let mlcroissant read data sets of each outfit and format; return what it says of each."""
    root = tmp_path_factory.mktemp("croissant")
    for suffix in ("parquet", "jsonl"):
        for outfit in ("native", "laion", "img2dataset"):
            data_set(root / f"{outfit}-{suffix}", f".{suffix}", outfit, about=ABOUT)
    data_set(root / "silent")
    both = root / "both"
    both.mkdir()
    write_shard(both / "records-00000.parquet", [record(0)])
    write_shard(both / "other.jsonl", [record(1)])
    write_manifest(both, manifest())
    folders = sorted(root.iterdir())
    command = [sys.executable, "-c", _READ, *(str(folder / NAME) for folder in folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    return {folder.name: said[str(folder / NAME)] for folder in folders}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("outfit", ["native", "laion", "img2dataset"])
def test_mlcroissant_loads_the_records_of_each_outfit(told: dict[str, Any], suffix: str, outfit: str) -> None:
    """Without an error or a warning; every record, with texts, numbers, times and what was checked."""
    said = told[f"{outfit}-{suffix}"]
    assert (said["errors"], said["warnings"]) == ([], [])
    rows = said["sets"]["records"]
    assert len(rows) == 16
    names = {"native": ("alt", "width"), "laion": ("TEXT", "WIDTH"), "img2dataset": ("caption", "width")}[outfit]
    for number, row in enumerate(rows):
        expected = record(number)
        assert [row[f"records/{name}"] for name in ("uid", "sha256", *names)] == [
            expected["uid"],
            expected["sha256"],
            expected["alt"],
            expected["width"],
        ]
        assert row["records/pdq_quality"] == expected["pdq_quality"]
        assert row["records/fetched_at"].startswith("2026-05-06 07:08:09")
        checked = row["records/attestation"]
        assert checked["records/attestation/check_set"] == expected["attestation"]["check_set"]
        assert checked["records/attestation/algorithms"] == ["md5", "pdq"]
        lists = row["records/attestation/lists"]
        assert [each["records/attestation/lists/id"] for each in lists] == ["first", "second"]


def test_what_nobody_has_said_is_left_out(told: dict[str, Any]) -> None:
    """Mlcroissant misses the licence and the like, and finds no error; they are the operator's to say."""
    said = told["silent"]
    assert said["errors"] == []
    assert len(said["warnings"]) == 4
    assert all("is recommended, but does not exist" in warning for warning in said["warnings"])


def test_shards_of_two_formats_are_two_record_sets(told: dict[str, Any]) -> None:
    """Each loads on its own."""
    said = told["both"]
    assert said["errors"] == []
    assert {name: len(rows) for name, rows in said["sets"].items()} == {"records-parquet": 1, "records-jsonlines": 1}


def test_mlcroissant_finds_a_changed_shard(tmp_path: Path) -> None:
    """By the digest of each file object."""
    data_set(tmp_path)
    described = json.loads((tmp_path / NAME).read_text())
    # Fields that read one file object make mlcroissant look at its digest.
    told = json.dumps(described).replace(
        '"fileSet": {"@id": "shards-parquet"}', '"fileObject": {"@id": "records-00000.parquet"}'
    )
    (tmp_path / NAME).write_text(told)
    write_shard(tmp_path / "records-00000.parquet", [record(5)])
    command = [sys.executable, "-c", _READ, str(tmp_path / NAME)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "is not identical" in done.stderr


def test_each_shard_is_a_file_object_with_its_digest(tmp_path: Path) -> None:
    """And all of a format are a file set."""
    made = data_set(tmp_path)
    files = json.loads((tmp_path / NAME).read_text())["distribution"]
    assert [(each["@id"], each["sha256"], each["contentSize"]) for each in files[:2]] == [
        (shard.name, shard.sha256, f"{shard.bytes} B") for shard in made.shards
    ]
    assert files[2]["@type"] == "cr:FileSet"
    assert files[2]["includes"] == "records-*.parquet"


def test_unusual_names_are_named_one_by_one() -> None:
    """What a glob would take for its own is not."""
    names = ("a[1].parquet", "b*.parquet", "c?.parquet")
    shards = tuple(Shard(name=name, rows=1, bytes=1, sha256="0" * 64) for name in names)
    said = describe(manifest(shards=shards), COLUMNS)
    assert said["distribution"][-1]["includes"] == ["a[[]1].parquet", "b[*].parquet", "c[?].parquet"]


def test_what_is_known_of_the_collection_is_told() -> None:
    """Outcomes, opt-outs and filters in words; what is not promised as limitations; nothing that nobody knows."""
    said = describe(manifest(), COLUMNS)
    assert said["rai:dataCollectionType"] == ["Web Scraping", "Software Collection"]
    assert said["rai:dataCollectionTimeframe"] == ["2026-05-06T07:00:00Z", "2026-05-06T08:00:00Z"]
    told = " ".join(said["rai:dataPreprocessingProtocol"])
    for part in ("20 images and other binaries checked", "noai 4", "text_length 5", "3 dropped: they could not be"):
        assert part in told
    assert "does not mean safe" in said["rai:dataLimitations"][0]
    assert "does not mean safe" in said["description"]
    assert not {"license", "creator", "url", "datePublished", "rai:dataUseCases"} & said.keys()


def test_an_empty_data_set_is_described_without_records(tmp_path: Path) -> None:
    """A crawl may find nothing."""
    write_manifest(tmp_path, manifest())
    said = json.loads((tmp_path / NAME).read_text())
    assert (said["distribution"], said["recordSet"]) == ([], [])


def test_derived_records_name_what_they_come_from() -> None:
    """And records from elsewhere are not said to be scraped by this guard."""
    recheck = Recheck(
        at=now(), blocklist=check_set().blocklist, algorithms=("pdq",), counts={"compared": 9, "removed": 2}
    )
    derived = manifest().derive(recheck, Source(manifest="9" * 64, rows=9))
    said = describe(derived, COLUMNS)
    assert said["prov:wasDerivedFrom"] == {"@id": f"urn:sha256:{'9' * 64}"}
    assert "compared 9, removed 2" in said["rai:dataPreprocessingProtocol"][-1]
    foreign = describe(Manifest.foreign().derive(recheck, Source(rows=9)), COLUMNS)
    assert "rai:dataCollection" not in foreign
    assert "prov:wasDerivedFrom" not in foreign
    assert "nothing is known of how they were collected" in foreign["description"]
